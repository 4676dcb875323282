"""Polygons: clipped extents against shapely, resampling and joining."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from ultralytics.geometry.segments import (
    merge_multi_segment,
    min_index,
    resample_segments,
    segment2box,
    segments2boxes,
)

SQUARE = np.array([(0.0, 0), (10, 0), (10, 10), (0, 10)])
corner = st.tuples(st.integers(-40, 90), st.integers(-40, 90))


@given(points=st.lists(corner, min_size=3, max_size=3, unique=True))
def test_visible_extent_is_that_of_the_clipped_polygon(points: list[tuple[int, int]]) -> None:
    shape = Polygon(points)
    visible = shape.intersection(box(0, 0, 50, 40))
    got = segment2box(np.array(points, dtype=np.float64), 50, 40)
    if shape.area < 1 or (visible.area == 0 and not visible.is_empty):
        return  # degenerate triangles and mere contact are not specified
    expected = (0, 0, 0, 0) if visible.is_empty else visible.bounds
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(-10, 10), (50, 10), (50, 60), (-10, 60)], (0, 10, 40, 40)),
        ([(-10, -10), (60, -10), (60, 60), (-10, 60)], (0, 0, 40, 40)),
        ([(1, 2), (5, 2), (5, 9)], (1, 2, 5, 9)),
        ([(-9, -9), (-5, -9), (-5, -1)], (0, 0, 0, 0)),
        ([], (0, 0, 0, 0)),
    ],
)
def test_known_extents(points: list[tuple[float, float]], expected: tuple[float, ...]) -> None:
    got = segment2box(np.array(points, dtype=np.float32).reshape(-1, 2), 40, 40)
    assert got.dtype == np.float32
    assert tuple(got) == expected


def test_boxes_of_polygons() -> None:
    np.testing.assert_allclose(
        segments2boxes([SQUARE, SQUARE + 5]), [(5, 5, 10, 10), (10, 10, 10, 10)]
    )
    assert segments2boxes([]).shape == (0, 4)


def test_resampling_keeps_the_vertices() -> None:
    unit = SQUARE / 10
    polygons = [unit.copy()]
    assert resample_segments(polygons, n=8) is polygons
    expected = [(0, 0), (0, 0), (1, 0), (1, 1), (1, 1), (0, 1), (0, 0), (0, 0)]
    assert polygons[0].dtype == np.float32
    np.testing.assert_allclose(sorted(map(tuple, polygons[0])), sorted(expected), atol=1e-6)


@given(count=st.integers(3, 60), n=st.integers(3, 60), seed=st.integers(0, 99))
def test_resampled_points_lie_on_the_outline(count: int, n: int, seed: int) -> None:
    points = np.random.default_rng(seed).random((count, 2)) * 100
    (got,) = resample_segments([points.copy()], n)
    assert got.shape == (n, 2)
    if n == count:
        np.testing.assert_array_equal(got, points)
        return
    outline = shapely.LinearRing(points)
    assert max(outline.distance(shapely.Point(p)) for p in got) < 1e-3
    if n > count:
        assert {tuple(p) for p in points.astype(np.float32)} <= {tuple(p) for p in got}


def test_closest_points() -> None:
    assert min_index(SQUARE, SQUARE + np.array([20, 0])) == (1, 0)


def test_three_parts_become_one_outline() -> None:
    parts = [SQUARE + np.array([20 * i, 0]) for i in range(3)]
    got = [piece.tolist() for piece in merge_multi_segment(parts)]
    assert got == [
        [[10, 0], [10, 10], [0, 10], [0, 0], [10, 0]],
        [[20, 0], [30, 0]],
        [[40, 0], [50, 0], [50, 10], [40, 10], [40, 0]],
        [[30, 0], [30, 10], [20, 10], [20, 0]],
    ]


@pytest.mark.parametrize("seed", range(20))
def test_joined_outline_has_the_area_of_its_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(4):
        angle = np.sort(rng.random(7)) * 2 * np.pi
        ring = np.stack((np.cos(angle), np.sin(angle)), axis=1) * 4
        parts.append((ring if i % 2 else ring[::-1]) + np.array([30.0 * i, rng.random() * 20]))
    outline = np.concatenate(merge_multi_segment(parts))
    assert {tuple(p) for part in parts for p in part} == {tuple(p) for p in outline}
    assert len(outline) >= sum(map(len, parts))
