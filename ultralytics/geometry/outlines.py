"""Many polygons in one flat array: choice, extents, visible boxes.

Polygon i is points offsets[i] to offsets[i + 1] of a float array (P, 2); none is empty. Shape suffixes: N = polygons,
P = points, E = edges; edge k runs from point k to the next one of its polygon.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Outlines"]

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Array = npt.NDArray[Any]  # Any: float32 or float64


class Outlines(NamedTuple):
    """Polygons as flat points (P, 2) and offsets (N + 1,)."""

    points: Floats
    offsets: Integers

    @property
    def counts(self) -> Integers:
        """Points of each polygon, (N,)."""
        return np.diff(self.offsets)

    def split(self) -> list[Floats]:
        """One (P, 2) view per polygon."""
        edges = self.offsets.tolist()
        return [self.points[a:b] for a, b in zip(edges, edges[1:])]  # noqa: B905, RUF007

    def pick(self, chosen: Array) -> Outlines:
        """The polygons with the given numbers, or where a mask (N,) is set."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        counts = self.counts[numbers]
        offsets = _cumulate(counts)
        if len(counts) and len(self.points) == counts[0] * (len(self.offsets) - 1):
            alike = self.counts
            if (alike == alike[0]).all():  # whole blocks are copied faster than single points
                blocks = self.points.reshape(len(alike), -1, 2)
                return Outlines(blocks[numbers].reshape(-1, 2), offsets)
        first = np.repeat(self.offsets[numbers] - offsets[:-1], counts)
        return Outlines(self.points[first + np.arange(len(first))], offsets)

    def extents(self) -> Floats:
        """Corners (N, 4) around each polygon."""
        if len(self.offsets) == 1:
            return np.zeros((0, 4), np.float32)
        starts = self.offsets[:-1]
        low = np.minimum.reduceat(self.points, starts, axis=0)
        return np.concatenate((low, np.maximum.reduceat(self.points, starts, axis=0)), axis=1)

    def clamp(self, chosen: Array, low_N2: Array, high_N2: Array) -> None:
        """Move the points of the polygons that a mask (N,) chooses between limits of their own, in place."""
        for i in np.flatnonzero(chosen).tolist():
            points = self.points[self.offsets[i] : self.offsets[i + 1]]
            np.clip(points, low_N2[i], high_N2[i], out=points)

    def per_point(self, values_N: Array) -> Array:
        """The value of its polygon for every point."""
        return np.repeat(values_N, self.counts, axis=0)

    def next_points(self) -> Integers:
        """Number of the point after each, around the polygon."""
        after = np.arange(1, len(self.points) + 1)
        after[self.offsets[1:] - 1] = self.offsets[:-1]
        return after

    def visible_boxes(self, width: float, height: float) -> Floats:
        """Corners (N, 4) of the part of each polygon inside a canvas, zeros where there is none.

        As `segment2box`: edges are cut at the border, and a corner of the canvas counts when it is inside.
        """
        boxes = self.extents()
        size = np.array([width, height], np.float32)
        outside = (boxes[:, 2:] < 0).any(axis=1) | (boxes[:, :2] > size).any(axis=1)
        leaves = ((boxes[:, :2] < 0) | (boxes[:, 2:] > size)).any(axis=1)
        cut = np.flatnonzero(leaves & ~outside)
        boxes[outside] = 0
        if len(cut):
            boxes[cut] = _cut_boxes(self.pick(cut), size.astype(np.float64))
        return boxes


def _cut_boxes(outlines: Outlines, size: npt.NDArray[np.float64]) -> Array:
    """Corners (N, 4) of the visible parts of polygons that cross the border of a canvas."""
    start = outlines.points.astype(np.float64)
    owner = outlines.per_point(np.arange(len(outlines.counts)))
    end = start[outlines.next_points()]
    inside = ((start >= 0) & (start <= size)).all(axis=1)
    seen, of = [start[inside]], [owner[inside]]
    for axis in (0, 1):
        for line in (0.0, size[axis]):
            a, d = start[:, axis], end[:, axis] - start[:, axis]
            at = np.flatnonzero(((a - line) * (end[:, axis] - line) <= 0) & (d != 0))
            share = (line - a[at]) / d[at]
            other = start[at, 1 - axis] + share * (end[at, 1 - axis] - start[at, 1 - axis])
            on_border = (other >= 0) & (other <= size[1 - axis])
            place = np.full((int(on_border.sum()), 2), line)
            place[:, 1 - axis] = other[on_border]
            seen.append(place)
            of.append(owner[at[on_border]])
    corners = np.array([(0, 0), (size[0], 0), (0, size[1]), tuple(size)])
    crossed = np.stack([_edges_right_of(start, end, corner) for corner in corners])
    covered = np.add.reduceat(crossed, outlines.offsets[:-1], axis=1, dtype=np.int64) % 2 == 1
    corner, polygon = np.nonzero(covered)
    points, owners = np.concatenate([*seen, corners[corner]]), np.concatenate([*of, polygon])
    count = len(outlines.counts)
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, owners, points)
    np.maximum.at(high, owners, points)
    return np.where(np.isfinite(low).all(axis=1)[:, None], np.concatenate((low, high), axis=1), 0)


def _edges_right_of(start: Array, end: Array, point: Array) -> npt.NDArray[np.bool_]:
    """Whether a ray to the right of a point crosses each edge."""
    x, y = point
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
        at_x = start[:, 0] + (y - start[:, 1]) * slope
    return ((start[:, 1] > y) != (end[:, 1] > y)) & (x < at_x)


def _cumulate(counts: Integers) -> Integers:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
