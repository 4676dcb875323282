"""Weights as safetensors: the same network comes back, and nothing in a file can do more than describe one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ultralytics import YOLO
from ultralytics.errors import CheckpointError
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import DetectionModel, load_checkpoint, write_checkpoint

SAMPLE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def tiny(nc: int = 3, name: str = "yolo11n.yaml") -> Any:
    torch.manual_seed(0)
    model = DetectionModel(name, nc=nc, verbose=False)
    model.names = {i: f"thing {i}" for i in range(nc)}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return model.half().float().eval()


def outputs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        y: torch.Tensor = model(SAMPLE)[0]
    return y


def stored(model: Any, path: Path, **facts: Any) -> Any:
    write_checkpoint({"model": model, **facts}, path)
    return load_checkpoint(path)[0]


@pytest.mark.parametrize("name", ["yolo11n.yaml", "yolo26n.yaml", "yolov8n-ghost.yaml"])
def test_the_same_network_comes_back(name: str, tmp_path: Path) -> None:
    model = tiny(name=name)
    back = stored(model, tmp_path / "m.safetensors")
    assert back.names == {0: "thing 0", 1: "thing 1", 2: "thing 2"}
    assert type(back) is DetectionModel
    assert torch.equal(outputs(back), outputs(model))


def test_a_fused_network_comes_back_fused(tmp_path: Path) -> None:
    model = tiny().fuse(verbose=False).half().float()
    back = stored(model, tmp_path / "m.safetensors")
    assert back.is_fused()
    assert torch.equal(outputs(back), outputs(model))


def test_the_branch_that_fusing_kept_is_remembered(tmp_path: Path) -> None:
    model = tiny(name="yolo26n.yaml")
    model.end2end = True
    model = model.fuse(verbose=False).half().float()
    back = stored(model, tmp_path / "m.safetensors")
    assert back.end2end
    assert torch.equal(outputs(back), outputs(model))


def test_class_branches_keep_the_width_of_an_earlier_training(tmp_path: Path) -> None:
    tuned = tiny(nc=2)
    tuned.load(tiny(nc=80), verbose=False)
    tuned = tuned.half().float().eval()
    assert tuned.model[-1].cv3[0][-1].in_channels == 80
    assert tiny(nc=2).model[-1].cv3[0][-1].in_channels == 64
    back = stored(tuned, tmp_path / "m.safetensors")
    assert torch.equal(outputs(back), outputs(tuned))


def test_changed_activations_are_kept(tmp_path: Path) -> None:
    model = tiny()
    model.model[0].act = nn.LeakyReLU(0.25)
    back = stored(model, tmp_path / "m.safetensors")
    assert isinstance(back.model[0], Conv)
    assert back.model[0].act.negative_slope == 0.25
    assert torch.equal(outputs(back), outputs(model))


def test_the_training_record_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_checkpoint({"model": tiny(), "train_args": {"imgsz": 320}, "date": "2026-01-01"}, path)
    model, ckpt = load_checkpoint(path)
    assert (model.args["imgsz"], ckpt["date"], model.pt_path) == (320, "2026-01-01", str(path))


def test_other_readers_see_plain_tensors_and_json(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = tiny()
    write_checkpoint({"model": model}, path)
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == set(model.state_dict())
        assert json.loads(file.metadata()["ultralytics"])["yaml"]["nc"] == 3


def test_the_facade_saves_opens_predicts_and_starts_from_it(tmp_path: Path) -> None:
    yolo = YOLO("yolo11n.yaml")
    yolo.save(tmp_path / "m.safetensors")
    back = YOLO(tmp_path / "m.safetensors")
    assert (back.task, back.names) == ("detect", yolo.names)
    assert len(back.predict(SAMPLE, imgsz=64, verbose=False)) == 1
    other = YOLO("yolo11n.yaml").load(tmp_path / "m.safetensors")
    key = "model.0.conv.weight"
    assert torch.equal(other.model.state_dict()[key], back.model.state_dict()[key])


def test_a_network_its_model_file_does_not_build_is_refused(tmp_path: Path) -> None:
    model = tiny()
    model.model[0].conv = nn.Conv2d(3, 16, 5, 2, 2, bias=False)
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match=r"model\.0\.conv\.weight.*save it as \.pt"):
        write_checkpoint({"model": model}, path)
    assert not path.exists()


def rewritten(path: Path, change: dict[str, Any]) -> None:
    write_checkpoint({"model": tiny()}, path)
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["ultralytics"]) | change
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"ultralytics": json.dumps(record)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class": "os.system"}, "os.system"),
        ({"class": "torch.nn.modules.linear.Linear"}, "no task model"),
        ({"schema": 99}, "schema 1"),
        ({"attributes": {"forward": "x"}}, "hides a method"),
        ({"activations": {"model.0": "nn.__import__('os')"}}, "refused"),
        ({"yaml": {"nc": 3}}, "description"),
    ],
)
def test_hostile_descriptions_are_refused(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    rewritten(path, change)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\xff" * 64], ids=["empty", "zip", "noise"]
)
def test_damaged_files_are_one_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m\.safetensors is damaged"):
        YOLO(path)


def test_tensors_without_a_description_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="load_state_dict"):
        load_checkpoint(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        load_checkpoint(tmp_path / "gone.safetensors")
