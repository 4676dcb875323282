"""Flat polygons against one polygon at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from shapely.geometry import Polygon, box

from ultralytics.geometry.outlines import Outlines
from ultralytics.geometry.segments import segment2box

numbers = st.integers(-300, 800).map(lambda tenths: tenths / 10)
polygons = st.lists(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=9), max_size=6)


def flat(parts: list[list[tuple[float, float]]]) -> Outlines:
    points = np.array([p for part in parts for p in part], np.float32).reshape(-1, 2)
    return Outlines(points, np.cumsum([0, *map(len, parts)]))


@given(polygons)
def test_visible_boxes_equal_those_of_single_polygons(
    parts: list[list[tuple[float, float]]],
) -> None:
    outlines = flat(parts)
    expected = [segment2box(polygon, 50, 40) for polygon in outlines.split()]
    found = outlines.visible_boxes(50, 40)
    assert found.dtype == np.float32
    assert_allclose(found, np.array(expected).reshape(-1, 4), atol=1e-5)


@given(polygons)
def test_extents_and_choice(parts: list[list[tuple[float, float]]]) -> None:
    outlines = flat(parts)
    for polygon, extent in zip(outlines.split(), outlines.extents(), strict=True):
        assert_array_equal(extent, [*polygon.min(axis=0), *polygon.max(axis=0)])
    every_other = np.arange(len(parts)) % 2 == 0
    chosen = outlines.pick(every_other)
    for some, same in zip(chosen.split(), outlines.split()[::2], strict=True):
        assert_array_equal(some, same)
    backwards = outlines.pick(np.arange(len(parts))[::-1]).split()
    for some, same in zip(backwards, outlines.split()[::-1], strict=True):
        assert_array_equal(some, same)


def test_a_cut_triangle_against_shapely() -> None:
    triangle = [(-10.0, 5.0), (60.0, 20.0), (20.0, 55.0)]
    visible = Polygon(triangle).intersection(box(0, 0, 50, 40))
    assert_allclose(flat([triangle]).visible_boxes(50, 40)[0], visible.bounds, atol=1e-4)


@given(polygons, st.data())
def test_clamped_polygons_stay_within_their_limits(
    parts: list[list[tuple[float, float]]], data: st.DataObject
) -> None:
    outlines = flat(parts)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts))))
    low = np.arange(2 * len(parts), dtype=np.float32).reshape(-1, 2)
    before = [points.copy() for points in outlines.split()]
    outlines.clamp(chosen, low, low + 7)
    for points, old, picked, least in zip(outlines.split(), before, chosen, low, strict=True):
        assert_array_equal(points, np.clip(old, least, least + 7) if picked else old)
