"""Windows of pictures, and which of overlapping detections stay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate
from shapely.geometry import Polygon, box

from ultralytics.geometry.clipping import shared_area
from ultralytics.geometry.rotated import xywhr2xyxyxyxy
from ultralytics.geometry.tiles import survivors, tile_windows

SIDES = st.integers(1, 300)
TILES = st.integers(32, 200)


@settings(max_examples=80, deadline=None)
@given(st.tuples(SIDES, SIDES), st.tuples(TILES, TILES), st.floats(0, 0.9))
def test_windows_cover_the_picture_and_share_the_overlap(size, tile, overlap) -> None:
    windows = tile_windows(size, tile, overlap)
    covered = np.zeros(size, int)
    for window in windows:
        assert (window.height, window.width) == tuple(np.minimum(size, tile))
        assert 0 <= window.top <= size[0] - window.height
        assert 0 <= window.left <= size[1] - window.width
        covered[window.slices] += 1
    assert covered.min() >= 1
    for starts, side in (
        (sorted({w.top for w in windows}), tile[0]),
        (sorted({w.left for w in windows}), tile[1]),
    ):
        steps = np.diff(starts)
        assert (side - steps >= overlap * side - 1e-6).all()
        assert len(set(steps[:-1].tolist())) <= 1  # even but for the last
    if size[0] <= tile[0] and size[1] <= tile[1]:
        assert len(windows) == 1


def test_windows_of_a_known_picture() -> None:
    windows = tile_windows((640, 1500), (640, 640), 0.2)
    assert [(w.top, w.left) for w in windows] == [(0, 0), (0, 512), (0, 860)]
    assert windows[1].inner_limits() == (512, -math.inf, 1152, math.inf)
    near = np.array([[514.0, 0, 600, 9], [514.5, 0, 1149.5, 640], [600, 3, 1150, 9]])
    assert windows[1].touched_by(near).tolist() == [True, False, True]
    depths = tile_windows((4, 9), (4, 5), 0.2)[1].depths()
    assert depths[0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert (depths == depths[0]).all()


def boxes_of(rng: np.random.Generator, count: int) -> np.ndarray:
    low = rng.uniform(0, 80, (count, 2))
    return np.c_[low, low + rng.uniform(2, 30, (count, 2))]


def expected(polygons, conf, label, window, touches) -> list[int]:
    """The rule, one detection after the other."""
    order = sorted(range(len(conf)), key=lambda i: (touches[i], -conf[i]))
    alive: list[int] = []
    for i in order:
        shared = (
            polygons[i].intersection(polygons[j]).area
            > 0.5 * min(polygons[i].area, polygons[j].area)
            for j in alive
            if window[i] != window[j] and (label is None or label[i] == label[j])
        )
        if not any(shared):
            alive.append(i)
    return sorted(alive, key=lambda i: -conf[i])


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("agnostic", [False, True])
def test_survivors_follow_the_rule(rotated: bool, agnostic: bool) -> None:
    rng = np.random.default_rng(3)
    removed = 0
    for count in (0, 1, 40, 90):
        corners = boxes_of(rng, count)
        polygons = [box(*one) for one in corners]
        boxes = corners
        if rotated:
            angle = rng.uniform(-3, 3, count)
            centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
            boxes = np.c_[centre, size, angle]
            polygons = [
                rotate(one, turn, use_radians=True)
                for one, turn in zip(polygons, angle, strict=True)
            ]
        conf = rng.permutation(count) / 100
        label, window = rng.integers(0, 2, count), rng.integers(0, 4, count)
        touches = rng.random(count) < 0.4
        labels = None if agnostic else label
        kept = survivors(boxes, conf, labels, window, touches).tolist()
        assert kept == expected(polygons, conf, labels, window, touches)
        removed += count - len(kept)
    assert removed > 20


def test_shared_areas_are_those_of_polygons() -> None:
    rng = np.random.default_rng(0)
    turned = np.c_[rng.uniform(0, 20, (50, 2)), rng.uniform(5, 20, (50, 2)), rng.uniform(-3, 3, 50)]
    corners, boxes = xywhr2xyxyxyxy(turned), boxes_of(rng, 50) / 4
    areas = [
        Polygon(one).intersection(box(*other)).area
        for one, other in zip(corners, boxes, strict=True)
    ]
    assert max(areas) > 10
    np.testing.assert_allclose(shared_area(corners, boxes), areas, atol=1e-9)
