"""Keypoint similarity against the formula written out, decoding, tolerances, mirror orders."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ultralytics.geometry.keypoints import (
    OKS_SIGMA,
    check_flip_order,
    coco_oks,
    keypoints_from_centre,
    keypoints_from_corner,
    kpt_iou,
    oks_sigmas,
    rle_weights,
)


def test_known_value() -> None:
    labelled = torch.tensor([[[0.0, 0, 2], [10, 0, 2], [5, 5, 0]]])
    predicted = torch.tensor([[[1.0, 0, 1], [10, 2, 1], [50, 5, 1]]])
    got = kpt_iou(labelled, predicted, torch.tensor([100.0]), [0.05, 0.1, 0.1])
    assert got.item() == pytest.approx(0.606531, abs=1e-5)
    labelled[..., 2] = 0
    assert kpt_iou(labelled, predicted, torch.tensor([100.0]), [0.05, 0.1, 0.1]).item() == 0


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_loops_agree(kind: object) -> None:
    generator = torch.Generator().manual_seed(1)
    labelled = torch.rand(3, 4, 3, generator=generator) * 20
    labelled[..., 2] = (labelled[..., 2] > 8).float()
    predicted = torch.rand(5, 4, 3, generator=generator) * 20
    area = torch.rand(3, generator=generator) * 200 + 10
    sigmas = [0.05, 0.1, 0.2, 0.3]
    got = kpt_iou(labelled, predicted, area, kind(sigmas))  # type: ignore[operator]
    for n in range(3):
        for m in range(5):
            terms = [
                math.exp(
                    -((labelled[n, k, :2] - predicted[m, k, :2]) ** 2).sum().item()
                    / (2 * (2 * sigmas[k]) ** 2 * area[n].item())
                )
                for k in range(4)
                if labelled[n, k, 2] > 0
            ]
            expected = sum(terms) / len(terms) if terms else 0
            assert got[n, m].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        pytest.param([0, 2, 1], "3 entries for 4 keypoints", id="short"),
        pytest.param(
            [0, 2, 1, 4], r"flip_idx\[3\]=4 is not one of the keypoints 0 to 3", id="high"
        ),
        pytest.param([0, 2, 1, -1], r"flip_idx\[3\]=-1", id="negative"),
        pytest.param([0, 1.0, 2, 3], r"flip_idx\[1\]=1.0", id="fraction"),
        pytest.param([0, 2, 3, 1], "1 becomes 2, but 2 becomes 3", id="cycle"),
        pytest.param([0, 1, 1, 3], "2 becomes 1, but 1 becomes 1", id="twice"),
    ],
)
def test_orders_that_do_not_exchange_pairs_are_refused(order: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_flip_order(order, 4)


@given(st.permutations(range(5)))
def test_orders_that_undo_themselves_are_accepted(order: list[int]) -> None:
    undone = np.arange(5)[order][order].tolist() == [0, 1, 2, 3, 4]
    with contextlib.nullcontext() if undone else pytest.raises(ValueError, match="in pairs"):
        check_flip_order(order, 5)
        assert undone


def test_raw_values_of_both_generations() -> None:
    offsets, anchors = torch.tensor([[0.25, -1.0]]), torch.tensor([[0.5, 1.5]])
    assert keypoints_from_corner(offsets, anchors).tolist() == [[0.5, -1.0]]
    assert keypoints_from_centre(offsets, anchors).tolist() == [[0.75, 0.5]]


def test_tolerances_and_weights_of_a_person() -> None:
    assert oks_sigmas([17, 3]).tolist() == OKS_SIGMA.tolist()
    assert OKS_SIGMA[[0, 1, 11, 16]].tolist() == pytest.approx([0.026, 0.025, 0.107, 0.089])
    assert rle_weights((17, 3))[[0, 7, 9, 15]].tolist() == [1, 1.2, 1.5, 1.5]
    assert rle_weights((5, 3)).tolist() == [1] * 5


def test_tolerances_may_be_given() -> None:
    assert oks_sigmas((2, 3), [0.1, 0.3]).tolist() == [0.1, 0.3]
    for bad in ([0.1], [0.1, 0], [0.1, math.inf]):
        with pytest.raises(ValueError, match="kpt_oks_sigmas must be 2 positive numbers"):
            oks_sigmas((2, 3), bad)


def test_similarity_by_the_rules_of_coco() -> None:
    known = np.array([[[10.0, 10, 2], [20, 10, 0]], [[0, 0, 0], [0, 0, 0]]])
    boxes = np.array([[5.0, 5, 25, 15], [40, 40, 50, 60]])
    found = np.array([[[12.0, 10], [99, 99]], [[45, 30], [65, 50]]])
    sigmas, areas = np.array([0.1, 0.2]), np.array([100.0, 50.0])
    got = coco_oks(known, boxes, areas, found, sigmas)
    assert got[0, 0] == pytest.approx(math.exp(-4 / (0.2**2 * 100 * 2)))
    # the second object has no labelled point: its box, twice as far on each side, is 30..60 x 20..80
    assert got[1, 1] == pytest.approx((1 + math.exp(-25 / (0.4**2 * 50 * 2))) / 2)
    assert coco_oks(known[:0], boxes[:0], areas[:0], found, sigmas).shape == (0, 2)
