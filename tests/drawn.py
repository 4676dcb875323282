"""Drawn class maps, and images that show the class of every pixel in a colour."""

from __future__ import annotations

import cv2
import numpy as np

SIZES = ((48, 64), (37, 53), (61, 35), (40, 40))
# BGR; no mixture of two of them is a third one, nor the gray of padding
COLOURS = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200), (230, 230, 30)], np.uint8)


def drawn_map(index: int, height: int, width: int, classes: int = 3) -> np.ndarray:
    """Class 0 with a circle, a thin line and a rectangle of other classes."""
    ids = np.zeros((height, width), np.uint8)
    rng = np.random.default_rng(index)
    cx, cy = (int(v) for v in rng.uniform([width * 0.3, height * 0.3], [width * 0.7, height * 0.7]))
    cv2.rectangle(ids, (2, 3), (width // 3, height // 2), 1 % classes, -1)
    cv2.circle(ids, (cx, cy), min(height, width) // 5, 2 % classes, -1)
    cv2.line(ids, (0, height - 4), (width - 1, height // 3), (classes - 1), 1)
    return ids


def shown(ids: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) BGR whose colours tell the class of every pixel."""
    return COLOURS[ids]
