"""Non-maximum suppression of boxes that are already sorted by falling score.

Whether a box stays depends on the boxes before it only, so the first survivors can be found on a short
prefix (`first_survivors`); that bounds the work exactly, without a time limit. Suppression is strict:
a box goes when its overlap with an earlier one is above the threshold.
Shape suffixes: N, M = boxes; 4 = xyxy; 5 = xywhr; P = index pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ultralytics.geometry.compiled import compiled_nms
from ultralytics.geometry.rotated import probiou

__all__ = ["first_survivors", "greedy", "greedy_in_blocks", "undominated_rotated"]

SHORTEST_PREFIX = 128
PREFIX_MARGIN = 1.25  # boxes looked at first, per box wanted
PREFIX_GROWTH = 3
BLOCK = 256  # rows of an overlap matrix formed at once
COMPILED_DEVICES = {"cpu", "cuda"}
GATE_SLACK = 1.01  # covers the epsilon terms of the rotated overlap


def first_survivors(count: int, limit: int, survivors: Callable[[int], Tensor]) -> Tensor:
    """Positions of the first `limit` of `count` sorted boxes that survive, ascending.

    Args:
        count: how many boxes there are.
        limit: how many survivors are wanted.
        survivors: given a length, the surviving positions of that prefix; its rule must let only earlier
            boxes decide about a box.
    """
    length = max(SHORTEST_PREFIX, int(limit * PREFIX_MARGIN))
    while True:
        length = min(length, count)
        kept = survivors(length)
        if length == count or len(kept) >= limit:
            return kept[:limit]
        length *= PREFIX_GROWTH


def greedy(boxes_N4: Tensor, scores_N: Tensor, iou_threshold: float) -> Tensor:
    """Kept positions, ascending: each box goes if a kept earlier one overlaps it too much.

    Args:
        boxes_N4: corners sorted by falling score, float32 or float64.
        scores_N: the scores, in that order.
        iou_threshold: overlap (without epsilon) above which a box is dropped.
    """
    operator = compiled_nms() if boxes_N4.device.type in COMPILED_DEVICES else None
    if operator is None:
        return greedy_in_blocks(boxes_N4, iou_threshold)
    return operator(boxes_N4, scores_N, iou_threshold)


def greedy_in_blocks(boxes_N4: Tensor, iou_threshold: float) -> Tensor:
    """The rule of `greedy` in plain tensor operations, with memory for a block of rows only."""
    kept_N = torch.ones(len(boxes_N4), dtype=torch.bool, device=boxes_N4.device)
    for start in range(0, len(boxes_N4), BLOCK):
        rows = torch.arange(start, min(start + BLOCK, len(boxes_N4)), device=boxes_N4.device)
        rows = rows[kept_N[rows]]
        rows = rows[_greedy_matrix(_overlaps(boxes_N4[rows], boxes_N4[rows], iou_threshold))]
        kept_N[start : start + BLOCK] = False
        kept_N[rows] = True
        later = start + BLOCK + kept_N[start + BLOCK :].nonzero()[:, 0]
        hit = _overlaps(boxes_N4[rows], boxes_N4[later], iou_threshold).any(dim=0)
        kept_N[later[hit]] = False
    return kept_N.nonzero()[:, 0]


def undominated_rotated(
    boxes_N5: Tensor, iou_threshold: float, labels_N: Tensor | None = None
) -> Tensor:
    """Kept positions, ascending: each box goes if any earlier one, kept or not, overlaps it too much.

    Only pairs whose centres are close enough to reach the threshold are compared: the Bhattacharyya
    distance of two boxes is at least d^2 / (4 lambda) with lambda <= (m1^2 + m2^2) / 12, where d is the
    distance of the centres and m1, m2 are the longer sides.

    Args:
        boxes_N5: xywhr boxes sorted by falling score.
        iou_threshold: probiou above which a box is dropped.
        labels_N: only boxes of equal label compete, when given.
    """
    dropped_N = torch.zeros(len(boxes_N5), dtype=torch.bool, device=boxes_N5.device)
    reach_N = boxes_N5[:, 2:4].amax(dim=1).square() * (_gate(iou_threshold) / 3)
    for start in range(0, len(boxes_N5), BLOCK):
        rows = boxes_N5[start : start + BLOCK]
        later = boxes_N5[start:]
        gap = (rows[:, None, 0] - later[None, :, 0]).square_()
        gap += (rows[:, None, 1] - later[None, :, 1]).square_()
        near = gap <= reach_N[start : start + BLOCK, None] + reach_N[None, start:]
        if labels_N is not None:
            near &= labels_N[start : start + BLOCK, None] == labels_N[None, start:]
        first_P, second_P = near.triu_(diagonal=1).nonzero().unbind(1)
        overlap_P = probiou(rows[first_P], later[second_P]).squeeze(-1)
        dropped_N[start + second_P[overlap_P > iou_threshold]] = True
    return (~dropped_N).nonzero()[:, 0]


def _gate(threshold: float) -> float:
    """Largest Bhattacharyya distance that can still exceed a probiou threshold."""
    room = 1 - (1 - max(threshold, 0.0)) ** 2
    return math.inf if room <= 0 else -math.log(room) * GATE_SLACK + 1e-3


def _overlaps(boxes_N4: Tensor, others_M4: Tensor, threshold: float) -> Tensor:
    """Which pairs overlap by more than the threshold, as (N, M); empty boxes overlap nothing."""
    low_NM2 = torch.maximum(boxes_N4[:, None, :2], others_M4[None, :, :2])
    size_NM2 = torch.minimum(boxes_N4[:, None, 2:], others_M4[None, :, 2:]) - low_NM2
    shared_NM = size_NM2.clamp_(min=0).prod(dim=2)
    area_N = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(dim=1)
    area_M = (others_M4[:, 2:] - others_M4[:, :2]).prod(dim=1)
    return shared_NM / (area_N[:, None] + area_M - shared_NM) > threshold


def _greedy_matrix(overlaps_NN: Tensor) -> Tensor:
    """Rows kept by the greedy rule, given which pairs exclude each other."""
    excludes = overlaps_NN.triu(diagonal=1).cpu().numpy()
    alive = torch.ones(len(excludes), dtype=torch.bool).numpy()
    for row, excluded in enumerate(excludes):
        if alive[row]:
            alive &= ~excluded
    return torch.from_numpy(alive).to(overlaps_NN.device)
