"""Which detections are correct at which IoU thresholds: greedy matching of one image, all thresholds at once.

M = targets, N = detections by falling confidence, T = rising IoU thresholds. Independently per
threshold, each detection takes the free target it overlaps most, the first on ties, if the overlap
reaches the threshold. Thresholds are the bits of an integer, so a pair is visited once (chapter 80, 6.1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ultralytics.utils.metrics.average_precision import Floats

__all__ = ["assign_optimally", "match_greedily"]


def match_greedily(overlap_MN: Floats, thresholds_T: Floats) -> NDArray[np.bool_]:
    """(N, T) whether a detection is correct; pairs of different class must hold overlap 0."""
    width = len(thresholds_T)
    targets, detections = np.nonzero(overlap_MN >= thresholds_T[0])
    values = overlap_MN[targets, detections]
    order = np.lexsort((targets, -values, detections))
    passed = (1 << np.searchsorted(thresholds_T, values[order], side="right")) - 1
    claimed = [0] * overlap_MN.shape[0]
    correct = [0] * overlap_MN.shape[1]
    everything = (1 << width) - 1
    current, remaining = -1, 0
    pairs = zip(detections[order].tolist(), targets[order].tolist(), passed.tolist(), strict=True)
    for detection, target, bits in pairs:
        if detection != current:
            current, remaining = detection, everything
        free = remaining & ~claimed[target]
        hit = free & bits
        claimed[target] |= hit
        correct[detection] |= hit
        remaining &= ~free
    return _unpack(correct, width)


def assign_optimally(overlap_MN: Floats, thresholds_T: Floats) -> NDArray[np.bool_]:
    """As `match_greedily`, by the assignment of largest total overlap at each threshold."""
    from scipy.optimize import linear_sum_assignment

    correct = np.zeros((overlap_MN.shape[1], len(thresholds_T)), dtype=bool)
    for column, threshold in enumerate(thresholds_T):
        worth = overlap_MN * (overlap_MN >= threshold)
        targets, detections = linear_sum_assignment(worth, maximize=True)
        correct[detections[worth[targets, detections] > 0], column] = True
    return correct


def _unpack(masks: list[int], width: int) -> NDArray[np.bool_]:
    values: NDArray[Any] = np.array(masks, dtype=np.int64).reshape(-1, 1)
    return (values >> np.arange(width) & 1).astype(bool)
