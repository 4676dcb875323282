"""A training run writes weights that name public classes only, so that every reader of the format opens them."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ultralytics import YOLO

# Specification 10, section 6.3: what torch's restricted reader knows, and the model classes of detection.
STORAGE = {
    "collections OrderedDict",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch LongStorage",
    "torch Size",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    "__builtin__ set",
}
LAYERS = {
    "torch.nn.modules.activation": "GELU MultiheadAttention ReLU SiLU Tanh",
    "torch.nn.modules.batchnorm": "BatchNorm2d",
    "torch.nn.modules.container": "ModuleList Sequential",
    "torch.nn.modules.conv": "Conv2d ConvTranspose2d",
    "torch.nn.modules.dropout": "Dropout",
    "torch.nn.modules.linear": "Identity Linear NonDynamicallyQuantizableLinear",
    "torch.nn.modules.normalization": "LayerNorm",
    "torch.nn.modules.padding": "ZeroPad2d",
    "torch.nn.modules.pooling": "AdaptiveAvgPool2d AdaptiveMaxPool2d MaxPool2d",
    "torch.nn.modules.sparse": "Embedding",
    "torch.nn.modules.upsampling": "Upsample",
    "ultralytics.nn.modules.conv": "Concat Conv DWConv GhostConv LightConv RepConv",
    "ultralytics.nn.modules.block": (
        "Attention Bottleneck C2 C2PSA C2f C3 C3k C3k2 DFL PSABlock SPPF"
    ),
    "ultralytics.nn.modules.head": "Detect",
    "ultralytics.nn.tasks": "DetectionModel",
    "ultralytics.utils": "IterableSimpleNamespace",
}
ALLOWED = STORAGE | {f"{home} {name}" for home, names in LAYERS.items() for name in names.split()}
TEXTS = ("UNICODE", "STRING")


def globals_of(path: Path) -> set[str]:
    """Every "module name" the pickle of a weights file refers to."""
    with zipfile.ZipFile(path) as archive:
        (record,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        data = archive.read(record)
    found: set[str] = set()
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            found.add(str(argument))
        elif opcode.name == "STACK_GLOBAL":
            found.add(" ".join(texts[-2:]))
        elif any(kind in opcode.name for kind in TEXTS):
            texts.append(str(argument))
    return found


@pytest.fixture(scope="module")
def run(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:  # Any: a facade
    model = YOLO("yolo11n.yaml")
    model.train(
        data=str(painted),
        imgsz=64,
        epochs=1,
        batch=4,
        device="cpu",
        workers=0,
        plots=False,
        verbose=False,
        save_period=1,
        project=str(tmp_path_factory.mktemp("contract")),
    )
    return model


@pytest.mark.parametrize("name", ["best.pt", "last.pt", "epoch0.pt"])
def test_weights_of_a_run(run: Any, name: str) -> None:
    names = globals_of(run.trainer.wdir / name)
    assert names - ALLOWED == set()
    assert "ultralytics.nn.tasks DetectionModel" in names


def test_weights_saved_by_the_facade(run: Any, tmp_path: Path) -> None:
    run.save(tmp_path / "saved.pt")
    assert globals_of(tmp_path / "saved.pt") - ALLOWED == set()


@pytest.mark.parametrize("name", ["yolov8n.yaml", "yolo26n.yaml", "yolov8n-p6.yaml"])
def test_weights_of_other_generations(name: str, tmp_path: Path) -> None:
    YOLO(name).save(tmp_path / "saved.pt")
    assert globals_of(tmp_path / "saved.pt") - ALLOWED == set()
