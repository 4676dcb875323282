"""Every network can be traced, exported and written as ONNX once its head is told so; nothing else is special-cased.

Forms are made with one image and compared with the network on another.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tests.nn.tasks.test_tasks_architectures import FILES, scaled_name
from ultralytics.nn import tasks

SIDE = 128  # px; smaller maps than 3 x 3 cannot be pooled to 3 x 3 in ONNX
OPSET = 17
FIRST, SECOND = torch.rand(2, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
# Every file with the smallest scale, the smallest network of families without it, and the NMS-free branches.
WHOLE = [
    *(stem for stem, entry in FILES.items() if "n" in entry["scales"]),
    *("yolov3-tiny", "yolov9t", "rtdetr-l", "yolo11-cls-resnet18", "yolo11-semseg"),
]
NMS_FREE = ("yolov10n", "yolo26", "yolo26-seg", "yolo26-pose", "yolo26-obb")
WRITTEN = [*((stem, False) for stem in WHOLE), *((stem, True) for stem in NMS_FREE)]
RANKED = ("yolov8-rtdetr", "rtdetr-l")
QUICK = [("yolo26", True), ("yolo26-sem", False)]


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools warn about themselves
        yield


def exportable(stem: str, end2end: bool = False) -> Any:
    """The network of a file in the form that is exported."""
    torch.manual_seed(0)
    entry = FILES.get(stem, {"scales": ["n"], "model": "SemanticModel"})
    letter = "n" if "n" in entry["scales"] else next(iter(entry["scales"]))
    name = scaled_name(stem, letter) if stem in FILES else f"{stem.replace('11', '11n')}.yaml"
    model = getattr(tasks, entry["model"])(name, verbose=False)
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


def written_cases() -> list[Any]:
    return [
        pytest.param(
            stem,
            end2end,
            id=f"{stem}-nms-free" if end2end else stem,
            marks=[] if (stem, end2end) in QUICK else [pytest.mark.slow],
        )
        for stem, end2end in WRITTEN
    ]


@torch.no_grad()
@pytest.mark.parametrize(("stem", "end2end"), written_cases())
def test_tracing_keeps_outputs(stem: str, end2end: bool) -> None:
    model = exportable(stem, end2end)
    traced = torch.jit.trace(model, FIRST, strict=False, check_trace=False)
    assert_same(traced, model)


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
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: SECOND.numpy()})
    for a, b in zip(map(torch.from_numpy, found), expected, strict=True):
        if (
            end2end or stem in RANKED
        ):  # untrained networks have ties, which each runtime orders its own way
            a, b = (rows[..., 4].sort().values if rows.ndim == 3 else rows for rows in (a, b))
        assert_close(a, b, rtol=1e-3, atol=1e-3)
