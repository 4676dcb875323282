from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ultralytics.data.augment import RandomPerspective
from ultralytics.utils.instance import Instances

CANDIDATES = [
    ((0, 0, 100, 100), (10, 10, 90, 90), True, True),
    ((0, 0, 50, 50), (0, 0, 2, 50), False, False),
    ((0, 0, 100, 100), (0, 0, 30, 33), False, True),
    ((0, 0, 4, 100), (0, 0, 4, 100), True, True),
    ((0, 0, 10, 10), (0, 0, 2.1, 2.1), False, True),
    ((0, 0, 300, 3), (0, 0, 300, 2.9), False, False),
]


def sample(boxes: list[list[float]], size: tuple[int, int] = (60, 80), **extra: Any) -> Any:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return {
        "img": np.zeros((*size, 3), np.uint8),
        "cls": np.arange(len(array), dtype=np.float32)[:, None],
        "instances": Instances(array, bbox_format="xyxy", normalized=False),
        **extra,
    }


@pytest.mark.parametrize(("old", "new", "boxes", "polygons"), CANDIDATES)
def test_candidates_of_the_specification(old: Any, new: Any, boxes: bool, polygons: bool) -> None:
    before, after = (np.array([x], np.float32).T for x in (old, new))
    assert RandomPerspective.box_candidates(before, after).tolist() == [boxes]
    assert RandomPerspective.box_candidates(before, after, area_thr=0.01).tolist() == [polygons]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (
            {"degrees": 10, "shear": 2},
            [[0.758642, -0.020442, -116.1217], [0.016004, 0.758765, -201.0279], [0, 0, 1]],
        ),
        ({}, [[0.758917, 0, -129.3805], [0, 0.758917, -190.8827], [0, 0, 1]]),
    ],
)
def test_seeded_matrix_of_the_specification(ranges: Any, expected: Any) -> None:
    random.seed(0)
    matrix, scale = RandomPerspective(**ranges).affine_matrix((1280, 1280), (640, 640))
    assert_allclose(matrix, expected, atol=2e-4)
    assert scale == pytest.approx(0.758917, abs=1e-6)


def test_eight_numbers_are_drawn_even_without_ranges() -> None:
    random.seed(1)
    RandomPerspective(translate=0, scale=0)(sample([]))
    after = random.random()
    random.seed(1)
    for _ in range(8):
        random.random()
    assert random.random() == after


def test_a_pair_is_the_range_of_the_scale() -> None:
    drawn = [
        RandomPerspective(scale=(0.3, 0.4)).affine_matrix((8, 8), (8, 8))[1] for _ in range(50)
    ]
    assert 0.3 <= min(drawn) <= max(drawn) <= 0.4


def test_identity_changes_nothing_inside() -> None:
    labels = sample([[10, 10, 30, 40]])
    labels["img"] = np.random.RandomState(0).randint(0, 255, (60, 80, 3)).astype(np.uint8)
    before = labels["img"].copy()
    labels = RandomPerspective(translate=0, scale=0)(labels)
    assert (labels["img"] == before).all()
    assert_allclose(labels["instances"].bboxes, [[10, 10, 30, 40]], atol=1e-4)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_bright_rectangle_is_found_inside_its_box(seed: int) -> None:
    random.seed(seed)
    labels = sample([[30, 20, 60, 50]], (80, 100))
    labels["img"][20:50, 30:60] = 255
    transform = RandomPerspective(
        degrees=45, translate=0.2, scale=0.5, shear=10, perspective=0.001, size=(96, 72)
    )
    labels = transform(labels)
    assert labels["img"].shape == (72, 96, 3)
    assert labels["resized_shape"] == (72, 96)
    bright = np.argwhere(labels["img"][..., 0] > 230)
    for x1, y1, x2, y2 in labels["instances"].bboxes:
        (ymin, xmin), (ymax, xmax) = bright.min(axis=0), bright.max(axis=0)
        assert xmin >= x1 - 1.5
        assert ymin >= y1 - 1.5
        assert xmax <= x2 + 1.5
        assert ymax <= y2 + 1.5
        assert abs((xmin + xmax + 1) / 2 - (x1 + x2) / 2) < 3
        assert abs((ymin + ymax + 1) / 2 - (y1 + y2) / 2) < 3


def test_outlines_and_keypoints_follow_and_leave_their_class() -> None:
    corners = np.array([[(10, 10), (30, 10), (30, 40), (10, 40)]], np.float32)
    labels = sample([[10, 10, 30, 40], [70, 50, 79, 59]])
    outside = corners + 1000
    labels["instances"] = Instances(
        labels["instances"].bboxes,
        np.concatenate((corners, outside)),
        np.array([[[20, 20, 2]], [[1000, 1000, 2]]], np.float32),
        bbox_format="xyxy",
        normalized=False,
    )
    labels = RandomPerspective(translate=0, scale=0)(labels)
    assert labels["cls"].ravel().tolist() == [0]
    assert_allclose(labels["instances"].segments, corners, atol=1e-4)
    assert_allclose(labels["instances"].keypoints, [[[20, 20, 2]]], atol=1e-4)


def test_the_shape_of_a_rectangular_batch_wins() -> None:
    labels = sample([], rect_shape=np.array([32, 64]))
    assert RandomPerspective(size=(96, 96))(labels)["img"].shape == (32, 64, 3)


def test_maps_are_not_mixed_and_fill_with_their_own_values() -> None:
    labels = sample([], semantic_mask=np.full((60, 80), 5, np.uint8))
    labels["depth"] = np.full((60, 80), 2.5, np.float32)
    labels = RandomPerspective(degrees=30, scale=(0.5, 0.6))(labels)
    assert set(np.unique(labels["semantic_mask"])) == {5, 255}
    assert set(np.unique(labels["depth"])) == {0, 2.5}


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("perspective", [0.0, 0.001])
def test_every_channel_is_warped_alike(channels: int, perspective: float) -> None:
    plane = np.random.RandomState(0).randint(0, 255, (40, 50, 1)).astype(np.uint8)
    labels = sample([], (40, 50), img=plane.repeat(channels, axis=2))
    random.seed(2)
    image = RandomPerspective(degrees=20, perspective=perspective)(labels)["img"]
    assert image.shape == (40, 50, channels)
    assert (image == image[..., :1]).all()
    assert (image[..., 0] == 114).any()


@pytest.mark.parametrize("size", [(1, 1), (9, 3), (2, 9)])
def test_tiny_images(size: tuple[int, int]) -> None:
    labels = RandomPerspective(size=(32, 32))(sample([[0, 0, size[1], size[0]]], size))
    assert labels["img"].shape == (32, 32, 3)
