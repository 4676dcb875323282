"""Assignment with keypoints and masks: known values, level gate, published names."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry import assign_tasks
from ultralytics.geometry.anchors import make_anchors
from ultralytics.geometry.assign import Labels, Predictions
from ultralytics.geometry.masks import crop_mask
from ultralytics.utils.tal import PoseTaskAlignedAssigner, SegTaskAlignedAssigner


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


def one_pair(gt: list[float], box: list[float], count: int = 1) -> tuple[Labels, Predictions]:
    labels = Labels.from_padded(
        torch.zeros(1, 1, 1), torch.tensor([[gt]]), torch.ones(1, 1, dtype=torch.bool)
    )
    boxes = torch.tensor([[box] * count])
    return labels, Predictions.from_dense(torch.full((1, count, 1), 0.5), boxes)


ZERO = torch.zeros(1, dtype=torch.long)


@pytest.mark.parametrize(
    ("flag", "box", "expected"),
    [(2, [0.0, 0, 20, 10], 0.589602), (0, [1.0, 0, 21, 10], 0.902914)],
)
def test_keypoint_similarity(flag: int, box: list[float], expected: float) -> None:
    labels, predictions = one_pair([0.0, 0, 20, 10], box)
    assigner = PoseTaskAlignedAssigner(torch.tensor([0.05, 0.1]), num_classes=1)
    got = assigner.pair_overlaps(
        labels, predictions, ZERO, ZERO,
        pd_kpts=torch.tensor([[[[1.0, 1], [8, 8]]]]),
        gt_kpts=torch.tensor([[[[0.0, 0, flag], [9, 9, flag]]]]),
    )  # fmt: skip
    assert got.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("gt", "expected"),
    [
        ([2.0, 2, 30, 30], list(range(16))),
        ([4.0, 4, 20, 20], [5]),
        ([2.0, 14, 30, 18], list(range(4, 12))),
    ],
)
def test_labels_keep_to_fitting_levels(gt: list[float], expected: list[int]) -> None:
    points, strides = make_anchors([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)], [8, 16])
    assigner = PoseTaskAlignedAssigner(torch.ones(1), stride=[8, 16])
    extra: dict[str, Any] = {"anc_strides": strides.flatten()}
    source = assigner.candidates(torch.tensor([gt]), points * strides, None, **extra)
    assert source.pairs(0, 1)[1].tolist() == expected


def mask_inputs(count: int = 1) -> dict[str, Tensor]:
    known = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    known[0, 0, 1:5, 1:6] = True
    return {
        "pd_coef": torch.tensor([[[1.0, -0.5]] * count]),
        "mask_scale": torch.tensor([[0.25]]),
        "proto": wave(0.3, 1, 2, 8, 8),
        "gt_masks": known,
    }


def test_mask_overlap() -> None:
    labels, predictions = one_pair([4.0, 4, 24, 20], [5.0, 3, 27, 22])
    got = SegTaskAlignedAssigner(num_classes=1).pair_overlaps(
        labels, predictions, ZERO, ZERO, **mask_inputs()
    )
    assert got.item() == pytest.approx(0.463227, abs=1e-5)


def test_only_promising_pairs_compare_masks() -> None:
    """Of nine equal pairs the first three (topk 1) do; the others lose the mask half."""
    labels, predictions = one_pair([4.0, 4, 24, 20], [5.0, 3, 27, 22], count=9)
    got = SegTaskAlignedAssigner(topk=1, num_classes=1).pair_overlaps(
        labels, predictions, ZERO.expand(9), torch.arange(9), **mask_inputs(9)
    )
    assert got[:3].tolist() == pytest.approx([0.463227] * 3, abs=1e-5)
    assert got[3:].tolist() == pytest.approx([0.695684 / 2] * 6, abs=1e-5)


@pytest.mark.parametrize("at_once", [2**23, 60], ids=["one-part", "many-parts"])
def test_mask_overlaps_equal_whole_masks(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assign_tasks, "VALUES_AT_ONCE", at_once)
    torch.manual_seed(0)
    images, slots, anchors, side = 2, 3, 7, 12
    corners = torch.rand(images, slots + anchors, 4) * 50
    corners[..., 2:] = corners[..., :2] + torch.rand(images, slots + anchors, 2) * 30 - 2
    valid = torch.ones(images, slots, dtype=torch.bool)
    labels = Labels.from_padded(torch.zeros(images, slots, 1), corners[:, :slots], valid)
    predicted = corners[:, slots:]
    predictions = Predictions.from_dense(torch.ones(images, anchors, 1), predicted)
    extra = {
        "pd_coef": torch.randn(images, anchors, 4),
        "mask_scale": torch.full((images, 1), 0.25),
        "proto": torch.randn(images, 4, side, side),
        "gt_masks": torch.rand(images, slots, side, side) > 0.5,
    }
    label, anchor = torch.cartesian_prod(torch.arange(len(labels)), torch.arange(anchors)).T
    image = labels.images[label]
    guess = torch.einsum("pc,pchw->phw", extra["pd_coef"][image, anchor], extra["proto"][image]) > 0
    guess = crop_mask(guess, predicted[image, anchor] * 0.25)
    known = extra["gt_masks"][image, labels.slots[label]]
    expected = (guess & known).sum((1, 2)) / (guess | known).sum((1, 2)).clamp(min=1)
    found = SegTaskAlignedAssigner._mask_overlaps(labels, predictions, label, anchor, extra)
    assert_close(found, expected)


@pytest.mark.parametrize("kind", [PoseTaskAlignedAssigner, SegTaskAlignedAssigner])
def test_public_home(kind: type) -> None:
    assert kind.__module__ == "ultralytics.utils.tal"
