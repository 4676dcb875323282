"""Rotated boxes: corners against trigonometry, rectangles against shapely, overlap properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.geometry import Polygon
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry.rotated import (
    _get_covariance_matrix,
    batch_probiou,
    probiou,
    regularize_rboxes,
    wrap_angles,
    xywhr2xyxyxyxy,
    xyxyxyxy2xywhr,
)

PAIR = (torch.tensor([[10.0, 10, 8, 4, 0.3]]), torch.tensor([[11.0, 9, 6, 5, -0.2]]))
side = st.floats(2, 60, width=32)
place = st.floats(-50, 50, width=32)
angle = st.floats(-6, 6, width=32)
rbox = st.tuples(place, place, side, side, angle)


def polygon(box: Any) -> Polygon:
    return Polygon(xywhr2xyxyxyxy(np.asarray(box, dtype=np.float64)))


def test_known_corners() -> None:
    expected = [
        (11.673897, 23.193441),
        (13.591599, 19.683111),
        (8.326103, 16.806559),
        (6.408401, 20.316889),
    ]
    box = [10.0, 20, 6, 4, 0.5]
    np.testing.assert_allclose(xywhr2xyxyxyxy(np.array(box)), expected, atol=1e-5)
    assert_close(xywhr2xyxyxyxy(torch.tensor([box]))[0], torch.tensor(expected))


@given(box=rbox)
def test_corners_span_the_area(box: tuple[float, ...]) -> None:
    shape = polygon(box)
    assert shape.area == pytest.approx(box[2] * box[3], rel=1e-4)
    assert (shape.centroid.x, shape.centroid.y) == pytest.approx(box[:2], abs=1e-3)


@given(box=rbox)
def test_smallest_rectangle_recovers_the_box(box: tuple[float, ...]) -> None:
    found = xyxyxyxy2xywhr(xywhr2xyxyxyxy(np.asarray([box], dtype=np.float64)).reshape(1, 8))
    assert found.dtype == np.float64
    assert -math.pi / 4 <= found[0, 4] < 3 * math.pi / 4
    assert found[0, 2] >= found[0, 3] - 1e-4
    overlap = polygon(found[0]).intersection(polygon(box)).area
    assert overlap == pytest.approx(box[2] * box[3], rel=5e-3)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 6, 4, 0.5), (10, 20, 6, 4, 0.5)),
        ((10, 20, 4, 6, 0.5), (10, 20, 6, 4, 2.070796)),
        ((10, 20, 6, 4, 2.5), (10, 20, 6, 4, -0.641593)),
    ],
)
def test_label_form(box: tuple[float, ...], expected: tuple[float, ...]) -> None:
    corners = xywhr2xyxyxyxy(torch.tensor([box], dtype=torch.float32))
    found = xyxyxyxy2xywhr(corners)
    assert found.dtype == torch.float32
    assert_close(found, torch.tensor([expected], dtype=torch.float32), atol=2e-3, rtol=1e-3)


def test_no_polygons() -> None:
    assert xyxyxyxy2xywhr(np.zeros((0, 8))).shape == (0, 5)
    assert xyxyxyxy2xywhr(torch.zeros(0, 4, 2)).shape == (0, 5)


@pytest.mark.parametrize(
    ("angle_in", "w", "h", "angle_out"),
    [
        (0.5, 6, 4, 0.5),
        (2.0, 4, 6, 0.429204),
        (-0.3, 4, 6, 1.270796),
        (4.0, 6, 4, 0.858407),
        (math.pi / 2, 4, 6, 0.0),
    ],
)
def test_regular_angles(angle_in: float, w: float, h: float, angle_out: float) -> None:
    got = regularize_rboxes(torch.tensor([[1.0, 2, 6, 4, angle_in]], dtype=torch.float64))
    expected = torch.tensor([[1.0, 2, w, h, angle_out]], dtype=torch.float64)
    assert_close(got, expected, atol=1e-5, rtol=1e-5)


@given(box=rbox)
def test_regular_angles_keep_the_rectangle(box: tuple[float, ...]) -> None:
    got = regularize_rboxes(torch.tensor([box], dtype=torch.float64))[0]
    assert 0 <= got[4] <= math.pi / 2  # reached by rounding only
    shared = polygon(got.numpy()).intersection(polygon(box)).area
    assert shared == pytest.approx(box[2] * box[3], rel=1e-4)


@given(box=rbox, turns=st.integers(-5, 5))
def test_wrapped_angles_keep_the_rectangle(box: tuple[float, ...], turns: int) -> None:
    turned = torch.tensor([[*box[:4], box[4] + turns * math.pi]], dtype=torch.float64)
    (wrapped,) = wrap_angles(turned).tolist()
    assert -math.pi / 4 - 1e-9 <= wrapped[4] < 3 * math.pi / 4 + 1e-9
    assert wrapped[:4] == list(box[:4])
    one, other = polygon(wrapped), polygon(box)
    assert one.intersection(other).area == pytest.approx(one.union(other).area, rel=1e-6)


def test_angles_in_range_stay_to_the_bit() -> None:
    boxes = torch.rand(1000, 5) * torch.tensor([9, 9, 9, 9, 3.1]) - torch.tensor([0, 0, 0, 0, 0.78])
    assert wrap_angles(boxes).equal(boxes)
    assert wrap_angles(boxes[:0]).shape == (0, 5)


def test_known_covariance() -> None:
    box = torch.tensor([[0.0, 0, 8, 4, 0.3]])
    entries = [e.item() for e in _get_covariance_matrix(box)]
    assert entries == pytest.approx([4.984005, 1.682662, 1.129285], abs=1e-5)
    with_floor = [e.item() for e in _get_covariance_matrix(box, 0.01)]
    assert with_floor == pytest.approx([4.994005, 1.692662, 1.129285], abs=1e-5)


def test_known_overlaps() -> None:
    assert probiou(*PAIR).item() == pytest.approx(0.611338, abs=1e-5)
    assert probiou(*PAIR, floor=0.01).item() == pytest.approx(0.612384, abs=1e-5)
    assert probiou(*PAIR, CIoU=True).item() == pytest.approx(0.610197, abs=1e-5)
    assert probiou(PAIR[0], PAIR[0]).item() == pytest.approx(0.999532, abs=1e-4)


def hellinger(a: Any, b: Any) -> float:
    """Overlap from the definition, with matrices."""
    means, covariances = [], []
    for x, y, w, h, r in (a, b):
        turn = np.array([[math.cos(r), -math.sin(r)], [math.sin(r), math.cos(r)]])
        covariances.append(turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T)
        means.append(np.array([x, y]))
    mean = (covariances[0] + covariances[1]) / 2
    gap = means[0] - means[1]
    distance = gap @ np.linalg.solve(mean, gap) / 8 + 0.5 * math.log(
        np.linalg.det(mean)
        / math.sqrt(np.linalg.det(covariances[0]) * np.linalg.det(covariances[1]))
    )
    return 1 - math.sqrt(max(0.0, 1 - math.exp(-distance)))


@given(a=rbox, b=rbox)
def test_overlap_follows_its_definition(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    expected = hellinger(a, b)
    assume(expected < 0.95)  # the epsilon under the root shows near 1
    got = probiou(*(torch.tensor([box], dtype=torch.float64) for box in (a, b))).item()
    assert got == pytest.approx(expected, abs=1e-3)


def test_overlap_follows_the_polygons() -> None:
    """Not the same measure, but one falls with the other and apart boxes have none."""
    base = [0.0, 0, 40, 20, 0.4]
    shifted = [[float(d), 0, 40, 20, 0.4] for d in range(0, 60, 4)]
    soft = probiou(torch.tensor([base]), torch.tensor(shifted)).flatten()
    hard = [
        polygon(base).intersection(polygon(s)).area / polygon(base).union(polygon(s)).area
        for s in shifted
    ]
    assert (soft.diff() <= 0).all()
    assert np.corrcoef(soft.numpy(), hard)[0, 1] > 0.95


def test_matrix_is_the_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(n, 5, generator=generator) * 10 + 1 for n in (4, 6))
    matrix = batch_probiou(a, b)
    assert matrix.shape == (4, 6)
    for i in range(4):
        row: Tensor = probiou(a[i : i + 1].expand(6, 5), b).squeeze(-1)
        assert_close(matrix[i], row)
    assert_close(batch_probiou(a.numpy(), b.numpy()), matrix)
