"""Small sets with class maps: ids in files, colours, polygons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.drawn import SIZES, drawn_map, shown
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset

Write = Callable[..., Path]


@pytest.fixture
def write_ids(tmp_path: Path) -> Write:
    """Write a set of ids in mask files; returns its YAML."""

    def write(
        count: int = 4, classes: int = 3, extra: str = "", change: Any = None, folder: str = "masks"
    ) -> Path:
        for split in ("train", "val"):
            images, masks = tmp_path / "images" / split, tmp_path / folder / split
            images.mkdir(parents=True)
            masks.mkdir(parents=True)
            for i in range(count):
                ids = drawn_map(i, *SIZES[i % len(SIZES)], classes)
                cv2.imwrite(str(images / f"{i}.png"), shown(ids))
                kept = ids if change is None else change(i, ids)
                if kept is not None:
                    cv2.imwrite(str(masks / f"{i}.png"), kept)
        path = tmp_path / "set.yaml"
        names = [f"class {i}" for i in range(classes)]
        path.write_text(
            f"path: {tmp_path}\ntrain: images/train\nval: images/val\nmasks_dir: {folder}\n"
            f"names: {names}\n{extra}"
        )
        return path

    return write


@pytest.fixture
def build() -> Callable[..., Any]:
    """Data set of a split of a YAML, for the task by the users' name."""

    def make(path: Path, mode: str = "val", imgsz: int = 64, **settings: Any) -> Any:
        rect = settings.pop("rect", False)
        data = settings.pop("data", None) or check_det_dataset(str(path))
        cfg = get_cfg(overrides={"task": "semseg", "imgsz": imgsz, **settings})
        return build_yolo_dataset(cfg, data[mode], 4, data, mode=mode, rect=rect)

    return make
