"""Files of earlier releases and of unfinished runs, made by changing files of today byte by byte."""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.errors import CheckpointError, UnsafeCheckpoint
from ultralytics.nn.modules import MLP, SPPF, Conv, Detect, Segment
from ultralytics.nn.modules.block import AAttn
from ultralytics.nn.tasks import (
    DetectionModel,
    RTDETRDetectionModel,
    SegmentationModel,
    WorldModel,
    YOLOEModel,
    load_checkpoint,
)

Build = Callable[..., DetectionModel]
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def output(model: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        y: torch.Tensor = model(IMAGE)[0]
    return y


def store(path: Path, content: Any, *changes: tuple[str, str]) -> Path:
    """Write a file as releases did, with dotted names in its pickle replaced."""
    buffer = io.BytesIO()
    torch.save(content, buffer, pickle_protocol=2)
    with zipfile.ZipFile(buffer) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as write:
        for name in read.namelist():
            data = read.read(name)
            if name.endswith("/data.pkl"):
                for new, old in changes:
                    assert _global(new) in data
                    data = data.replace(_global(new), _global(old))
            write.writestr(name, data)
    return path


def _global(name: str) -> bytes:
    """The pickle operation that refers to a name."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def reopened(model: Any, tmp_path: Path, *changes: tuple[str, str]) -> Any:
    return load_checkpoint(store(tmp_path / "old.pt", {"model": model}, *changes))[0]


BLOCK = "ultralytics.nn.modules.block"
FLAT = "ultralytics.nn.modules"


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (f"{BLOCK}.C3k2", f"{FLAT}.C3k2"),
        (f"{FLAT}.conv.Conv", f"{FLAT}.Conv"),
        (f"{FLAT}.head.Detect", f"{FLAT}.Detect"),
        ("ultralytics.nn.tasks.DetectionModel", "ultralytics.nn.tasks.YOLOv10DetectionModel"),
    ],
)
def test_old_paths_of_classes(new: str, old: str, build: Build, tmp_path: Path) -> None:
    model = build()
    expected = output(model)
    opened = reopened(model, tmp_path, (new, old))
    assert type(opened) is DetectionModel
    assert_close(output(opened), expected)


def test_old_path_of_arguments(build: Build, tmp_path: Path) -> None:
    from ultralytics.utils import IterableSimpleNamespace

    model: Any = build()
    model.args = IterableSimpleNamespace(imgsz=96, task="detect")
    path = store(
        tmp_path / "old.pt",
        {"model": model, "train_args": {"imgsz": 96}},
        (
            "ultralytics.utils.IterableSimpleNamespace",
            "ultralytics.yolo.utils.IterableSimpleNamespace",
        ),
    )
    assert load_checkpoint(path)[0].args["imgsz"] == 96


@pytest.mark.parametrize("system", ["PosixPath", "WindowsPath"])
@pytest.mark.parametrize("home", ["pathlib", "pathlib._local"])
def test_paths_of_any_system(system: str, home: str, build: Build, tmp_path: Path) -> None:
    content = {"model": build(), "train_args": {"data": Path("sets") / "a.yaml"}}
    name = type(Path()).__name__
    path = store(tmp_path / "old.pt", content, (f"pathlib.{name}", f"{home}.{system}"))
    assert Path(load_checkpoint(path)[0].args["data"]).name == "a.yaml"


def test_a_layer_that_passed_images_on(build: Build, tmp_path: Path) -> None:
    model = build()
    expected = output(model)
    row = nn.Sequential(nn.Identity(), model.model[0])
    row.i, row.f = 0, -1  # type: ignore[assignment]
    model.model[0] = row
    identity = "torch.nn.modules.linear.Identity"
    assert_close(output(reopened(model, tmp_path, (identity, f"{BLOCK}.Silence"))), expected)


class Criterion:
    """Stands for the loss object that some files kept."""


def test_a_stored_loss_is_dropped(build: Build, tmp_path: Path) -> None:
    model: Any = build()
    model.criterion = Criterion()
    expected = output(model)
    here = f"{__name__}.Criterion"
    for old in ("v10DetectLoss", "v8DetectionLoss", "E2ELoss"):
        opened = reopened(model, tmp_path, (here, f"ultralytics.utils.loss.{old}"))
        assert opened.criterion is None
        assert_close(output(opened), expected)


@pytest.mark.parametrize("package", ["models.yolo", "models.common", "models.experimental"])
def test_files_of_the_other_repository_are_explained(
    package: str, build: Build, tmp_path: Path
) -> None:
    change = ("ultralytics.nn.tasks.DetectionModel", f"{package}.DetectionModel")
    with pytest.raises(CheckpointError, match="made with the YOLOv5 repository"):
        reopened(build(), tmp_path, change)


# Attributes that came later.


def without(model: Any, kind: type[nn.Module], *names: str) -> Any:
    found = [m for m in model.modules() if isinstance(m, kind)]
    assert found
    for module in found:
        for name in names:
            vars(module).pop(name, None)
            module._modules.pop(name, None)
    return model


@pytest.mark.parametrize(
    ("file", "kind", "names"),
    [
        ("yolov8n.yaml", SPPF, ("n", "add")),
        ("yolo12n.yaml", AAttn, ("all_head_dim",)),
        ("yolo11n.yaml", Detect, ("_end2end", "one2one_cv2", "inplace")),
        ("yolo11n.yaml", nn.Upsample, ("recompute_scale_factor",)),
    ],
)
def test_attributes_that_came_later(
    file: str, kind: type[nn.Module], names: tuple[str, ...], build: Build, tmp_path: Path
) -> None:
    changes = {"scales": {"n": [0.33, 0.25, 256]}} if file.startswith("yolo12") else {}
    model = build(file, **changes)
    expected = output(model)
    opened = reopened(without(model, kind, *names), tmp_path)
    assert_close(output(opened), expected)
    assert opened.end2end is False


def test_attributes_that_mean_something_else_today(build: Build, tmp_path: Path) -> None:
    model = build()
    expected = output(model)
    vars(model.model[-1]).update(end2end=True, angle=torch.ones(2), anchors=torch.ones(3))
    opened = reopened(model, tmp_path)
    assert opened.end2end is False
    assert_close(output(opened), expected)


def test_a_head_that_kept_a_function(narrow: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    model = SegmentationModel(narrow("yolov8n-seg.yaml"), nc=2, verbose=False)
    head = model.model[-1]
    assert isinstance(head, Segment)
    expected = output(model)[0]
    head.detect = Detect.forward  # type: ignore[assignment]
    assert_close(output(reopened(model, tmp_path))[0], expected)


def test_other_kept_functions_are_refused(build: Build, tmp_path: Path) -> None:
    model = build()
    model.model[-1].other = Detect.forward  # type: ignore[assignment]
    with pytest.raises(UnsafeCheckpoint, match="other is a function"):
        reopened(model, tmp_path)


def test_what_networks_lacked(build: Build, tmp_path: Path) -> None:
    model: Any = build()
    expected = output(model)
    model.names = ["a", "b", "c", "d"]
    del model.stride
    del model.yaml["channels"]
    opened = reopened(model, tmp_path)
    assert opened.names == {0: "a", 1: "b", 2: "c", 3: "d"}
    assert opened.stride.tolist() == [32.0]
    assert (opened.yaml["channels"], opened.task, opened.criterion) == (3, "detect", None)
    assert_close(output(opened), expected)


# A run with a teacher that did not finish.


class Wrapper(nn.Module):
    """Has the parts of the wrapper that such runs store."""


class Hook:
    """Stands for the object that collected outputs."""


def wrapped(student: nn.Module | None) -> Wrapper:
    wrapper = Wrapper()
    wrapper.teacher_model = None
    if student is not None:
        wrapper.student_model = student
    wrapper.projector = nn.ModuleList([nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())])
    wrapper.feats_idx = [16, 19, 22, 23]  # type: ignore[assignment]
    return wrapper


def open_wrapped(student: nn.Module | None, tmp_path: Path, has_hooks: bool = True) -> Any:
    changes = [(f"{__name__}.Wrapper", "ultralytics.nn.distill_model.DistillationModel")]
    if has_hooks:
        changes.append((f"{__name__}.Hook", "ultralytics.nn.distill_model.FeatureHook"))
    path = store(tmp_path / "d.pt", {"model": None, "ema": wrapped(student)}, *changes)
    return load_checkpoint(path)[0]


def test_the_student_of_an_unfinished_run_is_opened(build: Build, tmp_path: Path) -> None:
    student = build()
    expected = output(student)
    for row in (16, 23):
        student.model[row]._forward_hooks = OrderedDict({row: Hook()})
    opened = open_wrapped(student, tmp_path)
    assert type(opened) is DetectionModel
    assert_close(output(opened), expected)
    assert not any(module._forward_hooks for module in opened.modules())


def test_hooks_of_other_kinds_are_refused(build: Build, tmp_path: Path) -> None:
    student = build()
    student.model[3]._forward_hooks = OrderedDict({0: Conv(3, 3)})
    with pytest.raises(UnsafeCheckpoint, match="_forward_hooks is not empty"):
        open_wrapped(student, tmp_path, has_hooks=False)


def test_a_run_without_a_student_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no student"):
        open_wrapped(None, tmp_path, has_hooks=False)


@pytest.mark.parametrize(
    ("kind", "file", "attribute", "value"),
    [
        (WorldModel, "yolov8n-worldv2.yaml", "clip_model", None),
        (YOLOEModel, "yoloe-v8n.yaml", "text_model", "mobileclip:blt"),
    ],
)
def test_encoders_that_came_later(
    kind: type[DetectionModel],
    file: str,
    attribute: str,
    value: object,
    narrow: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    model = kind(narrow(file), nc=2, verbose=False)
    expected = output(model)
    vars(model).pop(attribute, None)
    opened = reopened(model, tmp_path)
    assert getattr(opened, attribute) == value
    assert_close(output(opened), expected)


def test_perceptrons_that_lacked_options(
    narrow: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    wide = {"n": [0.33, 0.25, 1024]}
    model = RTDETRDetectionModel(narrow("yolov8n-rtdetr.yaml", scales=wide), nc=2, verbose=False)
    expected = output(model)
    without(model, MLP, "act", "residual", "out_norm", "sigmoid")
    assert_close(output(reopened(model, tmp_path)), expected)
