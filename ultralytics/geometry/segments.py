"""Polygons: extents, resampling, and joining of the parts of one object.

A polygon is a float array (P, 2) of x, y vertices, closed implicitly (the last vertex joins the
first).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ultralytics.geometry.boxes import xyxy2xywh

__all__ = [
    "merge_multi_segment",
    "min_index",
    "resample_segments",
    "segment2box",
    "segments2boxes",
]

Points = np.ndarray[Any, Any]  # Any: every float dtype


def segment2box(segment: Points, width: int = 640, height: int = 640) -> Points:
    """Corners (4,) of the part of a polygon that lies inside a width x height canvas.

    Zeros when the polygon is empty or entirely outside. Edges are cut at the border, so the box
    does not depend on how densely the outline is sampled.
    """
    points = np.asarray(segment).reshape(-1, 2)
    kind = points.dtype if np.issubdtype(points.dtype, np.floating) else np.float32
    nothing = np.zeros(4, dtype=kind)
    if len(points) == 0:
        return nothing
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.array([width, height])
    if (high < 0).any() or (low > size).any():
        return nothing
    if (low >= 0).all() and (high <= size).all():
        return np.concatenate((low, high)).astype(kind)
    inside = points[((points >= 0) & (points <= size)).all(axis=1)]
    seen = np.concatenate((inside, _border_crossings(points, size), _covered_corners(points, size)))
    if len(seen) == 0:
        return nothing
    return np.concatenate((seen.min(axis=0), seen.max(axis=0))).astype(kind)


def segments2boxes(segments: Sequence[Points]) -> Points:
    """Centre and size (N, 4) of the extent of each polygon."""
    rows = [np.concatenate((s.min(axis=0), s.max(axis=0))) for s in map(np.asarray, segments)]
    return xyxy2xywh(np.array(rows).reshape(-1, 4))


def resample_segments(segments: list[Points], n: int = 1000) -> list[Points]:
    """Replace polygons by float32 ones of n points, in the given list.

    Points are spaced evenly over the vertex numbers of the closed ring. With fewer vertices than n
    all of them are kept and the even points are sorted in between. Polygons of n points stay as
    they are.
    """
    for i, polygon in enumerate(segments):
        if len(polygon) == n:
            continue
        ring = np.concatenate((polygon, polygon[:1])).astype(np.float64)
        before, share = _even_places(len(ring), n)
        step = np.diff(ring, axis=0)
        moved = step.take(before, axis=0)
        moved *= share
        moved += ring.take(before, axis=0)
        segments[i] = moved.astype(np.float32)
    return segments


@lru_cache(maxsize=256)
def _even_places(count: int, n: int) -> tuple[Points, Points]:
    """Where the points of a ring of `count` vertices, first one repeated, lie: vertex before, share of the step."""
    vertices = np.arange(count)
    if count < n:
        even = np.linspace(0, count - 1, n - count)
        at = np.insert(even, np.searchsorted(even, vertices), vertices)
    else:
        at = np.linspace(0, count - 1, n)
    before = np.minimum(at.astype(np.intp), count - 2)
    return before, (at - before)[:, None]


def min_index(arr1: Points, arr2: Points) -> tuple[int, int]:
    """Numbers of the closest two points, one of each set; the first pair wins a tie."""
    squared = ((arr1[:, None] - arr2[None]) ** 2).sum(axis=-1)
    first, second = np.unravel_index(int(squared.argmin()), squared.shape)
    return int(first), int(second)


def merge_multi_segment(segments: Sequence[Points]) -> list[Points]:
    """The parts of one object as pieces of a single outline, to be concatenated.

    Consecutive parts are bridged at their closest vertices: the way out runs over the first side of
    each part in turn, the way back over the other sides of the middle parts. A single part stays.
    """
    parts = [np.asarray(part).reshape(-1, 2) for part in segments]
    if len(parts) < 2:
        return parts
    links: list[list[int]] = [[] for _ in parts]
    for i in range(1, len(parts)):
        here, there = min_index(parts[i - 1], parts[i])
        links[i - 1].append(here)
        links[i].append(there)
    outward, homeward = [], []
    for part, ends in zip(parts, links, strict=True):
        if len(ends) == 2 and ends[0] > ends[1]:
            part, ends = part[::-1], [len(part) - 1 - end for end in ends]
        first = ends[0]
        ring = np.concatenate((part[first:], part[: first + 1]))
        if len(ends) == 2:
            turn = ends[1] - ends[0]
            outward.append(ring[: turn + 1])
            homeward.append(ring[turn:])
        else:
            outward.append(ring)
    return outward + homeward[::-1]


def _border_crossings(points: Points, size: Points) -> Points:
    """Points where the outline crosses a border line of the canvas, within that border."""
    start, step = points, np.roll(points, -1, axis=0) - points
    found = []
    for axis in (0, 1):
        other = 1 - axis
        for line in (0, size[axis]):
            a, d = start[:, axis], step[:, axis]
            crossing = ((a - line) * (a + d - line) <= 0) & (d != 0)
            share = (line - a[crossing]) / d[crossing]
            position = start[crossing, other] + share * step[crossing, other]
            position = position[(position >= 0) & (position <= size[other])]
            pair = np.full((len(position), 2), line, dtype=np.float64)
            pair[:, other] = position
            found.append(pair)
    return np.concatenate(found)


def _covered_corners(points: Points, size: Points) -> Points:
    """Corners of the canvas inside the polygon, by counting edges to the right of each."""
    corners = np.array([(0, 0), (size[0], 0), (0, size[1]), tuple(size)], dtype=np.float64)
    a, b = points.astype(np.float64), np.roll(points, -1, axis=0).astype(np.float64)
    above_a = a[:, 1] > corners[:, None, 1]
    above_b = b[:, 1] > corners[:, None, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
        at_x = a[:, 0] + (corners[:, None, 1] - a[:, 1]) * slope
    crossed = (above_a != above_b) & (corners[:, None, 0] < at_x)
    return corners[crossed.sum(axis=1) % 2 == 1]
