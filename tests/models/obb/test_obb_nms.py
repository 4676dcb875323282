"""Suppression of rotated boxes against a plain loop over all pairs."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ultralytics.utils.nms import non_max_suppression

CLASSES = 3


def gaussian(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the normal distribution that stands for a box xywhr."""
    x, y, w, h, angle = box
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.array([x, y]), turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """One minus the Hellinger distance of two boxes."""
    (m1, c1), (m2, c2) = gaussian(one), gaussian(other)
    mean = (c1 + c2) / 2
    gap = m1 - m2
    distance = gap @ np.linalg.solve(mean, gap) / 8
    distance += 0.5 * math.log(
        np.linalg.det(mean) / math.sqrt(np.linalg.det(c1) * np.linalg.det(c2))
    )
    return 1 - math.sqrt(max(0.0, 1 - math.exp(-distance)))


def expected_rows(
    prediction: np.ndarray, conf: float, iou: float, agnostic: bool, multi_label: bool, most: int
) -> list[tuple[int, int]]:
    """(anchor, class) of what stays, best first; a box goes if any better one overlaps it, kept or not."""
    scores = prediction[4 : 4 + CLASSES]
    found = []
    for anchor in range(prediction.shape[1]):
        labels = range(CLASSES) if multi_label else [int(scores[:, anchor].argmax())]
        found += [(a, c) for a, c in ((anchor, c) for c in labels) if scores[c, a] > conf]
    found.sort(key=lambda entry: -scores[entry[1], entry[0]])
    boxes = np.concatenate((prediction[:4], prediction[-1:])).T
    kept = []
    for place, (anchor, label) in enumerate(found):
        rivals = [a for a, c in found[:place] if agnostic or c == label]
        overlaps = [similarity(boxes[a], boxes[anchor]) for a in rivals]
        assume(all(abs(value - iou) > 1e-4 for value in overlaps))
        if all(value <= iou for value in overlaps):
            kept.append((anchor, label))
    return kept[:most]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(7, 30),
    iou=st.sampled_from([0.2, 0.5, 0.7]),
    agnostic=st.booleans(),
    multi_label=st.booleans(),
    most=st.sampled_from([5, 300]),
)
def test_the_plain_loop_agrees(
    seed: int, count: int, iou: float, agnostic: bool, multi_label: bool, most: int
) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform((20, 20, 10, 8), (90, 90, 60, 40), (count, 4)).T
    scores, angle = rng.uniform(0, 1, (CLASSES, count)) ** 2, rng.uniform(-4, 4, (1, count))
    prediction = np.concatenate((boxes, scores, angle))
    rows = non_max_suppression(
        torch.from_numpy(prediction)[None],
        0.25,
        iou,
        nc=CLASSES,
        rotated=True,
        agnostic=agnostic,
        multi_label=multi_label,
        max_det=most,
    )[0]
    wanted = expected_rows(prediction, 0.25, iou, agnostic, multi_label, most)
    assert rows.shape == (len(wanted), 7)
    for row, (anchor, label) in zip(rows.numpy(), wanted, strict=True):
        column = prediction[:, anchor]
        np.testing.assert_allclose(
            row, [*column[:4], column[4 + label], label, column[-1]], rtol=1e-6
        )
