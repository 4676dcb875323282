from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ultralytics.data.augment import Mosaic
from ultralytics.data.augment.mosaic import corners_of_four, corners_of_nine, paste
from ultralytics.utils.instance import Instances

FOUR = [(60, 100), (100, 80), (100, 100), (50, 100)]


def part(size: tuple[int, int], box: list[float], level: int = 9) -> dict[str, Any]:
    return {
        "img": np.full((*size, 3), level, np.uint8),
        "cls": np.array([[level]], np.float32),
        "instances": Instances(np.array([box], np.float32)),
        "im_file": f"{level}.jpg",
        "ori_shape": size,
    }


def apply(mosaic: Mosaic, parts: list[dict[str, Any]], corners: list[tuple[int, int]]) -> Any:
    params = {
        "parts": parts,
        "corners": corners,
        "sizes": [p["img"].shape[:2] for p in parts],
    }
    return mosaic._apply(parts[0], params)


def test_rectangles_and_boxes_of_the_specification() -> None:
    corners = corners_of_four(FOUR, 120, 90)
    assert corners == [(20, 30), (120, -10), (20, 90), (120, 90)]
    boxes = [[0.5, 0.5, 0.2, 0.4], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0], [0, 0, 0, 0]]
    parts = [part(s, b, k + 1) for k, (s, b) in enumerate(zip(FOUR, boxes, strict=True))]
    labels = apply(Mosaic(None, imgsz=100), parts, corners)
    assert_allclose(labels["instances"].bboxes, [[60, 48, 80, 72], [140, 15, 180, 65]])
    assert labels["cls"].ravel().tolist() == [1, 2]
    image = labels["img"][..., 0]
    for level, (x1, y1, x2, y2) in {
        1: (20, 30, 120, 90),
        2: (120, 0, 200, 90),
        3: (20, 90, 120, 190),
        4: (120, 90, 200, 140),
    }.items():
        expected = np.zeros((200, 200), bool)
        expected[y1:y2, x1:x2] = True
        assert ((image == level) == expected).all()
    assert image[0, 0] == 114
    assert (labels["resized_shape"], labels["im_file"]) == ((200, 200), "1.jpg")


def test_nine_patches_of_the_specification() -> None:
    sizes = [(60, 100)] * 9
    parts = [part(size, [0.5, 0.5, 0.5, 0.5], k) for k, size in enumerate(sizes)]
    labels = apply(Mosaic(None, imgsz=100, n=9), parts, corners_of_nine(sizes, 100))
    expected = [
        (75, 65, 125, 95),
        (75, 5, 125, 35),
        (175, 5, 200, 35),
        (175, 65, 200, 95),
        (175, 125, 200, 155),
        (75, 125, 125, 155),
        (0, 125, 25, 155),
        (0, 65, 25, 95),
        (0, 5, 25, 35),
    ]
    assert_allclose(labels["instances"].bboxes, expected)
    assert labels["img"].shape == (200, 200, 3)


def test_draws_are_gate_partners_then_y_and_x(toy: Any) -> None:
    data, side = toy(side=64), 64
    mosaic = Mosaic(data, imgsz=side)
    random.seed(11)
    random.uniform(0, 1)
    partners = random.choices(data.buffer, k=3)
    yc, xc = (int(random.uniform(side / 2, 3 * side / 2)) for _ in range(2))
    after = random.random()
    random.seed(11)
    labels = mosaic(data.get_image_and_label(0))
    assert random.random() == after
    images = [data.images[i] for i in (0, *partners)]
    canvas = np.full((2 * side, 2 * side, 3), 114, np.uint8)
    corners = corners_of_four([image.shape[:2] for image in images], xc, yc)
    for image, (left, top) in zip(images, corners, strict=True):
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                if 0 <= y + top < 2 * side and 0 <= x + left < 2 * side:
                    canvas[y + top, x + left] = image[y, x]
    assert (labels["img"] == canvas).all()


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("n", [4, 9])
def test_any_number_of_channels_and_maps(toy: Any, channels: int, n: int) -> None:
    data = toy(channels=channels)
    plain = data.get_image_and_label

    def with_map(index: int) -> dict[str, Any]:
        labels = plain(index)
        labels["semantic_mask"] = np.full(labels["img"].shape[:2], index, np.uint8)
        return labels

    data.get_image_and_label = with_map
    labels = Mosaic(data, imgsz=data.imgsz, n=n)(with_map(0))
    assert labels["img"].shape == (2 * data.imgsz, 2 * data.imgsz, channels)
    uncovered = labels["semantic_mask"] == 255
    assert (labels["img"][uncovered] == 114).all()
    boxes = labels["instances"].bboxes
    assert boxes.min() >= 0
    assert boxes.max() <= 2 * data.imgsz


def test_partners_come_from_the_whole_set_when_it_is_in_memory(toy: Any) -> None:
    data = toy()
    data.buffer = []
    data.cache = "ram"
    assert set(Mosaic(data).get_indexes()) <= set(range(len(data)))


@pytest.mark.parametrize("arguments", [{"n": 3}, {"n": 16}, {"p": 1.5}, {"p": -0.1}])
def test_wrong_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Mosaic(None, **arguments)


def test_rectangular_samples_are_refused(toy: Any) -> None:
    data = toy()
    labels = {**data.get_image_and_label(0), "rect_shape": np.array([64, 96])}
    with pytest.raises(AssertionError, match="rectangular"):
        Mosaic(data)(labels)


def test_paste_outside_the_canvas_changes_nothing() -> None:
    canvas = np.zeros((5, 5, 3), np.uint8)
    paste(canvas, np.ones((3, 3, 3), np.uint8), 5, 0)
    paste(canvas, np.ones((3, 3, 3), np.uint8), 0, -3)
    assert not canvas.any()
