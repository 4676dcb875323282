"""Polygons as run-length masks, by the rule of COCO's own tools, so that annotations give the same pixels.

An outline is walked in steps of a fifth of a pixel; where it crosses the middle of a column, the mask changes there.
Points are x, y in pixels; positions count down the columns, as in `ultralytics.geometry.rle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["polygon_edges", "union_edges"]

Ints = NDArray[np.int64]
Points = NDArray[Any]  # Any: every number type

STEPS = 5  # per pixel; odd, so that one of them is the middle of a column
MIDDLE = STEPS // 2


def polygon_edges(points: Points, size_hw: tuple[int, int]) -> Ints:
    """Edges of the mask of a closed polygon (P, 2) on a canvas; what is outside of it is cut off."""
    height, width = size_hw
    if len(points) == 0:
        return np.zeros(0, dtype=np.int64)
    x, y = _outline_steps((np.asarray(points, dtype=np.float64) * STEPS + 0.5).astype(np.int64))
    crossing = np.flatnonzero(x[1:] != x[:-1])
    column, step = np.divmod(np.minimum(x[crossing], x[crossing + 1]), STEPS)
    kept = (step == MIDDLE) & (column >= 0) & (column < width)
    lower = np.minimum(y[crossing], y[crossing + 1])[kept]
    row = np.ceil(np.clip((lower + 0.5) / STEPS - 0.5, 0, height)).astype(np.int64)
    positions, times = np.unique(column[kept] * height + row, return_counts=True)
    edges: Ints = positions[times % 2 == 1]
    return edges


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


def _outline_steps(corners: Ints) -> tuple[Ints, Ints]:
    """Columns and rows of every step along the closed outline, in whole steps, corners included twice."""
    start, end = corners, np.roll(corners, -1, axis=0)
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
    return (
        np.where(flat[walk], forward, sideways),
        np.where(flat[walk], sideways, forward),
    )
