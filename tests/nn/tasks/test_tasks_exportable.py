"""Every network can be traced, exported and written as ONNX once its head is told so; nothing else is special-cased.

Forms are made with one image and compared with the network on another.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tests.nn.tasks.test_tasks_architectures import FILES, scaled_name
from ultralytics.nn import tasks

SIDE = 64  # px
OPSET = 17
FIRST, SECOND = torch.rand(2, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
# Sizes of the smallest network of every file that is not slow to trace.
TRACED = [
    stem
    for stem, entry in FILES.items()
    if "n" in entry["scales"] and "resnet" not in stem and not stem.endswith("-p6")
]
# One network per kind of head and per kind of backbone, and whether its NMS-free branch is decoded.
WRITTEN = [
    ("yolov3-tiny", False),
    ("yolov6", False),
    ("yolov8-obb", False),
    ("yolov8-worldv2", False),
    ("yolov10n", True),
    ("yolo11-pose", False),
    ("yolo12", False),
    ("yolo26", True),
    ("yolo26-seg", True),
    ("yolo26-pose", True),
    ("yolo26-obb", True),
    ("yolo26-cls", False),
    ("yolo26-sem", False),
    ("yolo26-depth", False),
    ("yolov8-rtdetr", False),
    ("yoloe-11-seg", False),
]
QUICK = ("yolo26", "yolo26-sem")


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools warn about themselves
        yield


def exportable(stem: str, end2end: bool = False) -> Any:
    """The network of a file in the form that is exported."""
    torch.manual_seed(0)
    letter = next(iter(FILES[stem]["scales"]))
    model = getattr(tasks, FILES[stem]["model"])(scaled_name(stem, letter), verbose=False)
    model.end2end = end2end
    model.eval().requires_grad_(False).fuse(verbose=False)
    model.model[-1].export = True
    return model


def tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [t for part in value for t in tensors(part)]


def assert_same(form: Callable[[Tensor], Any], model: nn.Module) -> None:
    expected, found = tensors(model(SECOND)), tensors(form(SECOND))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("stem", TRACED)
def test_tracing_keeps_outputs(stem: str) -> None:
    model = exportable(stem)
    traced = torch.jit.trace(model, FIRST, strict=False, check_trace=False)
    assert_same(traced, model)


def written_cases() -> list[Any]:
    return [
        pytest.param(
            stem,
            end2end,
            id=f"{stem}-nms-free" if end2end else stem,
            marks=[] if stem in QUICK else [pytest.mark.slow],
        )
        for stem, end2end in WRITTEN
    ]


@torch.no_grad()
@pytest.mark.parametrize(("stem", "end2end"), written_cases())
def test_exported_programs_keep_outputs(stem: str, end2end: bool) -> None:
    model = exportable(stem, end2end)
    program = torch.export.export(model, (FIRST,))
    assert_same(program.module(), model)
    assert_same(model, model)  # nothing of the recording is left behind


@torch.no_grad()
@pytest.mark.parametrize(("stem", "end2end"), written_cases())
def test_onnx_files_are_sound_and_keep_outputs(stem: str, end2end: bool, tmp_path: Path) -> None:
    model = exportable(stem, end2end)
    expected = tensors(model(SECOND))
    path = str(tmp_path / "m.onnx")
    torch.onnx.export(model, (FIRST,), path, opset_version=OPSET, dynamo=False)
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    assert [len(output.type.tensor_type.shape.dim) for output in graph.graph.output] == [
        y.ndim for y in expected
    ]
    if end2end or stem == "yolov8-rtdetr" or int(cv2.__version__.split(".")[0]) < 5:
        return  # what OpenCV cannot run, or orders differently among equals
    network = cv2.dnn.readNetFromONNX(path)
    network.setInput(SECOND.numpy())
    for a, b in zip(network.forward(network.getUnconnectedOutLayersNames()), expected, strict=True):
        assert_close(torch.from_numpy(a).reshape(b.shape), b, rtol=1e-3, atol=1e-3)
