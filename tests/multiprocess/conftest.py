"""Arguments of runs on several ranks, a second or two each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.multiprocess.parts import CLASSIFY, DETECT, paint_classes
from tests.painted import paint


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny networks."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "tiny.yaml").write_text(DETECT)
    (folder / "tiny-cls.yaml").write_text(CLASSIFY)
    return folder


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML of 7 training and 3 validation images: neither divides by 2 or 4."""
    folder = tmp_path_factory.mktemp("boxes")
    paint(folder, "train", 7, seed=0)
    paint(folder, "val", 3, seed=1)
    path = folder / "boxes.yaml"
    path.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    return path


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 16 training and 16 validation pictures of two classes."""
    return paint_classes(tmp_path_factory.mktemp("classes"), {"train": 16, "val": 16})


@pytest.fixture
def run(tmp_path: Path, networks: Path, boxes: Path) -> dict[str, object]:
    """Arguments of a short detection run."""
    return {
        "model": str(networks / "tiny.yaml"),
        "data": str(boxes),
        "imgsz": 64,
        "epochs": 3,
        "batch": 4,
        "nbs": 4,
        "optimizer": "SGD",
        "mosaic": 0.0,
        "plots": False,
        "pretrained": False,
        "project": str(tmp_path),
        "name": "run",
    }
