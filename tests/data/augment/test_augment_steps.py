"""Colour, flips, letterbox, mixing and pasting."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ultralytics.data.augment import CopyPaste, CutMix, LetterBox, MixUp, RandomFlip, RandomHSV
from ultralytics.data.augment.letterbox import fit
from ultralytics.utils.instance import Instances

PIXELS = [(10, 20, 200), (255, 255, 255), (0, 0, 0), (90, 120, 40)]
CHANGED = [(0, 14, 216), (255, 255, 255), (0, 0, 0), (88, 129, 17)]

# input (h, w); unpadded (w, h); left, top, right, bottom for 640; the same with auto; auto output (h, w)
PLACEMENTS = [
    ((480, 640), (640, 480), (0, 80, 0, 80), (0, 0, 0, 0), (480, 640)),
    ((1080, 810), (480, 640), (80, 0, 80, 0), (0, 0, 0, 0), (640, 480)),
    ((720, 1280), (640, 360), (0, 140, 0, 140), (0, 12, 0, 12), (384, 640)),
    ((1080, 1920), (640, 360), (0, 140, 0, 140), (0, 12, 0, 12), (384, 640)),
    ((333, 500), (640, 426), (0, 107, 0, 107), (0, 11, 0, 11), (448, 640)),
    ((427, 640), (640, 427), (0, 106, 0, 107), (0, 10, 0, 11), (448, 640)),
    ((375, 1242), (640, 193), (0, 223, 0, 224), (0, 15, 0, 16), (224, 640)),
    ((639, 427), (428, 640), (106, 0, 106, 0), (10, 0, 10, 0), (640, 448)),
    ((641, 640), (639, 640), (0, 0, 1, 0), (0, 0, 1, 0), (640, 640)),
    ((100, 100), (640, 640), (0, 0, 0, 0), (0, 0, 0, 0), (640, 640)),
    ((1, 3000), (640, 1), (0, 319, 0, 320), (0, 15, 0, 16), (32, 640)),
]
NO_UPSCALE = [
    ((333, 500), (500, 333), (70, 153, 70, 154)),
    ((639, 427), (427, 639), (106, 0, 107, 1)),
    ((100, 100), (100, 100), (270, 270, 270, 270)),
    ((480, 640), (640, 480), (0, 80, 0, 80)),
]
TO_384_640 = [
    ((480, 640), (512, 384), (64, 0, 64, 0)),
    ((333, 500), (577, 384), (31, 0, 32, 0)),
    ((1080, 810), (288, 384), (176, 0, 176, 0)),
]
Size = tuple[int, int]


def sample(boxes: list[list[float]], size: Size = (60, 80), **extra: Any) -> Any:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return {
        "img": np.zeros((*size, 3), np.uint8),
        "cls": np.arange(len(array), dtype=np.float32)[:, None],
        "instances": Instances(array),
        **extra,
    }


# colour ---------------------------------------------------------------------------------------


def test_colours_of_the_specification() -> None:
    image = np.array([PIXELS], np.uint8)
    np.random.seed(0)
    labels = RandomHSV(0.015, 0.7, 0.4)({"img": image})
    assert labels["img"][0].tolist() == [list(p) for p in CHANGED]
    assert labels["img"] is image


@given(st.tuples(*[st.floats(-1, 1)] * 3))
def test_colour_change_equals_one_table_of_three_channels(gains: tuple[float, ...]) -> None:
    image = np.random.RandomState(1).randint(0, 256, (16, 17, 3)).astype(np.uint8)
    x = np.arange(256)
    tables = [
        ((x + 180 * gains[0]) % 180).astype(np.uint8),
        np.clip(x * (1 + gains[1]), 0, 255).astype(np.uint8),
        np.clip(x * (1 + gains[2]), 0, 255).astype(np.uint8),
    ]
    tables[1][0] = 0
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    changed = np.stack([t[hsv[..., k]] for k, t in enumerate(tables)], axis=-1)
    expected = cv2.cvtColor(changed, cv2.COLOR_HSV2BGR)
    result = RandomHSV().apply_image({"img": image}, {"gains": np.array(gains)})
    assert (result["img"] == expected).all()


@pytest.mark.parametrize(("channels", "gain"), [(1, 0.5), (4, 0.5), (3, 0.0)])
def test_nothing_is_drawn_when_there_is_nothing_to_change(channels: int, gain: float) -> None:
    image = np.ones((4, 4, channels), np.uint8)
    np.random.seed(4)
    RandomHSV(gain, gain, gain)({"img": image})
    after = np.random.rand()
    np.random.seed(4)
    assert np.random.rand() == after
    assert (image == 1).all()


def test_mirrored_views_are_accepted() -> None:
    image = np.random.RandomState(1).randint(0, 256, (9, 8, 3)).astype(np.uint8)
    np.random.seed(0)
    straight = RandomHSV()({"img": image.copy()})["img"]
    np.random.seed(0)
    mirrored = RandomHSV()({"img": image[:, ::-1]})["img"]
    assert (mirrored[:, ::-1] == straight).all()


# flips ----------------------------------------------------------------------------------------


def test_keypoints_of_the_specification() -> None:
    points = np.array([[[0.1, 0.2, 2], [0.3, 0.4, 1], [0.5, 0.6, 0]]], np.float32)
    labels = sample([[0.2, 0.3, 0.1, 0.1]])
    labels["instances"] = Instances(labels["instances"].bboxes, None, points)
    labels = RandomFlip(p=1, flip_idx=[0, 2, 1])(labels)
    expected = [[[0.9, 0.2, 2], [0.5, 0.6, 0], [0.7, 0.4, 1]]]
    assert_allclose(labels["instances"].keypoints, expected, rtol=1e-6)
    assert_allclose(labels["instances"].bboxes, [[0.8, 0.3, 0.1, 0.1]], rtol=1e-6)


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_two_flips_are_none(direction: str, channels: int) -> None:
    image = np.random.RandomState(0).randint(0, 255, (6, 9, channels)).astype(np.uint8)
    mask = image[..., 0]
    labels = sample([[0.2, 0.3, 0.1, 0.2]], img=image, semantic_mask=mask, depth=mask / 2)
    flip = RandomFlip(p=1, direction=direction)
    labels = flip(labels)
    assert not (labels["img"] == image).all()
    assert (labels["img"][..., 0] == labels["semantic_mask"]).all()
    labels = flip(labels)
    assert (labels["img"] == image).all()
    assert (labels["depth"] == mask / 2).all()
    assert_allclose(labels["instances"].bboxes, [[0.2, 0.3, 0.1, 0.2]], rtol=1e-6)


def test_pixel_boxes_are_mirrored_at_the_image_size() -> None:
    labels = sample([])
    labels["instances"] = Instances(
        np.array([[10, 20, 30, 40]], np.float32), bbox_format="xyxy", normalized=False
    )
    labels = RandomFlip(p=1)(labels)
    assert_allclose(labels["instances"].bboxes, [[60, 30, 20, 20]])


@pytest.mark.parametrize("arguments", [{"direction": "up"}, {"p": 2.0}])
def test_wrong_flip_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        RandomFlip(**arguments)


# letterbox ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "inner", "padding", "auto_padding", "auto_size"), PLACEMENTS)
def test_placements_of_the_specification(
    size: Size, inner: Size, padding: Any, auto_padding: Any, auto_size: Size
) -> None:
    square = fit(size, (640, 640))
    assert (square.size_wh, square[1:5]) == (inner, padding)
    auto = fit(size, (640, 640), auto=True)
    assert (auto.size_wh, auto[1:5]) == (inner, auto_padding)
    image = np.full((*size, 3), 7, np.uint8)
    assert LetterBox(640)(image=image).shape == (640, 640, 3)
    assert LetterBox(640, auto=True)(image=image).shape == (*auto_size, 3)


@pytest.mark.parametrize(("size", "inner", "padding"), NO_UPSCALE)
def test_small_images_may_stay_small(size: Size, inner: Size, padding: Any) -> None:
    placed = fit(size, (640, 640), scaleup=False)
    assert (placed.size_wh, placed[1:5]) == (inner, padding)


@pytest.mark.parametrize(("size", "inner", "padding"), TO_384_640)
def test_oblong_targets(size: Size, inner: Size, padding: Any) -> None:
    placed = fit(size, (384, 640))
    assert (placed.size_wh, placed[1:5]) == (inner, padding)


def test_padding_may_go_right_and_below_only() -> None:
    assert fit((333, 500), (640, 640), center=False)[1:5] == (0, 0, 0, 214)


def test_stretching_ignores_the_aspect() -> None:
    placed = fit((50, 100), (640, 320), scale_fill=True)
    assert (placed.size_wh, placed[1:5]) == ((320, 640), (0, 0, 0, 0))
    assert placed.ratio_wh == (3.2, 12.8)


def test_validation_box_of_the_specification() -> None:
    labels = sample([[0.5, 0.5, 0.2, 0.2]], (427, 640), rect_shape=np.array([448, 672]))
    labels["ratio_pad"] = (0.5, 0.25)
    labels = LetterBox(640, scaleup=False)(labels)
    assert labels["img"].shape == (448, 672, 3)
    assert_allclose(labels["instances"].bboxes, [[272, 180.8, 400, 266.2]], rtol=1e-6)
    assert labels["ratio_pad"] == ((0.5, 0.25), (16, 10))
    assert labels["resized_shape"] == (448, 672)
    assert "rect_shape" not in labels


@given(st.integers(1, 400), st.integers(1, 400), st.integers(16, 200), st.integers(16, 200))
def test_the_output_always_has_the_asked_size(h: int, w: int, H: int, W: int) -> None:
    placed = fit((h, w), (H, W))
    width, height = placed.size_wh
    assert (placed.left + width + placed.right, placed.top + height + placed.bottom) == (W, H)
    assert 0 <= placed.right - placed.left <= 1
    assert 0 <= placed.bottom - placed.top <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_every_channel_count_and_flat_images(channels: int) -> None:
    image = np.random.RandomState(0).randint(0, 255, (30, 20, channels)).astype(np.uint8)
    out = LetterBox(64, padding_value=3)(image=image)
    assert out.shape == (64, 64, channels)
    assert (out[:, 0] == 3).all()
    assert_allclose(out[:, 10:53], cv2.resize(image, (43, 64)).reshape(64, 43, channels), atol=1)
    assert LetterBox(64)(image=image[..., 0]).shape == (64, 64, 1)


def test_maps_are_padded_with_their_own_values() -> None:
    labels = sample([], (20, 40), semantic_mask=np.full((20, 40), 3, np.uint8))
    labels = LetterBox(40)(labels)
    assert set(np.unique(labels["semantic_mask"])) == {3, 255}
    assert (labels["semantic_mask"] == 3).sum() == 800


# mixing ---------------------------------------------------------------------------------------


class Other:
    """A data set of one sample."""

    def __init__(self, labels: Any, **flags: Any) -> None:
        self.labels = labels
        vars(self).update(flags)

    def __len__(self) -> int:
        return 1

    def get_image_and_label(self, index: int) -> Any:
        return self.labels


def test_mixup_blends_by_the_drawn_share_and_truncates() -> None:
    first = sample([[0.5, 0.5, 0.2, 0.2]], img=np.full((4, 4, 3), 101, np.uint8))
    other = sample([[0.1, 0.1, 0.1, 0.1]], img=np.full((4, 4, 3), 200, np.uint8))
    np.random.seed(3)
    share = np.random.beta(32.0, 32.0)
    np.random.seed(3)
    labels = MixUp(Other(other), p=1.0)(first)
    assert (labels["img"] == int(101 * share + 200 * (1 - share))).all()
    assert len(labels["instances"]) == len(labels["cls"]) == 2


def test_cutmix_areas_of_the_specification() -> None:
    np.random.seed(1)
    mix = CutMix(None, p=1.0)
    areas = [mix._draw_area(640, 480) for _ in range(3)]
    assert areas == [(0, 0, 463, 368), (133, 88, 640, 474), (257, 237, 640, 480)]


def cut(first: Any, other: Any, seed: int = 1, **flags: Any) -> Any:
    random.seed(seed)
    np.random.seed(seed)
    return CutMix(Other(other, **flags), p=1.0)(first)


def test_cutmix_copies_a_free_rectangle_with_its_objects() -> None:
    first = sample([[0.95, 0.05, 0.05, 0.05]], (480, 640))
    other = sample([[0.6, 0.6, 0.2, 0.2], [0.02, 0.98, 0.02, 0.02]], (480, 640))
    other["img"] += 200
    labels = cut(first, other)
    changed = np.argwhere(labels["img"][..., 0] == 200)
    (y1, x1), (y2, x2) = changed.min(axis=0), changed.max(axis=0) + 1
    assert len(changed) == (y2 - y1) * (x2 - x1) > 0
    boxes = labels["instances"].bboxes
    assert len(boxes) == len(labels["cls"]) == 2
    assert (boxes[1, :2] >= (x1, y1)).all()
    assert (boxes[1, 2:] <= (x2, y2)).all()


@pytest.mark.parametrize(
    ("target", "source"),
    [([[0.5, 0.5, 1, 1]], [[0.5, 0.5, 0.1, 0.1]]), ([], [])],
    ids=["no free place", "nothing to take"],
)
def test_cutmix_may_leave_a_sample_alone(target: Any, source: Any) -> None:
    other = sample(source, (48, 64))
    other["img"] += 9
    labels = cut(sample(target, (48, 64)), other)
    assert not labels["img"].any()
    assert len(labels["instances"]) == len(target)


# pasting --------------------------------------------------------------------------------------


def outlined(*boxes: tuple[float, float, float, float]) -> Any:
    corners = np.array(boxes, np.float32)
    labels = sample([], (100, 200))
    labels["cls"] = np.array([[3.0], [7.0]], np.float32)[: len(boxes)]
    outlines = corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    labels["instances"] = Instances(corners, outlines, bbox_format="xyxy", normalized=False)
    for x1, y1, x2, y2 in corners.astype(int):
        labels["img"][y1 : y2 + 1, x1 : x2 + 1] = x1
    return labels


@pytest.mark.parametrize(
    ("p", "classes", "boxes"),
    [
        (0.5, [3, 7, 3], [(150, 20, 190, 60)]),
        (1.0, [3, 7, 3, 7], [(150, 20, 190, 60), (10, 70, 50, 90)]),
    ],
)
def test_pasted_objects_of_the_specification(p: float, classes: Any, boxes: Any) -> None:
    before = random.getstate()
    labels = CopyPaste(p=p)(outlined((10, 20, 50, 60), (150, 70, 190, 90)))
    assert random.getstate() == before
    assert labels["cls"].ravel().tolist() == classes
    assert_allclose(labels["instances"].bboxes[2:], boxes)
    assert (labels["img"][22:58, 152:188] == 10).all()
    assert (labels["img"][72:88, 152:188] == 150).all()


def test_half_of_one_object_is_none() -> None:
    labels = CopyPaste(p=0.5)(outlined((10, 20, 50, 60)))
    assert len(labels["cls"]) == 1


def test_objects_that_would_cover_others_are_not_pasted() -> None:
    labels = CopyPaste(p=1.0)(outlined((80, 20, 120, 60)))
    assert len(labels["cls"]) == 1


def test_pasting_from_another_sample() -> None:
    random.seed(0)
    other = outlined((100, 10, 140, 50))
    paste = CopyPaste(Other(other), p=1.0, mode="mixup")
    labels = paste(outlined((10, 20, 50, 60)))
    assert_allclose(labels["instances"].bboxes[1], (100, 10, 140, 50))
    assert (labels["img"][12:48, 102:138] == 100).all()


def test_samples_without_outlines_stay() -> None:
    labels = sample([[0.5, 0.5, 0.1, 0.1]])
    assert CopyPaste(p=1.0)(labels) is labels


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="flip, mixup"):
        CopyPaste(mode="rotate")
