"""Areas of polygons inside boxes, against shapely."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from ultralytics.geometry.clipping import area_inside, polygon_area


def star_polygons(count: int, points: int, seed: int) -> np.ndarray:
    """Simple polygons around random centres; spikes make them concave."""
    rng = np.random.default_rng(seed)
    step = 2 * np.pi / points
    angle = np.arange(points) * step + rng.uniform(0, 0.8 * step, (count, points))
    radius = rng.uniform(3, 30, (count, points, 1))
    ring = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    return rng.uniform(0, 100, (count, 1, 2)) + radius * ring


def boxes(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-10, 80, (count, 2))
    return np.concatenate((low, low + rng.uniform(1, 60, (count, 2))), axis=1)


@pytest.mark.parametrize("points", [3, 4, 9])
def test_areas_are_those_of_shapely(points: int) -> None:
    polygons, windows = star_polygons(40, points, seed=points), boxes(25, seed=1)
    found = area_inside(polygons, windows)
    wanted = [[Polygon(p).intersection(box(*w)).area for w in windows] for p in polygons]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    np.testing.assert_allclose(polygon_area(polygons), [Polygon(p).area for p in polygons])


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param([0, 0, 10, 10], 24, id="whole"),
        pytest.param([2, 2, 4, 4], 4, id="window-inside"),
        pytest.param([-5, -5, 3, 3], 4, id="corner"),
        pytest.param([5, 0, 9, 9], 0, id="touching"),
        pytest.param([7, 7, 9, 9], 0, id="apart"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_rectangle(window: list[float], expected: float, turned: bool) -> None:
    rectangle = np.array([[[1.0, 1], [5, 1], [5, 7], [1, 7]]])
    if turned:  # direction does not matter
        rectangle = rectangle[:, ::-1]
    assert area_inside(rectangle, np.array([window]))[0, 0] == pytest.approx(expected)


def test_nothing_has_no_area() -> None:
    assert area_inside(np.zeros((0, 4, 2)), np.zeros((3, 4))).shape == (0, 3)
    assert area_inside(np.ones((2, 4, 2)), np.array([[0, 0, 2, 2]])).tolist() == [[0], [0]]
