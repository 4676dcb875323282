"""Pixel scores: counts against a loop over pixels, scores against their formulas, streams against the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ultralytics.utils.metrics import SemanticMetrics
from ultralytics.utils.metrics.semantic import count_pixels


def by_hand(preds: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((len(preds), classes, classes), int)
    for image, y, x in np.ndindex(*preds.shape):
        guess, truth = int(preds[image, y, x]), int(targets[image, y, x])
        if 0 <= truth < classes and 0 <= guess < classes:
            counts[image, truth, guess] += 1
    return counts


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 9), st.integers(0, 10_000))
@settings(max_examples=30)
def test_counts_pixel_by_pixel(classes: int, images: int, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    preds = rng.integers(0, classes + 1, (images, side, side)).astype(np.uint8)
    targets = rng.choice([*range(classes + 1), 255], (images, side, side)).astype(np.int32)
    found = count_pixels(torch.from_numpy(preds), torch.from_numpy(targets), classes)
    assert found.dtype == torch.int64
    assert (found.numpy() == by_hand(preds, targets, classes)).all()


def test_negative_targets_are_not_counted() -> None:
    found = count_pixels(torch.zeros(1, 1, 2).int(), torch.tensor([[[-1, 0]]]), 2)
    assert found.sum() == 1


def random_maps(seed: int, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    targets = rng.choice([0, 1, 3, 255], (5, 13, 11))
    noise = rng.random((5, 13, 11)) < 0.4
    preds = np.where(noise, rng.integers(0, classes, (5, 13, 11)), targets % classes)
    return torch.from_numpy(preds.astype(np.uint8)), torch.from_numpy(targets.astype(np.int32))


NAMES = {0: "road", 1: "roof", 2: "tree", 3: "sky"}


def measured(names: dict[int, str], *batches: tuple[torch.Tensor, torch.Tensor]) -> Any:
    metrics = SemanticMetrics(names)
    for preds, targets in batches:
        metrics.update_stats(preds, targets)
    metrics.process()
    return metrics


def test_scores_from_their_formulas() -> None:
    preds, targets = random_maps(1)
    metrics = measured(NAMES, (preds, targets))
    valid = targets != 255
    rows = []
    for c in range(4):
        tp = int(((preds == c) & (targets == c) & valid).sum())
        fp = int(((preds == c) & (targets != c) & valid).sum())
        fn = int(((preds != c) & (targets == c) & valid).sum())
        total = int(valid.sum())
        rows.append(
            (
                tp / (tp + fp) if tp + fp else 0,
                tp / (tp + fn) if tp + fn else 0,
                tp / (tp + fp + fn) if tp + fp + fn else 0,
                2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0,
                (fp + fn) / total,
            )
        )
    expected = np.array(rows).T
    scores = metrics.semseg
    arrays = (scores.precisions, scores.recalls, scores.ious, scores.dices, scores.mcrs)
    for found, wanted in zip(arrays, expected, strict=True):
        assert found == pytest.approx(wanted)
    means = expected[:, [0, 1, 3]].mean(axis=1)  # class 2 has no target pixel
    names = ("precision", "recall", "IoU", "DiceScore", "MCR")
    assert [getattr(scores, name) for name in names] == pytest.approx(means)
    assert metrics.miou == pytest.approx(means[2])
    hits = int(((preds == targets) & valid).sum())
    assert metrics.pixel_accuracy == pytest.approx(hits / int(valid.sum()))
    assert metrics.per_class_pixel_accuracy == pytest.approx(expected[1])
    assert metrics.ap_class_index == [0, 1, 3]


def test_a_stream_gives_what_the_whole_gives() -> None:
    parts = [random_maps(seed) for seed in range(4)]
    whole = tuple(torch.cat([part[i] for part in parts]) for i in range(2))
    one, other = measured(NAMES, *parts), measured(NAMES, whole)
    assert one.results_dict == other.results_dict
    assert one.summary() == other.summary()
    assert one.nt_per_image.tolist() == other.nt_per_image.tolist()


def test_images_are_counted_by_class() -> None:
    targets = torch.full((3, 2, 2), 255)
    targets[0, 0, 0], targets[1] = 1, 0
    metrics = measured(NAMES, (torch.zeros(3, 2, 2).byte(), targets))
    assert metrics.nt_per_image.tolist() == [1, 1, 0, 0]
    assert metrics.nt_per_class.tolist() == [4, 1, 0, 0]


def test_one_class_reports_itself_and_not_its_background() -> None:
    preds = torch.tensor([[[1, 1, 0, 0, 0, 1]]]).byte()
    targets = torch.tensor([[[1, 0, 0, 0, 1, 255]]])
    metrics = measured({0: "crack"}, (preds, targets))
    assert metrics.miou == pytest.approx(1 / 3)
    assert metrics.semseg.precision == pytest.approx(0.5)
    assert metrics.semseg.recall == pytest.approx(0.5)
    assert pytest.approx(2 / 5) == metrics.semseg.MCR
    assert metrics.pixel_accuracy == pytest.approx(3 / 5)
    assert metrics.nt_per_class.tolist() == [2]


def test_counts_of_other_processes_are_added() -> None:
    parts = [random_maps(seed) for seed in range(2)]
    other = SemanticMetrics(NAMES)
    other.update_stats(*parts[1])
    counts = other.counts()
    assert counts is not None
    mine = SemanticMetrics(NAMES)
    mine.update_stats(*parts[0])
    mine.add_counts(*counts)
    mine.process()
    assert mine.results_dict == measured(NAMES, *parts).results_dict


def test_no_pixel_at_all() -> None:
    metrics = measured(NAMES, (torch.zeros(1, 3, 3).byte(), torch.full((1, 3, 3), 255)))
    assert metrics.results_dict == {"metrics/mIoU": 0, "metrics/pixel_acc": 0, "fitness": 0}
    assert metrics.summary() == []
    fresh = SemanticMetrics(NAMES)
    fresh.process()
    assert fresh.miou == 0
    assert fresh.matrix is None


def test_large_counts_stay_exact() -> None:
    metrics = SemanticMetrics(NAMES)
    big = torch.zeros(4, 4, dtype=torch.int64)
    big[0, 0] = 2**40
    for _ in range(3):
        metrics.add_counts(big + torch.eye(4).long(), torch.ones(4).long())
    metrics.process()
    assert int(metrics.nt_per_class[0]) == 3 * 2**40 + 3
