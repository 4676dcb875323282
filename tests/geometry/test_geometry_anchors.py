"""Anchors and distance coding: known values and inverses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from ultralytics.geometry.anchors import bbox2dist, dist2bbox, dist2rbox, make_anchors, rbox2dist

ANCHOR = torch.tensor([2.5, 3.5])


def test_order_and_offsets_of_anchors() -> None:
    feats = [torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 1, 2)]
    points, strides = make_anchors(feats, torch.tensor([8.0, 16.0]))
    expected = [(0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (0.5, 1.5), (1.5, 1.5), (2.5, 1.5)]
    assert_close(points, torch.tensor([*expected, (0.5, 0.5), (1.5, 0.5)]))
    assert strides.flatten().tolist() == [8.0] * 6 + [16.0] * 2


def test_sizes_may_come_as_rows_of_a_tensor() -> None:
    rows = torch.tensor([[2.0, 3.0], [1.0, 2.0]])
    maps = [torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 1, 2)]
    for got, expected in zip(make_anchors(rows, [8, 16]), make_anchors(maps, [8, 16]), strict=True):
        assert_close(got, expected)


def test_anchors_take_type_of_the_maps() -> None:
    points, strides = make_anchors([torch.zeros(1, 1, 2, 2, dtype=torch.half)], [8])
    assert points.dtype == strides.dtype == torch.half


def test_known_distances() -> None:
    distances = torch.tensor([1.0, 2, 3, 4])
    assert_close(dist2bbox(distances, ANCHOR, xywh=False), torch.tensor([1.5, 1.5, 5.5, 7.5]))
    assert_close(dist2bbox(distances, ANCHOR), torch.tensor([3.5, 4.5, 4, 6]))
    box = torch.tensor([3.0, 1.5, 5.5, 30])
    assert_close(bbox2dist(ANCHOR, box, 15), torch.tensor([0.0, 2, 3, 14.99]))
    assert_close(bbox2dist(ANCHOR, box), torch.tensor([-0.5, 2, 3, 26.5]))


def test_coordinate_axis_is_free() -> None:
    distances = torch.rand(2, 7, 4)
    points = torch.rand(7, 2)
    last = dist2bbox(distances, points)
    middle = dist2bbox(distances.transpose(1, 2), points.T[None], dim=1)
    assert_close(middle.transpose(1, 2), last)
    angle = torch.rand(2, 7, 1)
    last = dist2rbox(distances, angle, points)
    middle = dist2rbox(distances.transpose(1, 2), angle.transpose(1, 2), points.T[None], dim=1)
    assert_close(middle.transpose(1, 2), last)


def test_known_rotated_distances() -> None:
    got = dist2rbox(torch.tensor([1.0, 2, 3, 4]), torch.tensor([0.5]), ANCHOR)
    assert_close(got, torch.tensor([2.898157, 4.857008, 4, 6]), atol=1e-5, rtol=1e-5)
    back = rbox2dist(torch.tensor([4.0, 5, 6, 2]), ANCHOR, torch.tensor([0.3]))
    expected = torch.tensor([1.123715, 0.010276, 4.876285, 1.989724])
    assert_close(back, expected, atol=1e-5, rtol=1e-5)


@given(seed=st.integers(0, 10_000))
def test_coding_is_reversible(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    distances = torch.rand(9, 4, generator=generator, dtype=torch.float64) * 10
    points = torch.rand(9, 2, generator=generator, dtype=torch.float64) * 20
    angle = torch.rand(9, 1, generator=generator, dtype=torch.float64) * 6 - 3
    assert_close(bbox2dist(points, dist2bbox(distances, points, xywh=False)), distances)
    assert_close(rbox2dist(dist2rbox(distances, angle, points), points, angle), distances)


def test_straight_rotated_boxes_are_plain_boxes() -> None:
    distances, points = torch.rand(5, 4), torch.rand(5, 2)
    assert_close(dist2rbox(distances, torch.zeros(5, 1), points), dist2bbox(distances, points))


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_offset(offset: float) -> None:
    points, _ = make_anchors([torch.zeros(1, 1, 1, 1)], [8], offset)
    assert points.tolist() == [[offset, offset]]
