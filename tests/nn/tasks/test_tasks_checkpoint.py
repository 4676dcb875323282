"""Writing and opening weights files."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.errors import CheckpointError
from ultralytics.nn.tasks import (
    DetectionModel,
    layers,
    load_checkpoint,
    read_exact_state,
    register_module,
    write_checkpoint,
)
from ultralytics.nn.tasks.globals import Inert, Unknown, resolve
from ultralytics.utils.namespace import IterableSimpleNamespace

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "conformance" / "checkpoints"
Build = Callable[..., DetectionModel]


@pytest.mark.parametrize("name", ["yolov8n.yaml", "yolo11n.yaml", "yolo26n.yaml"])
def test_what_was_written_is_what_is_opened(name: str, build: Build, tmp_path: Path) -> None:
    model = build(name).eval()
    path = tmp_path / "deep" / "m.pt"
    write_checkpoint({"model": model, "train_args": {"imgsz": 320, "task": "detect"}}, path)
    again, ckpt = load_checkpoint(path)
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert_close(again(x)[0], model(x)[0])
    assert (again.task, again.pt_path, again.args["imgsz"]) == ("detect", str(path), 320)
    assert not again.training
    assert ckpt["train_args"] == {"imgsz": 320, "task": "detect"}
    assert all(m.inplace for m in again.modules() if isinstance(m, nn.SiLU))


def test_a_folded_model_survives_the_file(build: Build, tmp_path: Path) -> None:
    model = build().eval().fuse(verbose=False)
    path = tmp_path / "m.pt"
    write_checkpoint({"model": model}, path)
    again, _ = load_checkpoint(path)
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert_close(again(x)[0], model(x)[0])
    assert again.is_fused()
    first = again.model[0]
    assert first.forward.__self__ is first


def test_the_average_is_preferred(build: Build, tmp_path: Path) -> None:
    live, average = build(), build()
    write_checkpoint({"model": live, "ema": average.half()}, tmp_path / "m.pt")
    opened, _ = load_checkpoint(tmp_path / "m.pt")
    assert_close(
        opened.model[0].conv.weight, average.model[0].conv.weight.float(), check_stride=False
    )
    assert next(opened.parameters()).dtype == torch.float32


@pytest.mark.skipif(
    not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"),
    reason="this torch cannot list the names in a file",
)
def test_files_name_only_classes_of_the_interface(build: Build, tmp_path: Path) -> None:
    model = build("yolo26n.yaml")
    model.args = IterableSimpleNamespace(imgsz=32)
    model.eval()(torch.rand(1, 3, 32, 32))
    write_checkpoint({"ema": model, "epoch": 0}, tmp_path / "m.pt", exact={"a": torch.ones(1)})
    names = torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "m.pt")
    homes = {name.rpartition(".")[0] for name in names if name.startswith("ultralytics.")}
    assert homes == {
        "ultralytics.nn.tasks",
        "ultralytics.nn.modules.conv",
        "ultralytics.nn.modules.block",
        "ultralytics.nn.modules.head",
        "ultralytics.utils",
    }


def test_the_extra_record_is_kept_apart(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    exact = {"weights": torch.arange(4), "rng": [1, {"x": None}]}
    write_checkpoint({"model": build()}, path, exact=exact)
    state = read_exact_state(path)
    assert state is not None
    assert_close(state["weights"], exact["weights"])
    assert state["rng"] == exact["rng"]
    assert set(torch.load(path, weights_only=False)) == {"model"}
    write_checkpoint({"model": build()}, path)
    assert read_exact_state(path) is None


def test_an_interrupted_write_leaves_the_old_file(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    write_checkpoint({"model": build()}, path)
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        write_checkpoint({"model": lambda: None}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


def test_older_objects_get_what_they_lack(build: Build, tmp_path: Path) -> None:
    model: Any = build()
    del model.stride
    model.names = ["a", "b", "c", "d"]
    for module in model.modules():
        if isinstance(module, nn.Upsample):
            del module.recompute_scale_factor
    write_checkpoint({"model": model}, tmp_path / "m.pt")
    opened, _ = load_checkpoint(tmp_path / "m.pt")
    assert opened.stride.tolist() == [32.0]
    assert opened.names == {0: "a", 1: "b", 2: "c", 3: "d"}
    opened(torch.rand(1, 3, 32, 32))


def test_a_bare_network_is_wrapped(build: Build, tmp_path: Path) -> None:
    torch.save(build(), tmp_path / "m.pt")
    opened, ckpt = load_checkpoint(tmp_path / "m.pt")
    assert isinstance(opened, DetectionModel)
    assert set(ckpt) == {"model"}


class Custom(nn.Module):
    """A user's layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_registered_layers_may_be_opened(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_REGISTERED", {})
    model = build()
    model.model[0] = Custom()
    write_checkpoint({"model": model}, tmp_path / "m.pt")
    monkeypatch.setattr("ultralytics.nn.tasks.globals._WRITTEN", {})  # as in another process
    with pytest.raises(CheckpointError, match=r"Custom.*register_module"):
        load_checkpoint(tmp_path / "m.pt")
    assert isinstance(load_checkpoint(tmp_path / "m.pt", trust=True)[0].model[0], Custom)
    register_module(Custom)
    assert isinstance(load_checkpoint(tmp_path / "m.pt")[0].model[0], Custom)


@pytest.mark.parametrize(
    ("module", "name", "path"),
    [
        ("ultralytics.nn.modules", "C2f", "ultralytics.nn.modules.block.C2f"),
        ("ultralytics.nn.modules", "Detect", "ultralytics.nn.modules.head.Detect"),
        ("ultralytics.nn.modules.block", "Silence", "torch.nn.modules.linear.Identity"),
        ("ultralytics.nn.tasks", "YOLOv10DetectionModel", "ultralytics.nn.tasks.DetectionModel"),
        (
            "ultralytics.yolo.utils",
            "IterableSimpleNamespace",
            "ultralytics.utils.IterableSimpleNamespace",
        ),
    ],
)
def test_old_paths_are_understood(module: str, name: str, path: str) -> None:
    found = resolve(module, name)
    assert f"{found.__module__}.{found.__qualname__}" == path


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("ultralytics.utils.loss", "v8DetectionLoss"),
        ("ultralytics.yolo.utils.loss", "BboxLoss"),
        ("ultralytics.utils.tal", "TaskAlignedAssigner"),
        ("ultralytics.models.utils.loss", "RTDETRDetectionLoss"),
    ],
)
def test_training_leftovers_are_empty_shells(module: str, name: str) -> None:
    assert resolve(module, name) is Inert


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "__import__"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch.nn.modules.module", "torch"),
        ("torch.nn.parallel", "DataParallel"),
        ("ultralytics.nn.tasks", "torch_safe_load"),
        ("ultralytics.nn.modules.block", "torch"),
        ("ultralytics.utils.downloads", "safe_download"),
        ("ultralytics.nn.tasks", "checkpoint.torch"),
    ],
)
def test_everything_else_is_unknown(module: str, name: str) -> None:
    with pytest.raises(Unknown):
        resolve(module, name)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the recorded checkpoints")
@pytest.mark.parametrize("name", ["yolo11n.pt", "yolo26n.pt", "yolo11n-narrow-interrupted.pt"])
def test_restricted_reading_gives_what_unrestricted_reading_gives(name: str) -> None:
    safe, _ = load_checkpoint(SHARED / name)
    free, _ = load_checkpoint(SHARED / name, trust=True)
    for (key, a), (other, b) in zip(
        safe.state_dict().items(), free.state_dict().items(), strict=True
    ):
        assert key == other
        assert torch.equal(a, b)


def test_the_archive_can_be_listed_by_others(build: Build, tmp_path: Path) -> None:
    write_checkpoint({"model": build()}, tmp_path / "m.pt", exact={})
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        assert archive.testzip() is None
        assert "archive/exact.pt" in archive.namelist()
