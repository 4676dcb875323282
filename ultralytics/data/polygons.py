"""Polygons to pixel masks.

Masks are uint8 arrays (height, width); polygons are pixel coordinates, flat or (P, 2), truncated towards
zero. Border pixels belong to the polygon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["polygon2mask", "polygons2masks", "polygons2masks_overlap"]

Array = npt.NDArray[Any]  # Any: coordinates of every number type
UINT8_OBJECTS = 255


def polygon2mask(
    imgsz: tuple[int, int],
    polygons: Sequence[Array] | Array,
    color: int = 1,
    downsample_ratio: int = 1,
) -> npt.NDArray[np.uint8]:
    """One mask of all given polygons, filled with `color`.

    Args:
        imgsz: height and width of the canvas.
        polygons: outlines with the same number of points each.
        color: value of the covered pixels.
        downsample_ratio: the filled canvas is reduced to (h // ratio, w // ratio), bilinear.
    """
    height, width = imgsz[:2]
    canvas = np.zeros((height, width), np.uint8)
    outlines = np.asarray(polygons, np.int32)
    cv2.fillPoly(canvas, list(outlines.reshape(len(outlines), -1, 2)), color=color)
    if downsample_ratio == 1:
        return canvas
    small = (width // downsample_ratio, height // downsample_ratio)
    return np.asarray(cv2.resize(canvas, small), np.uint8)


def polygons2masks(
    imgsz: tuple[int, int], polygons: Sequence[Array], color: int, downsample_ratio: int = 1
) -> npt.NDArray[np.uint8]:
    """One mask per polygon, stacked to (N, h // ratio, w // ratio)."""
    rows = [polygon2mask(imgsz, [p.reshape(-1)], color, downsample_ratio) for p in polygons]
    return np.array(rows)


def polygons2masks_overlap(
    imgsz: tuple[int, int], segments: Sequence[Array], downsample_ratio: int = 1
) -> tuple[Array, npt.NDArray[np.int64]]:
    """One map of all polygons in which smaller objects lie on top of larger ones.

    Returns:
        The map: 0 is background, k + 1 the k-th largest object; uint8, or int32 above 255 objects.
        The order: position k holds the number of the k-th largest polygon. Equal areas keep the order
        of the input.
    """
    ratio = downsample_ratio
    masks = [polygon2mask(imgsz, [p.reshape(-1)], 1, ratio).astype(bool) for p in segments]
    areas = np.array([mask.sum() for mask in masks], np.int64)
    order = np.argsort(-areas, kind="stable")
    kind = np.int32 if len(masks) > UINT8_OBJECTS else np.uint8
    overlap = np.zeros((imgsz[0] // ratio, imgsz[1] // ratio), kind)
    for k, number in enumerate(order):
        overlap[masks[number]] = k + 1
    return overlap, order
