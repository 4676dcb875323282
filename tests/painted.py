"""A tiny painted detection set and arguments for runs of a few steps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

COLOURS = [(40, 40, 220), (220, 120, 40)]


def paint(folder: Path, split: str, count: int, seed: int, side: int = 64) -> None:
    """Write `count` images with one or two filled rectangles each, and their labels."""
    rng = np.random.default_rng(seed)
    images, labels = folder / "images" / split, folder / "labels" / split
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for index in range(count):
        canvas = rng.integers(90, 150, (side, side, 3), dtype=np.uint8)
        rows = []
        for _ in range(1 + index % 2):
            kind = int(rng.integers(0, 2))
            w, h = rng.uniform(0.3, 0.6, 2)
            cx, cy = rng.uniform(w / 2, 1 - w / 2), rng.uniform(h / 2, 1 - h / 2)
            low = (int((cx - w / 2) * side), int((cy - h / 2) * side))
            high = (int((cx + w / 2) * side), int((cy + h / 2) * side))
            cv2.rectangle(canvas, low, high, COLOURS[kind], -1)
            rows.append(f"{kind} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}")
        cv2.imwrite(str(images / f"{index}.png"), canvas)
        (labels / f"{index}.txt").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML of a set of 8 training and 4 validation images."""
    folder = tmp_path_factory.mktemp("painted")
    paint(folder, "train", 8, seed=0)
    paint(folder, "val", 4, seed=1)
    path = folder / "painted.yaml"
    path.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    return path


@pytest.fixture
def short_run(painted: Path, tmp_path: Path) -> dict[str, object]:
    """Arguments of a run that takes seconds."""
    return {
        "data": str(painted),
        "imgsz": 64,
        "epochs": 2,
        "batch": 4,
        "nbs": 4,
        "device": "cpu",
        "plots": False,
        "verbose": False,
        "pretrained": False,
        "project": str(tmp_path),
        "name": "run",
    }
