"""Single loss modules: recorded examples and formulas written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.utils import loss as L
from ultralytics.utils.loss.entropy import sparse_binary_cross_entropy


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


def test_distance_bins() -> None:
    logits = torch.tensor([[0.0, 1, 2, 3], [1, 1, 1, 1], [3, 0, 0, 0], [0, 0, 5, 0]])
    target = torch.tensor([[0, 1.25, 2.5, 9]])
    got = L.DFLoss(4)(logits, target)
    assert got.shape == (1, 1)
    assert got.item() == pytest.approx(3.233926, abs=1e-5)
    assert L.DFLoss(4)(logits[:0], target[:0]).shape == (0, 1)


ANCHORS = torch.tensor([[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]])
SCORES = torch.tensor([[[0.6, 0], [0, 0], [0, 0.5]]])
FOREGROUND = torch.tensor([[True, False, True]])
SIZE, STRIDE = torch.tensor([16.0, 24.0]), torch.full((3, 1), 8.0)
STRAIGHT = torch.tensor([[[0.5, 0.6, 1.2, 1.1], [1, 1, 1, 1], [1, 0.5, 2, 2]]])


@pytest.mark.parametrize(
    ("bins", "expected"), [(4, (0.619131, 1.488482)), (1, (0.37926, 0.114015))]
)
def test_box_loss(bins: int, expected: tuple[float, float]) -> None:
    targets = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 2, 2], [1, 0, 4, 3]]])
    distances = wave(0.7, 1, 3, 16) if bins > 1 else STRAIGHT
    sides = distances.view(1, 3, 4, bins).softmax(-1) @ torch.arange(4.0) if bins > 1 else distances
    boxes = torch.cat((ANCHORS - sides[..., :2], ANCHORS + sides[..., 2:]), dim=-1)
    got = L.BboxLoss(bins)(
        distances, boxes, ANCHORS, targets, SCORES, SCORES.sum(), FOREGROUND, SIZE, STRIDE
    )
    assert [v.item() for v in got] == pytest.approx(expected, abs=1e-5)


def test_rotated_box_loss() -> None:
    boxes = torch.tensor([[[0.9, 1.1, 2.2, 1.7, 0.1], [0.0] * 5, [2.4, 1.4, 3, 2.5, 0.4]]])
    targets = torch.tensor([[[1, 1, 2, 2, 0.2], [0.0] * 5, [2.5, 1.5, 3, 2, 0.3]]])
    got = L.RotatedBboxLoss(1)(
        STRAIGHT, boxes, ANCHORS, targets, SCORES, SCORES.sum(), FOREGROUND, SIZE, STRIDE
    )
    assert [v.item() for v in got] == pytest.approx((0.125722, 0.086115), abs=1e-5)


def test_no_positives_keep_the_graph() -> None:
    distances = STRAIGHT.clone().requires_grad_()
    got = L.BboxLoss(1)(
        distances, distances, ANCHORS, STRAIGHT, SCORES * 0, torch.tensor(1.0),
        torch.zeros_like(FOREGROUND), SIZE, STRIDE,
    )  # fmt: skip
    assert [v.item() for v in got] == [0, 0]
    sum(got).backward()  # type: ignore[union-attr]
    assert distances.grad is not None
    assert not distances.grad.any()


def test_keypoint_loss() -> None:
    predicted = torch.tensor([[[1.0, 1], [2, 2.5], [3, 3]], [[0, 0], [1, 0], [5, 5]]])
    labelled = torch.tensor([[[1.2, 1], [2, 2], [9, 9]], [[0, 0], [1, 1], [5, 5]]])
    visible = torch.tensor([[1, 1, 0], [0, 1, 1]])
    area = torch.tensor([[20.0], [30.0]])
    got = L.KeypointLoss(torch.tensor([0.05, 0.1, 0.1]))(predicted, labelled, visible, area)
    assert got.item() == pytest.approx(0.145144, abs=1e-5)


def test_residual_likelihood() -> None:
    sigma = torch.tensor([[0.5, 0.25], [0.8, 0.1]])
    error = torch.tensor([[0.1, -0.2], [1.0, 3.0]])
    got = L.RLELoss()(sigma, torch.tensor([-1.0, -2]), error, torch.tensor([1, 1.5]))
    assert got.item() == pytest.approx(3.014833, abs=1e-5)
    with pytest.raises(AssertionError, match="target_weight"):
        L.RLELoss()(sigma, torch.tensor([-1.0, -2]), error)


def test_dice() -> None:
    logits, target = 2 * wave(0.3, 1, 2, 2, 3), (wave(0.9, 1, 2, 2, 3) > 0).float()
    assert L.MultiChannelDiceLoss(smooth=1)(logits, target).item() == pytest.approx(
        0.30748, abs=1e-5
    )
    assert L.BCEDiceLoss()(logits, target).item() == pytest.approx(0.556802, abs=1e-5)
    large = (wave(0.9, 1, 2, 4, 6) > 0).float()
    assert L.BCEDiceLoss()(logits, large).item() == pytest.approx(0.488073, abs=1e-5)
    with pytest.raises(AssertionError, match="differ"):
        L.MultiChannelDiceLoss()(logits, large)


def test_focal_variants() -> None:
    logits = torch.tensor([[[0.5, -1], [2, 0]]])
    label = torch.tensor([[[1.0, 0], [0, 0]]])
    assert L.FocalLoss()(logits, label).item() == pytest.approx(0.781353, abs=1e-5)
    graded = 0.7 * label
    assert L.VarifocalLoss()(logits, graded, label).item() == pytest.approx(0.910686, abs=1e-5)
    got = L.VarifocalLoss(1.5, 0.25)(logits, graded, label)
    assert got.item() == pytest.approx(0.474296, abs=1e-5)


@pytest.mark.parametrize("pair", [False, True])
def test_classification(pair: bool) -> None:
    logits = torch.tensor([[1.0, 2, 0], [0, 0, 3]])
    value, items = L.v8ClassificationLoss()(
        (logits.softmax(1), logits) if pair else logits, {"cls": torch.tensor([1, 0])}
    )
    assert value.item() == pytest.approx(1.751264, abs=1e-5)
    assert items["loss"].item() == value.item()


@settings(deadline=None)
@given(positives=st.integers(0, 20), weighted=st.booleans(), seed=st.integers(0, 1000))
def test_sparse_entropy_is_the_dense_one(positives: int, weighted: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 11, generator=generator, dtype=torch.float64) * 20
    places = torch.randperm(66, generator=generator)[:positives]
    index = (places // 33, places // 11 % 3, places % 11)
    target = torch.rand(positives, generator=generator, dtype=torch.float64)
    weight = torch.rand(3, generator=generator, dtype=torch.float64) if weighted else None
    dense = torch.zeros_like(logits)
    dense[index] = target
    values, slopes = [], []
    for sparse in (True, False):
        x = logits.clone().requires_grad_()
        if sparse:
            value = sparse_binary_cross_entropy(x, index, target, weight)
        else:
            terms = F.binary_cross_entropy_with_logits(x, dense, reduction="none")
            value = (terms if weight is None else terms * weight[:, None]).sum()
        (3 * value).backward()
        values.append(value.detach())
        slopes.append(x.grad)
    assert_close(*values, rtol=1e-7, atol=1e-6)
    assert_close(*slopes, rtol=1e-6, atol=1e-8)


def test_published_under_the_public_path() -> None:
    for name in L.__all__:
        assert getattr(L, name).__module__ == "ultralytics.utils.loss"
    assert issubclass(L.RotatedBboxLoss, nn.Module)
