"""Mosaic: four or nine samples side by side on a canvas of twice the training size.

Every patch is described by where its left top corner lies on the canvas (it may lie outside); pixels and
labels follow from that one pair of numbers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ultralytics.data.augment.compose import Array, BaseMixTransform, Labels, Params
from ultralytics.utils.instance import Instances

__all__ = [
    "FILL",
    "IGNORE",
    "Mosaic",
    "corners_of_four",
    "corners_of_nine",
    "paste",
    "visible_part",
]

FILL = 114  # gray of uncovered pixels
IGNORE = 255  # class map value of uncovered pixels

Corner = tuple[int, int]  # left, top
Size = tuple[int, int]  # height, width


class Mosaic(BaseMixTransform):
    """Join a sample with n - 1 others. Chapter 30, 5.4.

    The partners come from the samples this process loaded recently (`dataset.buffer`), or from the whole
    data set when it is kept in memory. Afterwards `img` is 2 imgsz wide and high, boxes are pixel
    corners, objects without a visible part are gone.
    """

    def __init__(self, dataset: Any, imgsz: int = 640, p: float = 1.0, n: int = 4) -> None:
        """Args: dataset: see BaseMixTransform. Raises AssertionError for n not 4 or 9, p not in 0..1."""
        if n not in {4, 9}:
            raise AssertionError(f"a mosaic has 4 or 9 parts, not {n}")
        if not 0 <= p <= 1:
            raise AssertionError(f"probability p={p} is outside [0, 1]")
        super().__init__(dataset, p=p)
        self.imgsz = imgsz
        self.border = (-imgsz // 2, -imgsz // 2)
        self.n = n

    def get_indexes(self) -> list[int]:
        """Numbers of n - 1 partners, with replacement."""
        count = self.n - 1
        if getattr(self.dataset, "cache", None) == "ram":
            return [random.randint(0, len(self.dataset) - 1) for _ in range(count)]
        return random.choices(list(self.dataset.buffer), k=count)

    def get_params(self, labels: Labels) -> Params:
        """Canvas corner of every part; with four parts the meeting point is drawn, y first."""
        partners = labels.get("mix_labels") or []
        if labels.get("rect_shape") is not None:
            raise AssertionError("a mosaic cannot be made of samples for rectangular batches")
        if not partners:
            raise AssertionError("a mosaic needs partner samples; none were drawn")
        parts = [labels, *partners]
        sizes = [part["img"].shape[:2] for part in parts]
        if self.n == 4:
            low = -self.border[0]
            yc, xc = (int(random.uniform(low, 2 * self.imgsz - low)) for _ in range(2))
            corners = corners_of_four(sizes, xc, yc)
        else:
            corners = corners_of_nine(sizes, self.imgsz)
        return {"parts": parts, "corners": corners, "sizes": sizes}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Paste the images onto a gray canvas."""
        side = 2 * self.imgsz
        labels["img"] = self._canvas("img", params, FILL)
        labels["resized_shape"] = (side, side)
        return labels

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Move the objects with their patches, cut them at the canvas, drop what has no area."""
        side = 2 * self.imgsz
        parts, moved = params["parts"], []
        for part, (left, top), (height, width) in zip(
            parts, params["corners"], params["sizes"], strict=True
        ):
            instances = part["instances"]
            instances.convert_bbox("xyxy")
            instances.denormalize(width, height)
            instances.add_padding(left, top)
            moved.append(instances)
        joined = Instances.concatenate(moved)
        joined.clip(side, side)
        classes = np.concatenate([part["cls"] for part in parts])
        labels["cls"] = classes[joined.remove_zero_area_boxes()]
        labels["instances"] = joined
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Paste the class maps; uncovered pixels are ignored by the loss."""
        if labels.get("semantic_mask") is not None:
            labels["semantic_mask"] = self._canvas("semantic_mask", params, IGNORE)
        return labels

    def _canvas(self, key: str, params: Params, fill: int) -> Array:
        first = params["parts"][0][key]
        side = 2 * self.imgsz
        canvas = np.full((side, side, *first.shape[2:]), fill, first.dtype)
        for part, (left, top) in zip(params["parts"], params["corners"], strict=True):
            paste(canvas, part[key], left, top)
        return canvas


def corners_of_four(sizes: Sequence[Size], xc: int, yc: int) -> list[Corner]:
    """Left top corners of four patches that meet at (xc, yc): two above, two below."""
    (h0, w0), (h1, _), (_, w2), _ = sizes
    return [(xc - w0, yc - h0), (xc, yc - h1), (xc - w2, yc), (xc, yc)]


def corners_of_nine(sizes: Sequence[Size], s: int) -> list[Corner]:
    """Left top corners of nine patches: the centre, then clockwise from the one above it.

    Each patch touches the one before it or the centre. The outer half size of the 3 s canvas is cut off
    already, so corners count on the 2 s canvas.
    """
    h0, w0 = sizes[0]
    corners = []
    for k, ((h, w), (hp, wp)) in enumerate(zip(sizes, [sizes[0], *sizes[:-1]], strict=True)):
        around = (
            (s, s),
            (s, s - h),
            (s + wp, s - h),
            (s + w0, s),
            (s + w0, s + hp),
            (s + w0 - w, s + h0),
            (s + w0 - wp - w, s + h0),
            (s - w, s + h0 - h),
            (s - w, s + h0 - hp - h),
        )
        corners.append(around[k])
    cut = -(-s // 2)
    return [(left - cut, top - cut) for left, top in corners]


def visible_part(size: int, start: int, low: int, high: int) -> tuple[int, int]:
    """Range of a patch of `size` pixels at `start` that falls into [low, high), in canvas pixels."""
    return max(start, low), min(start + size, high)


def paste(canvas: Array, patch: Array, left: int, top: int) -> None:
    """Copy the part of a patch that lies on the canvas."""
    x1, x2 = visible_part(patch.shape[1], left, 0, canvas.shape[1])
    y1, y2 = visible_part(patch.shape[0], top, 0, canvas.shape[0])
    if x1 < x2 and y1 < y2:
        canvas[y1:y2, x1:x2] = patch[y1 - top : y2 - top, x1 - left : x2 - left]
