"""Who is who: distances between tracks and detections, and the assignment that minimises them.

T = tracks, D = detections. Distances are (T, D) float32 arrays, smaller is closer. Tracks and detections are objects
with `xyxy`, `xywha`, `angle`, `score` and features, or plain boxes. Specification chapter 75, section 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "box_overlap",
    "embedding_distance",
    "fuse_score",
    "iou_distance",
    "linear_assignment",
]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

EPSILON = 1e-7
TIE = 1e-9  # a pair that costs exactly as much as leaving both alone is taken
NO_FEATURE = 2.0  # largest cosine distance


def linear_assignment(
    cost_matrix: NDArray[Any], thresh: float, use_lap: bool = True
) -> tuple[Ints, Ints, Ints]:
    """Pair rows and columns for the lowest total cost, where every unpaired row or column costs `thresh` / 2.

    Args:
        cost_matrix: (T, D) costs.
        thresh: most a pair may cost.
        use_lap: False ignores the threshold while assigning and drops costly pairs afterwards.

    Returns:
        Pairs (K, 2) by rising row, unpaired rows, unpaired columns.
    """
    from scipy.optimize import linear_sum_assignment

    cost = np.asarray(cost_matrix, dtype=np.float64)
    rows, columns = cost.shape
    close = cost <= thresh
    if not use_lap:
        row, column = linear_sum_assignment(cost)
        kept = close[row, column]
        return _pairs(row[kept], column[kept], rows, columns)
    used_rows, used_columns = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
    n, m = len(used_rows), len(used_columns)
    if not n:
        return _pairs(used_rows, used_columns, rows, columns)
    # Dear pairs cost more than leaving both alone, so only rows and columns with an affordable pair take part.
    extended = np.full((n + m, m + n), thresh / 2 + TIE)
    extended[:n, :m] = cost[np.ix_(used_rows, used_columns)]
    extended[n:, m:] = 0
    row, column = linear_sum_assignment(extended)
    real = (row < n) & (column < m)
    row, column = used_rows[row[real]], used_columns[column[real]]
    kept = close[row, column]
    return _pairs(row[kept], column[kept], rows, columns)


def _pairs(row: Ints, column: Ints, rows: int, columns: int) -> tuple[Ints, Ints, Ints]:
    order = np.argsort(row)
    pairs = np.stack((row[order], column[order]), axis=1).astype(np.int64)
    return pairs, np.setdiff1d(np.arange(rows), row), np.setdiff1d(np.arange(columns), column)


def iou_distance(atracks: Sequence[Any], btracks: Sequence[Any]) -> Floats:
    """1 - IoU of every two objects or corner boxes; rotated ones (with an angle) by probabilistic IoU."""
    if not len(atracks) or not len(btracks):
        return np.zeros((len(atracks), len(btracks)), np.float32)
    a, b = _boxes(atracks), _boxes(btracks)
    if a.shape[1] == 5 and b.shape[1] == 5:
        return np.asarray(1 - _rotated_overlap(a, b), np.float32)
    return 1 - box_overlap(a, b)


def _boxes(tracks: Sequence[Any]) -> Floats:
    """(N, 4) corners, or (N, 5) centre boxes with angle."""
    first = tracks[0]
    if isinstance(first, (np.ndarray, list, tuple)):
        return np.asarray(tracks, np.float32)
    if getattr(first, "angle", None) is not None:
        return np.array([track.xywha for track in tracks], np.float32)
    return np.array([track.xyxy for track in tracks], np.float32)


def box_overlap(a_N4: Floats, b_M4: Floats) -> Floats:
    """IoU (N, M) of corner boxes."""
    low = np.maximum(a_N4[:, None, :2], b_M4[None, :, :2])
    high = np.minimum(a_N4[:, None, 2:], b_M4[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    areas = [(boxes[:, 2:4] - boxes[:, :2]).prod(axis=1) for boxes in (a_N4, b_M4)]
    union = areas[0][:, None] + areas[1][None] - shared + np.float32(EPSILON)
    return np.asarray(shared / union, np.float32)


def _rotated_overlap(a_N5: Floats, b_M5: Floats) -> Floats:
    import torch

    from ultralytics.geometry.rotated import batch_probiou

    overlap: Floats = batch_probiou(torch.from_numpy(a_N5), torch.from_numpy(b_M5)).numpy()
    return overlap


def fuse_score(cost_matrix: Floats, detections: Sequence[Any]) -> Floats:
    """Distances grown for faint detections: 1 - (1 - distance) * score."""
    if not cost_matrix.size:
        return cost_matrix
    scores = np.array([detection.score for detection in detections], cost_matrix.dtype)
    return np.asarray(1 - (1 - cost_matrix) * scores, cost_matrix.dtype)


def embedding_distance(tracks: Sequence[Any], detections: Sequence[Any]) -> Floats:
    """Cosine distance of appearance, at least 0; 2 where one has no feature."""
    distance = np.full((len(tracks), len(detections)), NO_FEATURE, np.float32)
    rows = [i for i, track in enumerate(tracks) if track.smooth_feat is not None]
    columns = [j for j, found in enumerate(detections) if found.curr_feat is not None]
    if rows and columns:
        own = np.stack([_unit(tracks[i].smooth_feat) for i in rows])
        seen = np.stack([_unit(detections[j].curr_feat) for j in columns])
        distance[np.ix_(rows, columns)] = np.maximum(0, 1 - own @ seen.T)
    return distance


def _unit(feature: NDArray[Any]) -> Floats:
    values = np.asarray(feature, np.float32)
    return values / max(float(np.linalg.norm(values)), 1e-12)
