"""Small painted pictures in folders of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"red": (40, 40, 220), "blue": (220, 120, 40), "green": (60, 200, 60)}  # BGR


def paint_classes(
    folder: Path, counts: Mapping[str, int], seed: int = 0, side: int = 40, suffix: str = ".png"
) -> Path:
    """Write `counts[name]` noisy pictures with a disc of the class's colour into `folder/name`."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            canvas = rng.integers(90, 150, (side, side + 8, 3), dtype=np.uint8)
            centre = tuple(int(v) for v in rng.integers(side // 4, 3 * side // 4, 2))
            cv2.circle(canvas, centre, side // 4, COLOURS[name], -1)
            cv2.imwrite(str(folder / name / f"{number:02d}{suffix}"), canvas)
    return folder


def paint_splits(folder: Path, train: int = 6, val: int = 3, side: int = 40) -> Path:
    """A data set of two classes with `train` and `val`."""
    for split, count, seed in (("train", train, 0), ("val", val, 1)):
        paint_classes(folder / split, {"red": count, "blue": count}, seed, side)
    return folder
