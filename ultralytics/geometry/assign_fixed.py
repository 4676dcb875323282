"""Task-aligned assignment in tensors whose shapes depend on the number of labels only, for accelerators.

The list form of `assign` reads sizes back from the device a few dozen times per batch, and the device is idle
meanwhile. Here every label meets every anchor and entries that mean nothing are marked instead of left out: more
arithmetic, no waiting, and shapes that a captured graph can keep. The chosen anchors and scores are the same.
Shape suffixes: B = images, A = anchors, N = labels, K = anchors per label, P = N * K entries.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ultralytics.geometry.assign import (
    TINY_PYRAMID,
    Labels,
    Positives,
    RotatedTaskAlignedAssigner,
    TaskAlignedAssigner,
    inside_rotated,
)
from ultralytics.geometry.pairs import grow_to, inside_corners

__all__ = ["assign_fixed", "has_fixed_form", "prefers_fixed_shapes"]

MOST_VALUES = 2**25  # labels x anchors; beyond it memory matters more than waiting
VALUES_AT_ONCE = 2**22  # of which overlaps are computed together


def prefers_fixed_shapes(device: torch.device, labels: int, anchors: int) -> bool:
    """Whether a batch is assigned in fixed shapes: where the host would wait for the device otherwise."""
    return device.type == "cuda" and labels * anchors <= MOST_VALUES


def has_fixed_form(assigner: object) -> bool:
    """Whether an assigner is one of those that this module repeats; subclasses may differ in anything."""
    return type(assigner) in (TaskAlignedAssigner, RotatedTaskAlignedAssigner)


@torch.no_grad()
def assign_fixed(
    assigner: TaskAlignedAssigner,
    labels: Labels,
    points_A2: Tensor,
    score_BCA: Tensor,
    boxes_BA4: Tensor,
) -> Positives:
    """The positive anchors of a batch among N * K entries; the others are not `valid` and have a score of 0.

    Args:
        assigner: one for which `has_fixed_form` is true.
        labels: the labels; a box whose values add up to 0 or less belongs to nobody.
        points_A2: anchors in pixels.
        score_BCA: probabilities.
        boxes_BA4: predicted boxes in pixels, as wide as those of the labels.
    """
    images, classes, anchors = score_BCA.shape
    is_tiny = anchors < TINY_PYRAMID * assigner.topk
    candidate_NA = _candidates(assigner, labels, points_A2)
    overlap_NA = _overlaps(assigner, labels, boxes_BA4) * candidate_NA
    chance_NA = score_BCA[labels.images, labels.classes.clamp(0, classes - 1)]
    metric_NA = chance_NA.to(overlap_NA).pow(assigner.alpha) * overlap_NA.pow(assigner.beta)
    metric_NA = metric_NA * candidate_NA
    if not is_tiny:
        candidate_NA = candidate_NA & (metric_NA > 0)
    anchor_NK = metric_NA.topk(min(assigner.topk, anchors), dim=1).indices
    valid_NK = candidate_NA.gather(1, anchor_NK)
    label_NK = torch.arange(len(labels), device=anchor_NK.device)[:, None].expand_as(anchor_NK)
    label_P, anchor_P, valid_P = label_NK.flatten(), anchor_NK.flatten(), valid_NK.flatten()
    label_P, valid_P = _settle(label_P, anchor_P, valid_P, labels, overlap_NA, candidate_NA, images)
    if assigner.topk2 != assigner.topk:
        at = label_P, anchor_P
        label_P, anchor_P, valid_P = _best_again(*at, valid_P, metric_NA, assigner.topk2)
    return _scored(label_P, anchor_P, valid_P, labels, metric_NA, overlap_NA, assigner.eps)


def _candidates(assigner: TaskAlignedAssigner, labels: Labels, points_A2: Tensor) -> Tensor:
    """Whether an anchor lies inside a label, (N, A)."""
    boxes = labels.boxes
    if isinstance(assigner, RotatedTaskAlignedAssigner):
        grown = torch.cat(
            (boxes[:, :2], boxes[:, 2:4].clamp(min=assigner.stride_val), boxes[:, 4:]), dim=1
        )
        found_NA = inside_rotated(points_A2[None], grown[:, None])
    else:
        found_NA = inside_corners(points_A2[None], grow_to(boxes, assigner.stride_val)[:, None])
    return found_NA & (boxes.sum(dim=1) > 0)[:, None]


def _overlaps(assigner: TaskAlignedAssigner, labels: Labels, boxes_BA4: Tensor) -> Tensor:
    """Overlap of every label with every prediction of its image, (N, A)."""
    step = max(VALUES_AT_ONCE // boxes_BA4.shape[1], 1)
    parts = [
        assigner.iou_calculation(
            labels.boxes[i : i + step, None], boxes_BA4[labels.images[i : i + step]]
        )
        for i in range(0, len(labels), step)
    ]
    return torch.cat(parts) if parts else boxes_BA4.new_zeros((0, boxes_BA4.shape[1]))


def _settle(
    label_P: Tensor,
    anchor_P: Tensor,
    valid_P: Tensor,
    labels: Labels,
    overlap_NA: Tensor,
    candidate_NA: Tensor,
    images: int,
) -> tuple[Tensor, Tensor]:
    """Labels of the entries after every anchor went to the label it overlaps most, and which entries stay."""
    count, anchors = overlap_NA.shape
    place_P = labels.images[label_P] * anchors + anchor_P
    wanted = place_P.new_zeros(images * anchors).scatter_add(0, place_P, valid_P.long())
    owner_NA = labels.images[:, None].expand(count, anchors)
    rival_NA = torch.where(candidate_NA, overlap_NA, -1.0)
    top_BA = rival_NA.new_full((images, anchors), -1.0)
    top_BA = top_BA.scatter_reduce(0, owner_NA, rival_NA, "amax")
    is_top_NA = candidate_NA & (rival_NA == top_BA[labels.images])
    number_N1 = torch.arange(count, device=label_P.device)[:, None]
    first_NA = torch.where(is_top_NA, number_N1, count)
    winner_BA = first_NA.new_full((images, anchors), count)
    winner = winner_BA.scatter_reduce(0, owner_NA, first_NA, "amin").flatten()
    winner = winner.clamp(max=count - 1)  # nobody wins where an overlap is not a number
    settled_P = torch.where(wanted[place_P] > 1, winner[place_P], label_P)
    entry_P = torch.arange(len(label_P), device=label_P.device)
    ticket_P = torch.where(valid_P, entry_P, len(label_P))
    keeper = torch.full_like(wanted, len(label_P)).scatter_reduce(0, place_P, ticket_P, "amin")
    stays_P = valid_P & (keeper[place_P] == entry_P)
    return torch.where(stays_P, settled_P, label_P), stays_P


def _best_again(
    label_P: Tensor, anchor_P: Tensor, valid_P: Tensor, metric_NA: Tensor, topk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The strongest of the entries of each label."""
    count, anchors = metric_NA.shape
    place_P = label_P * anchors + anchor_P
    chosen = torch.zeros_like(metric_NA, dtype=torch.uint8).flatten()
    chosen_NA = chosen.scatter_reduce(0, place_P, valid_P.to(torch.uint8), "amax").view_as(
        metric_NA
    )
    anchor_NK = (metric_NA * chosen_NA).topk(min(topk, anchors), dim=1).indices
    label_NK = torch.arange(count, device=anchor_NK.device)[:, None].expand_as(anchor_NK)
    valid_NK = chosen_NA.gather(1, anchor_NK).bool()
    return label_NK.flatten(), anchor_NK.flatten(), valid_NK.flatten()


def _scored(
    label_P: Tensor,
    anchor_P: Tensor,
    valid_P: Tensor,
    labels: Labels,
    metric_NA: Tensor,
    overlap_NA: Tensor,
    eps: float,
) -> Positives:
    """Target scores: metrics of a label scaled so that the best equals its best overlap."""
    metric_P = metric_NA[label_P, anchor_P] * valid_P
    overlap_P = overlap_NA[label_P, anchor_P] * valid_P
    zeros_N = metric_P.new_zeros(len(labels))
    top_metric_N = zeros_N.scatter_reduce(0, label_P, metric_P, "amax")
    top_overlap_N = zeros_N.scatter_reduce(0, label_P, overlap_P, "amax")
    score_P = metric_P * (top_overlap_N / (top_metric_N + eps))[label_P]
    return Positives(labels.images[label_P], anchor_P, label_P, score_P, valid_P)
