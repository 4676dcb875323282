"""Windows that cover a picture, and which of the detections made in several windows stay.

Shape suffixes: N = detections; K = pairs of them; 4 = xyxy; 5 = xywhr; 2 = x, y.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics.geometry.clipping import shared_area
from ultralytics.geometry.rotated import xywhr2xyxyxyxy

__all__ = ["SAME_OBJECT", "Window", "survivors", "tile_windows"]

SAME_OBJECT = 0.5  # share of the smaller of two detections above which they are one object
TOUCHING = 2.0  # pixels from an inner border within which a detection counts as cut by it
BLOCK = 256  # detections whose neighbours are looked for at once
SLACK = 1e-9  # a share of a side such as 0.2 * 640 is meant as the whole number that it is

Array = npt.NDArray[Any]  # Any: every float or integer dtype


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels in a picture of `picture_hw`."""

    top: int
    left: int
    height: int
    width: int
    picture_hw: tuple[int, int]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def inner_limits(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of the window, infinite on sides where the picture ends."""
        bottom, right = self.top + self.height, self.left + self.width
        return (
            self.left if self.left else -math.inf,
            self.top if self.top else -math.inf,
            right if right < self.picture_hw[1] else math.inf,
            bottom if bottom < self.picture_hw[0] else math.inf,
        )

    def touched_by(self, extents_N4: Array) -> Array:
        """Whether extents (N, 4) in pixels of the picture come within 2 px of an inner border, or cross it."""
        x1, y1, x2, y2 = self.inner_limits()
        low = (extents_N4[:, :2] <= np.array([x1, y1]) + TOUCHING).any(axis=1)
        high = (extents_N4[:, 2:] >= np.array([x2, y2]) - TOUCHING).any(axis=1)
        touched: Array = np.logical_or(low, high)
        return touched

    def depths(self) -> Array:
        """(height, width) distance of every pixel to the nearest inner border; infinite without one."""
        x1, y1, x2, y2 = self.inner_limits()
        x = np.arange(self.left, self.left + self.width) + 0.5
        y = np.arange(self.top, self.top + self.height) + 0.5
        across, down = np.minimum(x - x1, x2 - x), np.minimum(y - y1, y2 - y)
        return np.minimum(down[:, None], across[None, :])


def tile_windows(
    picture_hw: Sequence[int], tile_hw: Sequence[int], overlap: float
) -> tuple[Window, ...]:
    """Windows of one size that cover a picture, row by row.

    Steps are even; the last row and the last column are moved inside, so neighbours share at least `overlap` of a
    tile's side. A picture that is not larger than a tile on either axis has one window, itself.

    Args:
        picture_hw: height and width of the picture.
        tile_hw: largest height and width of a window.
        overlap: share of a side that neighbours have in common, at least 0 and below 1.
    """
    height, width = int(picture_hw[0]), int(picture_hw[1])
    rows, columns = (
        _starts(size, int(side), overlap)
        for size, side in zip((height, width), tile_hw, strict=True)
    )
    inside = min(height, int(tile_hw[0])), min(width, int(tile_hw[1]))
    return tuple(Window(y, x, *inside, (height, width)) for y in rows for x in columns)


def _starts(size: int, side: int, overlap: float) -> list[int]:
    if size <= side:
        return [0]
    step = max(1, side - math.ceil(side * overlap - SLACK))
    return [*range(0, size - side, step), size - side]


def survivors(
    boxes: Array, conf_N: Array, label_N: Array | None, window_N: Array, touches_N: Array
) -> npt.NDArray[np.int64]:
    """Positions of the detections that stay, by falling confidence.

    Two detections of different windows and of one label are the same object when they share more than half of the
    smaller one's area. Detections are taken in order, those that do not touch an inner border of their window first,
    then by falling confidence; each removes the later ones that are the same object. Detections of one window never
    remove each other: suppression inside of it has been done.

    Args:
        boxes: (N, 4) corners or (N, 5) rotated boxes xywhr, in pixels of the picture.
        conf_N: confidences.
        label_N: classes; None lets all compete.
        window_N: number of the window each was found in.
        touches_N: whether it touches an inner border of that window.
    """
    boxes = boxes.astype(np.float64)
    extents_N4 = extents_of(boxes)
    order_N = np.lexsort((-conf_N, touches_N))
    rank_N = np.empty_like(order_N)
    rank_N[order_N] = np.arange(len(order_N))
    winners, losers = [], []
    for first_K, second_K in _neighbours(extents_N4):
        rival_K = window_N[first_K] != window_N[second_K]
        if label_N is not None:
            rival_K &= label_N[first_K] == label_N[second_K]
        first_K, second_K = first_K[rival_K], second_K[rival_K]
        same_K = _shares(boxes, first_K, second_K) > SAME_OBJECT
        ranks_K2 = np.sort(np.c_[rank_N[first_K[same_K]], rank_N[second_K[same_K]]], axis=1)
        winners.append(ranks_K2[:, 0])
        losers.append(ranks_K2[:, 1])
    alive_N = _alive(len(boxes), winners, losers)[rank_N] if winners else np.ones(len(boxes), bool)
    kept = np.flatnonzero(alive_N)
    return kept[np.argsort(-conf_N[kept], kind="stable")]


def extents_of(boxes: Array) -> Array:
    """Corners (N, 4) around boxes (N, 4 or 5)."""
    if boxes.shape[1] == 4:
        return boxes
    corners_N42 = xywhr2xyxyxyxy(boxes)
    return np.concatenate((corners_N42.min(axis=1), corners_N42.max(axis=1)), axis=1)


def _neighbours(extents_N4: Array) -> Iterator[tuple[Array, Array]]:
    """All pairs whose extents share some area, each once, found by a sweep along x."""
    order = np.argsort(extents_N4[:, 0], kind="stable")
    sorted_N4 = extents_N4[order]
    end_N = np.searchsorted(sorted_N4[:, 0], sorted_N4[:, 2], side="left")
    count_N = np.maximum(end_N - np.arange(len(order)) - 1, 0)
    for start in range(0, len(order), BLOCK):
        count = count_N[start : start + BLOCK]
        first_K = np.repeat(np.arange(start, start + len(count)), count)
        step_K = np.arange(len(first_K)) - np.repeat(np.cumsum(count) - count, count)
        second_K = first_K + 1 + step_K
        low_K = np.maximum(sorted_N4[first_K, 1], sorted_N4[second_K, 1])
        meets_K = low_K < np.minimum(sorted_N4[first_K, 3], sorted_N4[second_K, 3])
        yield order[first_K[meets_K]], order[second_K[meets_K]]


def _shares(boxes: Array, first_K: Array, second_K: Array) -> Array:
    """Shared area of pairs over that of the smaller one."""
    one, other = boxes[first_K], boxes[second_K]
    if boxes.shape[1] == 4:
        low_K2 = np.maximum(one[:, :2], other[:, :2])
        size_K2 = np.minimum(one[:, 2:], other[:, 2:]) - low_K2
        shared_K = np.clip(size_K2, 0, None).prod(axis=1)
        areas_K = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (one, other)]
    else:
        shared_K = _shared_rotated(one, other)
        areas_K = [box[:, 2:4].prod(axis=1) for box in (one, other)]
    shares: Array = shared_K / np.maximum(np.minimum(*areas_K), SLACK)
    return shares


def _shared_rotated(one_K5: Array, other_K5: Array) -> Array:
    """Exact shared areas of pairs of rotated boxes: the first is cut in the frame of the second."""
    gap_K42 = xywhr2xyxyxyxy(one_K5) - other_K5[:, None, :2]
    cos, sin = np.cos(other_K5[:, 4])[:, None], np.sin(other_K5[:, 4])[:, None]
    x, y = gap_K42[..., 0], gap_K42[..., 1]
    turned_K42 = np.stack((x * cos + y * sin, y * cos - x * sin), axis=-1)
    half_K2 = other_K5[:, 2:4] / 2
    return shared_area(turned_K42, np.concatenate((-half_K2, half_K2), axis=1))


def _alive(count: int, winners: list[Array], losers: list[Array]) -> Array:
    """Which ranks stay when each one that does removes those it wins against."""
    winner_K, loser_K = np.concatenate(winners), np.concatenate(losers)
    order = np.argsort(winner_K, kind="stable")
    winner_K, loser_K = winner_K[order], loser_K[order]
    alive = np.ones(count, dtype=bool)
    starts = np.flatnonzero(np.diff(winner_K, prepend=-1))
    stops = np.append(starts, len(winner_K))[1:]
    for start, stop in zip(starts, stops, strict=True):
        if alive[winner_K[start]]:
            alive[loser_K[start:stop]] = False
    return alive
