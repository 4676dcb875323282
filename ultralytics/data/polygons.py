"""Polygons to pixel masks, and folders of masks to polygons.

Masks are uint8 arrays (height, width); polygons are pixel coordinates, flat or (P, 2), truncated towards
zero. Border pixels belong to the polygon.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.errors import DatasetNotFound
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = [
    "convert_segment_masks_to_yolo_seg",
    "polygon2mask",
    "polygons2masks",
    "polygons2masks_overlap",
]

Array = npt.NDArray[Any]  # Any: coordinates of every number type
UINT8_OBJECTS = 255
MASK_SUFFIXES = (".png", ".jpg", ".jpeg")


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
    ratio = downsample_ratio
    if color != 1:
        rows = [polygon2mask(imgsz, [p.reshape(-1)], color, ratio) for p in polygons]
        return np.array(rows)
    masks = np.zeros((len(polygons), imgsz[0] // ratio, imgsz[1] // ratio), np.uint8)
    for mask, polygon in zip(masks, polygons, strict=True):
        _draw_reduced(polygon, imgsz, ratio).onto(mask, 1)
    return masks


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
    masks = [_draw_reduced(polygon, imgsz, ratio) for polygon in segments]
    areas = np.array([np.count_nonzero(mask.covered) for mask in masks], np.int64)
    order = np.argsort(-areas, kind="stable")
    kind = np.int32 if len(masks) > UINT8_OBJECTS else np.uint8
    overlap = np.zeros((imgsz[0] // ratio, imgsz[1] // ratio), kind)
    for k, number in enumerate(order.tolist()):
        masks[number].onto(overlap, k + 1)
    return overlap, order


class _Reduced(NamedTuple):
    """The covered pixels of one polygon, of a part of the reduced canvas."""

    top: int
    left: int
    covered: npt.NDArray[np.bool_]

    def onto(self, canvas: Array, value: int) -> None:
        """Write a value where the polygon is."""
        height, width = self.covered.shape
        seen = canvas[self.top : self.top + height, self.left : self.left + width]
        seen[self.covered] = value


def _draw_reduced(polygon: Array, size_hw: tuple[int, int], ratio: int) -> _Reduced:
    """Fill the polygon and reduce it, as `polygon2mask` does, looking at its own cells only.

    Reducing by a whole number reads the middle pixels of each cell: one for odd ratios, else four, of which two
    must be set. A canvas that is no multiple of the ratio is resized as a whole.
    """
    outline = _without_repeats(polygon.reshape(-1, 2).astype(np.int32))
    height, width = size_hw
    if height % ratio or width % ratio:
        whole = polygon2mask(size_hw, [outline], 1, ratio)
        return _Reduced(0, 0, whole.astype(bool))
    limits = (width - 1, height - 1)
    low, high = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
    left, top = (min(max(value, 0), most) // ratio for value, most in zip(low, limits, strict=True))
    right, bottom = (
        min(max(value, 0), most) // ratio + 1 for value, most in zip(high, limits, strict=True)
    )
    cells = np.zeros(((bottom - top) * ratio, (right - left) * ratio), np.uint8)
    cv2.fillPoly(cells, [outline], color=1, offset=(-left * ratio, -top * ratio))
    middle = (ratio - 1) // 2
    if ratio % 2:
        return _Reduced(top, left, cells[middle::ratio, middle::ratio] != 0)
    rows = cells[middle::ratio] + cells[middle + 1 :: ratio]
    return _Reduced(top, left, rows[:, middle::ratio] + rows[:, middle + 1 :: ratio] > 1)


def _without_repeats(outline_P2: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The outline without points that equal the one before; densely sampled ones have many in a pixel."""
    code = outline_P2.view(np.int64)[:, 0]
    first = np.concatenate(([True], code[1:] != code[:-1]))
    return outline_P2[first]


def convert_segment_masks_to_yolo_seg(
    masks_dir: str | Path, output_dir: str | Path, classes: int
) -> None:
    """Write a label file with the outer contours of every mask picture of a folder.

    Pixel value v in 1 to `classes` is class v - 1, 0 is background, others are skipped with a warning; the pixels of
    palette pictures are their palette numbers. Contours run through pixel centres; holes are lost. A mask
    without contours of three points gets an empty file.

    Raises:
        DatasetNotFound: no PNG or JPEG in the folder.
    """
    files = sorted(f for f in Path(masks_dir).glob("*") if f.suffix.lower() in MASK_SUFFIXES)
    if not files:
        raise DatasetNotFound(f"no mask pictures ({', '.join(MASK_SUFFIXES)}) in {masks_dir}")
    Path(output_dir).mkdir(parents=True, exist_ok=True)
    for file in files:
        rows = [f"{row}\n" for row in _mask_rows(_mask_values(file), classes, file.name)]
        atomic_write(Path(output_dir) / f"{file.stem}.txt", "".join(rows))
    LOGGER.info(f"{len(files)} masks of {masks_dir} converted to {output_dir}")


def _mask_values(file: Path) -> npt.NDArray[np.uint8]:
    from PIL import Image

    with Image.open(file) as picture:
        return np.asarray(picture if picture.mode in ("L", "P") else picture.convert("L"))


def _mask_rows(mask: npt.NDArray[np.uint8], classes: int, name: str) -> list[str]:
    height, width = mask.shape
    rows = []
    for value in np.unique(mask[mask > 0]).tolist():
        if value > classes:
            LOGGER.warning(f"{name}: pixel value {value} is above classes={classes}; skipped")
            continue
        layer = (mask == value).astype(np.uint8)
        contours, _ = cv2.findContours(layer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            if len(contour) > 2:
                points = (contour.reshape(-1, 2) / (width, height)).reshape(-1)
                rows.append(" ".join(map(str, (value - 1, *points.round(6).tolist()))))
    return rows
