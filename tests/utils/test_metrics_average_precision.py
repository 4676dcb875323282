"""Average precision: values from the specification, a literal loop, and the shape of results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ultralytics.utils.metrics import ap_per_class, compute_ap, smooth

THRESHOLDS = 10


@pytest.mark.parametrize(
    ("recall", "precision", "expected"),
    [
        pytest.param([0.5, 1], [1, 1], 0.995, id="perfect"),
        pytest.param([0.5], [1], 0.495, id="half-found"),
        pytest.param([0.25, 0.5, 0.5, 0.75], [1, 1, 2 / 3, 0.75], 0.6825, id="one-false"),
        pytest.param([0, 0.5, 0.5], [0, 0.5, 1 / 3], 0.2475, id="false-first"),
        pytest.param([], [], 0.5, id="empty"),
    ],
)
def test_compute_ap_of_known_curves(
    recall: list[float], precision: list[float], expected: float
) -> None:
    ap, envelope, axis = compute_ap(recall, precision)
    assert ap == pytest.approx(expected, abs=1e-9)
    assert len(envelope) == len(axis) == len(recall) + 3
    assert (np.diff(envelope) <= 0).all()


def test_smooth_of_a_short_input_is_one_longer() -> None:
    expected = [0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9]
    assert smooth(np.arange(10.0), 0.1) == pytest.approx(expected)


def test_smooth_keeps_a_constant_and_its_length() -> None:
    assert smooth(np.full(1000, 0.3), 0.1) == pytest.approx(np.full(1000, 0.3))


def spec_example() -> tuple[Any, ...]:
    counts = [10, 5, 0, 8, 0, 1]
    tp = np.arange(THRESHOLDS) < np.array(counts)[:, None]
    conf = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    return tp, conf, np.array([0.0, 0, 0, 1, 1, 0]), np.array([0.0, 0, 0, 1, 2])


def test_ap_per_class_of_the_specification() -> None:
    tp, fp, p, r, f1, ap, classes, p_curve, _, f1_curve, x, envelope = ap_per_class(*spec_example())
    assert tp.tolist() == [3, 1, 0]
    assert fp.tolist() == [1, 0, 0]
    assert p == pytest.approx([0.708458, 0.747748, 0], abs=1e-6)
    assert r == pytest.approx([0.833834, 1, 0], abs=1e-6)
    assert f1 == pytest.approx([0.76605, 0.85567, 0], abs=1e-5)
    assert ap[0] == pytest.approx([0.9125] + [0.665] * 4 + [0.335] * 5)
    assert ap[1] == pytest.approx([0.995] * 8 + [0, 0])
    assert not ap[2].any()
    assert classes.tolist() == [0, 1, 2]
    assert x[549] == pytest.approx(0.54955, abs=1e-5)
    assert p_curve.shape == f1_curve.shape == envelope.shape == (3, 1000)


def literal_ap(tp: Any, conf: Any, pred_cls: Any, target_cls: Any) -> Any:
    """AP by class and threshold, one prediction at a time."""
    table = []
    for c in sorted(set(target_cls)):
        wanted = sum(target_cls == c)
        own = [i for i in np.argsort(-conf, kind="stable") if pred_cls[i] == c]
        row = []
        for t in range(tp.shape[1]):
            hits, recall, precision = 0, [], []
            for seen, i in enumerate(own, start=1):
                hits += int(tp[i, t])
                recall.append(hits / wanted)
                precision.append(hits / seen)
            row.append(compute_ap(recall, precision)[0] if own else 0.0)
        table.append(row)
    return np.array(table)


@pytest.mark.parametrize("seed", range(4))
def test_ap_per_class_equals_a_literal_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, classes = 120, 5
    tp = rng.random((count, THRESHOLDS)) < np.linspace(0.6, 0.1, THRESHOLDS)
    conf = rng.integers(0, 40, count) / 40  # many equal scores: the order of arrival decides
    pred = rng.integers(0, classes + 1, count).astype(float)
    target = np.r_[rng.integers(0, classes - 1, 90), [9]].astype(float)
    expected = literal_ap(tp, conf, pred, target)
    assert ap_per_class(tp, conf, pred, target)[5] == pytest.approx(expected, abs=1e-12)


def test_classes_without_targets_do_not_appear() -> None:
    tp = np.ones((2, THRESHOLDS), bool)
    result = ap_per_class(tp, np.array([0.9, 0.8]), np.array([3.0, 4.0]), np.array([4.0]))
    assert result[6].tolist() == [4]
    assert result[5].shape == (1, THRESHOLDS)


def test_no_predictions_give_zeros() -> None:
    none = np.zeros(0)
    result = ap_per_class(np.zeros((0, THRESHOLDS), bool), none, none, np.array([0.0, 1.0]))
    assert not result[5].any()
    assert not result[7].any()


def test_no_targets_give_empty_results() -> None:
    tp, conf, pred, _ = spec_example()
    result = ap_per_class(tp, conf, pred, np.zeros(0))
    assert result[5].shape == (0, THRESHOLDS)


def test_inputs_are_left_alone() -> None:
    given = spec_example()
    before = [a.copy() for a in given]
    ap_per_class(*given)
    assert all((a == b).all() for a, b in zip(given, before, strict=True))
