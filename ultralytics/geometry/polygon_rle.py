"""Polygons as run-length masks, by the rule of COCO's own tools, so that annotations give the same pixels.

An outline is walked in steps of a fifth of a pixel; where it crosses the middle of a column, the mask changes there.
Points are x, y in pixels; positions count down the columns, as in `ultralytics.geometry.rle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ultralytics.geometry.rle import RunMasks

__all__ = ["polygon_masks", "union_edges"]

Ints = NDArray[np.int64]
Points = NDArray[Any]  # Any: every number type

STEPS = 5  # per pixel; odd, so that one of them is the middle of a column
MIDDLE = STEPS // 2


def polygon_masks(polygons: Sequence[Points], size_hw: tuple[int, int]) -> RunMasks:
    """A mask for each closed polygon (P, 2) on a canvas; what is outside of it is cut off."""
    height, width = size_hw
    counts = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    corners = np.concatenate([np.zeros((0, 2)), *polygons]) * STEPS + 0.5
    x, y, owner = _outline_steps(corners.astype(np.int64), counts)
    crossing = np.flatnonzero((x[1:] != x[:-1]) & (owner[1:] == owner[:-1]))
    column, step = np.divmod(np.minimum(x[crossing], x[crossing + 1]), STEPS)
    kept = (step == MIDDLE) & (column >= 0) & (column < width)
    lower = np.minimum(y[crossing], y[crossing + 1])[kept]
    row = np.ceil(np.clip((lower + 0.5) / STEPS - 0.5, 0, height)).astype(np.int64)
    places = height * width + 1
    keys = owner[crossing][kept] * places + column[kept] * height + row
    keys, times = np.unique(keys, return_counts=True)
    masks, edges = np.divmod(keys[times % 2 == 1], places)
    offsets = np.concatenate([[0], np.bincount(masks, minlength=len(counts)).cumsum()])
    return RunMasks(size_hw, edges, offsets)


def union_edges(parts: Sequence[Ints]) -> Ints:
    """Edges of everything that at least one of several masks covers."""
    edges = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
    turns = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(1 - 2 * (np.arange(len(p)) % 2) for p in parts)]
    )
    positions, where = np.unique(edges, return_inverse=True)
    covered = np.bincount(where, turns, minlength=len(positions)).cumsum() > 0
    before = np.concatenate([[False], covered[:-1]])
    changed: Ints = positions[covered != before]
    return changed


def _outline_steps(corners: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Columns and rows, in whole steps, of every step along closed outlines, and which outline it is of.

    Args:
        corners: corners of all outlines, one after the other.
        counts: corners of each.
    """
    following = np.arange(len(corners)) + 1
    filled = counts > 0
    following[counts.cumsum()[filled] - 1] = (counts.cumsum() - counts)[filled]
    start, end = corners, corners[following]
    span = np.abs(end - start)
    flat = span[:, 0] >= span[:, 1]  # the walk advances by one column, otherwise by one row
    along = np.where(flat, 0, 1)
    edge = np.arange(len(corners))
    swapped = start[edge, along] > end[edge, along]
    low = np.where(swapped[:, None], end, start)
    high = np.where(swapped[:, None], start, end)
    length = span[edge, along]
    rise = (high - low)[edge, 1 - along]
    slope = np.divide(rise, length, out=np.zeros(len(corners)), where=length > 0)

    walk = np.repeat(edge, length + 1)
    place = np.arange(len(walk)) - np.repeat((length + 1).cumsum() - length - 1, length + 1)
    place = np.where(swapped[walk], length[walk] - place, place)
    forward = low[walk, along[walk]] + place
    sideways = (low[walk, 1 - along[walk]] + slope[walk] * place + 0.5).astype(np.int64)
    level = flat[walk]
    owner = np.repeat(np.arange(len(counts)), counts)[walk]
    return np.where(level, forward, sideways), np.where(level, sideways, forward), owner
