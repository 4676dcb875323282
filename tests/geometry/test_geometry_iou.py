"""Overlaps of axis-aligned boxes against torchvision, arithmetic and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry.boxes import xyxy2xywh
from ultralytics.geometry.iou import bbox_ioa, bbox_iou, box_iou, smooth_bce

A, B = torch.tensor([0.0, 0, 10, 10]), torch.tensor([2.0, 3, 14, 9])


def random_boxes(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 50
    return torch.cat((corner, corner + torch.rand(count, 2, generator=generator) * 30 + 0.5), 1)


@pytest.mark.parametrize("xywh", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({}, 0.387097),
        ({"GIoU": True}, 0.272811),
        ({"DIoU": True}, 0.353313),
        ({"CIoU": True}, 0.350625),
        ({"CIoU": True, "DIoU": True, "GIoU": True}, 0.350625),
        ({"DIoU": True, "GIoU": True}, 0.353313),
    ],
)
def test_known_pair(xywh: bool, kind: dict[str, bool], expected: float) -> None:
    a, b = (xyxy2xywh(A), xyxy2xywh(B)) if xywh else (A, B)
    got = bbox_iou(a, b, xywh=xywh, **kind)
    assert got.shape == (1,)
    assert got.item() == pytest.approx(expected, abs=2e-6)


def test_apart_boxes_go_below_zero() -> None:
    a, b = torch.tensor([0.0, 0, 2, 2]), torch.tensor([4.0, 4, 6, 7])
    assert bbox_iou(a, b, xywh=False, GIoU=True).item() == pytest.approx(-0.761905, abs=1e-5)
    assert bbox_iou(a, b, xywh=False, CIoU=True).item() == pytest.approx(-0.426716, abs=1e-5)


@given(seed=st.integers(0, 10_000))
def test_torchvision_agrees(seed: int) -> None:
    a, b = random_boxes(7, seed), random_boxes(5, seed + 1)
    assert_close(box_iou(a, b), torchvision.ops.box_iou(a, b), atol=1e-5, rtol=1e-4)
    pairs = (a[:5], b)
    for flag, oracle in (
        ("GIoU", torchvision.ops.generalized_box_iou_loss),
        ("DIoU", torchvision.ops.distance_box_iou_loss),
        ("CIoU", torchvision.ops.complete_box_iou_loss),
    ):
        got = bbox_iou(*pairs, xywh=False, **{flag: True}).squeeze(-1)
        assert_close(1 - got, oracle(*pairs), atol=1e-4, rtol=1e-4)


def test_broadcasting_matches_the_pairwise_matrix() -> None:
    a, b = random_boxes(4, 0), random_boxes(6, 1)
    wide = bbox_iou(a[:, None], b[None], xywh=False).squeeze(-1)
    assert_close(wide, box_iou(a, b), atol=1e-5, rtol=1e-5)


def test_empty_sets_and_empty_boxes() -> None:
    assert box_iou(torch.zeros(0, 4), random_boxes(3, 0)).shape == (0, 3)
    assert box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0
    assert bbox_ioa(np.zeros((0, 4)), np.zeros((2, 4))).shape == (0, 2)


def test_ciou_is_differentiable() -> None:
    a = random_boxes(5, 3).double().requires_grad_()
    b = random_boxes(5, 4).double()
    bbox_iou(a, b, xywh=False, CIoU=True).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert (a.grad != 0).any()


def test_ciou_weight_carries_no_gradient() -> None:
    """Numeric derivative of the formula with its weight frozen, in the width of the first box."""
    b = torch.tensor([2.0, 3.0, 14.0, 9.0], dtype=torch.float64)

    def value(width: float, weight: float | None) -> tuple[float, float]:
        a = torch.tensor([0.0, 0, width, 10], dtype=torch.float64)
        diou = bbox_iou(a, b, xywh=False, DIoU=True).item()
        iou = bbox_iou(a, b, xywh=False).item()
        v = 4 / math.pi**2 * (math.atan(12 / 6) - math.atan(width / 10)) ** 2
        w = v / (1 - iou + v) if weight is None else weight
        return diou - v * w, w

    _, weight = value(10.0, None)
    slope = (value(10.001, weight)[0] - value(9.999, weight)[0]) / 0.002
    a = A.double().requires_grad_()
    bbox_iou(a, b, xywh=False, CIoU=True).sum().backward()
    assert a.grad is not None
    assert a.grad[2].item() == pytest.approx(slope, rel=1e-4)


def test_intersection_over_area() -> None:
    a, b = A.numpy()[None], B.numpy()[None]
    assert bbox_ioa(a, b)[0, 0] == pytest.approx(48 / 72)
    assert bbox_ioa(a, b, iou=True)[0, 0] == pytest.approx(48 / 124)


def test_smoothed_targets() -> None:
    assert smooth_bce() == pytest.approx((0.95, 0.05))
