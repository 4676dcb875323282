"""Annotations of DOTA to corner labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ultralytics.cfg.paths import DATASETS_CFG_DIR
from ultralytics.data.converter import convert_dota_to_yolo_obb
from ultralytics.data.dota import CLASSES
from ultralytics.errors import DatasetNotFound

HEADER = "imagesource:GoogleEarth\ngsd:0.146\n"


def write(root: Path, text: str, split: str = "train") -> Path:
    """A 200 x 100 picture of a split and its annotation file."""
    for folder in (root / "images" / split, root / "labels" / f"{split}_original"):
        folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / "images" / split / "P1.png"), np.zeros((100, 200, 3), np.uint8))
    (root / "labels" / f"{split}_original" / "P1.txt").write_text(text)
    return root / "labels" / split / "P1.txt"


# Specification 30, section 8.4.
def test_lines_become_fractions(tmp_path: Path) -> None:
    written = write(
        tmp_path, HEADER + "10 10 50.5 10 50 30 10 30 ship 0\n1 2 3 4 5 6 7 8 helipad\n"
    )
    background = write(tmp_path, HEADER, "val")
    convert_dota_to_yolo_obb(tmp_path)
    assert written.read_text().splitlines() == [
        "1 0.05 0.1 0.2525 0.1 0.25 0.3 0.05 0.3",
        "17 0.005 0.02 0.015 0.04 0.025 0.06 0.035 0.08",
    ]
    assert background.read_text() == ""


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    write(tmp_path, "10 10 50 10 50 30 10 30 shipp 0\n")
    with pytest.raises(KeyError, match=r"no class 'shipp'; did you mean 'ship'"):
        convert_dota_to_yolo_obb(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match="no images found"):
        convert_dota_to_yolo_obb(tmp_path)
    write(tmp_path, HEADER)
    (tmp_path / "labels" / "train_original" / "P1.txt").unlink()
    with pytest.raises(DatasetNotFound, match=r"P1\.png has no annotation file"):
        convert_dota_to_yolo_obb(tmp_path)


@pytest.mark.parametrize("name", ["DOTAv1", "DOTAv1.5"])
def test_classes_are_numbered_as_in_the_descriptions(name: str) -> None:
    text = (DATASETS_CFG_DIR / f"{name}.yaml").read_text(encoding="utf-8")
    names = yaml.safe_load(text)["names"]
    assert [token.replace("-", " ") for token in CLASSES[: len(names)]] == names
