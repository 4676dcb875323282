"""Losses of RT-DETR against the numbers of the specification and a search over all assignments."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.models.utils.loss import DETRLoss, RTDETRDetectionLoss
from ultralytics.models.utils.ops import HungarianMatcher, linear_sum_assignment

# Specification 20, sections 3.5 and 4.12.
LABELS = {
    "cls": torch.tensor([0, 1, 1]),
    "bboxes": torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.7, 0.6, 0.3, 0.4], [0.5, 0.5, 0.4, 0.2]]),
    "gt_groups": [2, 1],
}


def wave(step: float, *shape: int) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(step * torch.arange(count, dtype=torch.float64)).float().view(shape)


def boxes_of(step: float, *shape: int) -> Tensor:
    return (0.5 + 0.3 * wave(step, *shape)).clamp(0.1, 0.9)


def test_pairs_of_the_specification() -> None:
    matcher = HungarianMatcher({"class": 2, "bbox": 5, "giou": 2})
    boxes, scores = boxes_of(0.9, 2, 4, 4), 2 * wave(0.7, 2, 4, 2)
    labels = LABELS["bboxes"], LABELS["cls"], LABELS["gt_groups"]
    cost = matcher.costs(boxes[None], scores[None], *labels)[0, :2].T
    wanted = [
        [10.5049, 5.459117],
        [1.904529, 5.293652],
        [10.078775, 5.115145],
        [7.343235, 10.441904],
    ]
    assert_close(cost, torch.tensor(wanted), rtol=1e-5, atol=1e-5)
    pairs = matcher(boxes, scores, *labels)
    assert [[part.tolist() for part in pair] for pair in pairs] == [[[1, 2], [0, 1]], [[2], [2]]]


@pytest.mark.parametrize("use_fl", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_cost_least(seed: int, use_fl: bool) -> None:
    torch.manual_seed(seed)
    groups = [3, 0, 2]
    boxes, scores = torch.rand(3, 5, 4), torch.randn(3, 5, 4)
    labels = torch.rand(5, 4), torch.randint(4, (5,)), groups
    matcher = HungarianMatcher(use_fl=use_fl)
    costs, start = matcher.costs(boxes[None], scores[None], *labels)[0].double(), 0
    for count, (queries, found) in zip(groups, matcher(boxes, scores, *labels), strict=True):
        part = costs[start : start + count]
        orders = itertools.permutations(range(5), count)
        least = min(sum(float(part[g, q]) for g, q in enumerate(order)) for order in orders)
        chosen = sum(float(costs[g, q]) for q, g in zip(queries, found, strict=True))
        assert chosen == pytest.approx(least)
        assert queries.tolist() == sorted(queries.tolist())
        assert sorted(found.tolist()) == list(range(start, start + count))
        start += count


def test_costs_that_are_no_numbers_count_as_nothing() -> None:
    boxes = torch.full((1, 1, 2, 4), math.nan)
    cost = HungarianMatcher().costs(
        boxes, torch.zeros(1, 1, 2, 3), torch.rand(2, 4), torch.tensor([0, 1]), [2]
    )
    assert not cost.any()


def test_more_labels_than_queries() -> None:
    pairs = HungarianMatcher()(
        torch.rand(1, 2, 4), torch.randn(1, 2, 3), torch.rand(5, 4), torch.zeros(5), [5]
    )
    assert pairs[0][0].tolist() == [0, 1]
    rows, columns = linear_sum_assignment([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
    assert rows.tolist() == [0, 1, 2]
    assert columns.tolist() == [1, 0, 2]


def test_losses_of_the_specification() -> None:
    preds = boxes_of(0.9, 3, 2, 4, 4), 2 * wave(0.7, 3, 2, 4, 2)
    terms = RTDETRDetectionLoss(nc=2, use_vfl=True)(preds, LABELS)
    wanted = {
        "loss_class": 0.500117,
        "loss_bbox": 4.227481,
        "loss_giou": 2.037684,
        "loss_class_aux": 1.738333,
        "loss_bbox_aux": 5.877354,
        "loss_giou_aux": 3.827267,
    }
    assert {name: float(terms[name]) for name in wanted} == pytest.approx(wanted, rel=1e-5)
    assert all(float(terms[f"{name}_dn"]) == 0 for name in wanted)
    assert float(sum(terms.values())) == pytest.approx(18.208235, rel=1e-5)


def test_denoising_losses_of_the_specification() -> None:
    preds = boxes_of(0.9, 3, 2, 4, 4), 2 * wave(0.7, 3, 2, 4, 2)
    noisy = boxes_of(0.37, 3, 2, 8, 4), 2 * wave(0.41, 3, 2, 8, 2)
    meta = {
        "dn_pos_idx": [torch.tensor([0, 1, 4, 5]), torch.tensor([0, 4])],
        "dn_gt_idx": [torch.tensor([0, 1]), torch.tensor([2])],
        "dn_num_group": 2,
    }
    terms = RTDETRDetectionLoss(nc=2, use_vfl=True)(preds, LABELS, *noisy, meta)
    wanted = [0.792729, 3.105411, 2.395307, 1.503899, 8.869626, 4.073381]
    found = [float(value) for name, value in terms.items() if name.endswith("_dn")]
    assert found == pytest.approx(wanted, rel=1e-5)
    assert float(sum(terms.values())) == pytest.approx(38.948586, rel=1e-5)


def one_layer(**options: Any) -> dict[str, Tensor]:
    preds = boxes_of(0.9, 3, 2, 4, 4), 2 * wave(0.7, 3, 2, 4, 2)
    return DETRLoss(nc=2, **options)(*preds, LABELS)


def test_options() -> None:
    assert set(one_layer(aux_loss=False)) == {"loss_class", "loss_bbox", "loss_giou"}
    doubled = one_layer(loss_gain={"class": 2, "bbox": 10, "giou": 4})
    for name, value in one_layer().items():
        assert_close(doubled[name], 2 * value)
    once = one_layer(use_uni_match=True, uni_match_ind=2)
    assert_close(once["loss_bbox"], one_layer()["loss_bbox"])
    assert float(once["loss_bbox_aux"]) >= float(one_layer()["loss_bbox_aux"])
    scores = 2 * wave(0.7, 3, 2, 4, 2)[-1].double()
    target = torch.zeros_like(scores)
    target[[0, 0, 1], [1, 2, 2], [0, 1, 1]] = 1
    pairs = one_layer()  # the last layer pairs otherwise: take its own pairs
    queries = DETRLoss(nc=2).matcher(
        boxes_of(0.9, 3, 2, 4, 4)[-1],
        scores.float(),
        LABELS["bboxes"],
        LABELS["cls"],
        LABELS["gt_groups"],
    )
    target.zero_()
    for image, (query, label) in enumerate(queries):
        target[image, query, LABELS["cls"][label]] = 1
    plain = -(target * scores.sigmoid().log() + (1 - target) * (1 - scores.sigmoid()).log()).sum()
    assert float(one_layer(use_fl=False)["loss_class"]) == pytest.approx(float(plain) / 3, rel=1e-5)
    assert float(pairs["loss_class"]) < float(plain) / 3  # easy entries fade


def test_batch_without_labels_teaches_scores_only() -> None:
    boxes = boxes_of(0.9, 2, 2, 4, 4).requires_grad_()
    scores = (2 * wave(0.7, 2, 2, 4, 2)).requires_grad_()
    empty = {"cls": torch.zeros(0), "bboxes": torch.zeros(0, 4), "gt_groups": [0, 0]}
    terms = RTDETRDetectionLoss(nc=2, use_vfl=True)((boxes, scores), empty)
    assert not torch.stack([terms["loss_bbox"], terms["loss_giou"]]).any()
    sum(terms.values()).backward()
    assert not boxes.grad.any()
    assert scores.grad.any()
