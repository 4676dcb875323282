"""Bit-mask matching against the rule written out threshold by threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from ultralytics.engine.validator import BaseValidator
from ultralytics.utils.metrics.matching import assign_optimally, match_greedily

IOUV = np.linspace(0.5, 0.95, 10).astype(np.float32)


def literal(overlap: Any) -> Any:
    """Greedy matching as the specification words it."""
    targets, detections = overlap.shape
    correct = np.zeros((detections, len(IOUV)), bool)
    for column, threshold in enumerate(IOUV):
        free = set(range(targets))
        for detection in range(detections):
            if overlap[:, detection].max(initial=0) < IOUV[0] or not free:
                continue
            best = max(sorted(free), key=lambda target: overlap[target, detection])
            if overlap[best, detection] >= threshold:
                correct[detection, column] = True
                free.remove(best)
    return correct


def test_the_example_of_the_specification() -> None:
    overlap = np.array([[0.9, 0.6, 0], [0.55, 0.8, 0.52]], np.float32)
    assert match_greedily(overlap, IOUV).sum(1).tolist() == [9, 7, 0]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 6), st.integers(0, 9), st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.001])
)
def test_equal_to_the_literal_rule(targets: int, detections: int, seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.2, 1, (targets, detections))
    overlap = (np.round(values / step) * step).astype(np.float32)  # a coarse step makes ties
    assert (match_greedily(overlap, IOUV) == literal(overlap)).all()


def test_the_first_target_wins_a_tie() -> None:
    overlap = np.array([[0.7, 0.0], [0.7, 0.6]], np.float32)
    assert match_greedily(overlap, IOUV).sum(1).tolist() == [5, 3]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match(shape: tuple[int, int]) -> None:
    assert match_greedily(np.zeros(shape, np.float32), IOUV).shape == (shape[1], 10)


def test_optimal_assignment_finds_the_larger_total() -> None:
    overlap = np.array([[0.8, 0.75], [0.78, 0.0]], np.float32)
    assert match_greedily(overlap, IOUV)[:, 0].tolist() == [True, False]
    assert assign_optimally(overlap, IOUV)[:, 0].tolist() == [True, True]


def test_optimal_assignment_equals_scipy_at_one_threshold() -> None:
    overlap = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    worth = np.where(overlap >= IOUV[0], overlap, 0)
    rows, columns = linear_sum_assignment(-worth)
    expected = {int(c) for r, c in zip(rows, columns, strict=True) if worth[r, c] > 0}
    assert set(np.flatnonzero(assign_optimally(overlap, IOUV)[:, 0]).tolist()) == expected


def test_pairs_of_different_class_do_not_match() -> None:
    validator = object.__new__(BaseValidator)
    validator.iouv = torch.from_numpy(IOUV)
    iou = torch.tensor([[0.9, 0.8], [0.6, 0.7]])
    hits = validator.match_predictions(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), iou)
    assert hits.dtype == torch.bool
    assert hits.sum(1).tolist() == [3, 7]
