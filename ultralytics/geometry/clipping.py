"""Areas of polygons and of their parts inside axis-aligned boxes.

Polygons are simple but need not be convex. Shape suffixes: N = polygons; M = boxes; P = points; 2 = x, y;
4 = xyxy; K = pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["area_inside", "polygon_area", "shared_area"]

Array = npt.NDArray[Any]  # Any: every float dtype


def polygon_area(polygons: Array) -> Array:
    """Areas (N,) of polygons (N, P, 2)."""
    x, y = polygons[..., 0], polygons[..., 1]
    twice = (x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1)
    area: Array = np.abs(twice) / 2
    return area


def area_inside(polygons: Array, boxes: Array) -> Array:
    """Areas (N, M) of the parts of polygons (N, P, 2) that lie inside boxes (M, 4)."""
    points_NP2 = polygons.astype(np.float64)
    boxes_M4 = boxes.astype(np.float64)
    low_N2, high_N2 = points_NP2.min(axis=1), points_NP2.max(axis=1)
    touches = (low_N2[:, None] < boxes_M4[None, :, 2:]) & (high_N2[:, None] > boxes_M4[None, :, :2])
    polygon_K, box_K = np.nonzero(touches.all(axis=-1))
    inside = np.zeros((len(points_NP2), len(boxes_M4)))
    inside[polygon_K, box_K] = polygon_area(_clipped(points_NP2[polygon_K], boxes_M4[box_K]))
    return inside


def shared_area(polygons: Array, boxes: Array) -> Array:
    """Areas (K,) of the parts of polygons (K, P, 2) that lie inside one box (K, 4) each."""
    return polygon_area(_clipped(polygons.astype(np.float64), boxes.astype(np.float64)))


def _clipped(points_KP2: Array, boxes_K4: Array) -> Array:
    """Polygons cut at the four sides of one box each (Sutherland and Hodgman 1974).

    All keep one number of points: what is cut away becomes points on the side, which enclose no area.
    """
    for axis in (0, 1):
        points_KP2 = _cut(points_KP2, boxes_K4[:, axis], axis, sign=1.0)
        points_KP2 = _cut(points_KP2, boxes_K4[:, axis + 2], axis, sign=-1.0)
    return points_KP2


def _cut(points_KP2: Array, limit_K: Array, axis: int, sign: float) -> Array:
    """Twice as many points, none of them beyond a limit on one axis; `sign` is +1 for a lower limit."""
    start, end = points_KP2, np.roll(points_KP2, -1, axis=1)
    limit_K1 = limit_K[:, None]
    before = sign * (start[..., axis] - limit_K1)
    after = sign * (end[..., axis] - limit_K1)
    crosses = (before < 0) != (after < 0)
    span = np.where(crosses, before - after, 1.0)
    crossing = start + (before / span)[..., None] * (end - start)
    edges = []
    for point, distance in ((start, before), (end, after)):
        moved = np.where(crosses[..., None], crossing, point)
        moved[..., axis] = limit_K1
        edges.append(np.where((distance < 0)[..., None], moved, point))
    return np.stack(edges, axis=2).reshape(len(points_KP2), 2 * points_KP2.shape[1], 2)
