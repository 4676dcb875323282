from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from shapely.geometry import Polygon, box

from ultralytics.geometry.rotated import xywhr2xyxyxyxy, xyxyxyxy2xywhr
from ultralytics.utils.instance import Bboxes, Instances, to_2tuple, to_4tuple

UPRIGHT = {
    "xyxy": [10.0, 20.0, 30.0, 60.0],
    "xywh": [20.0, 40.0, 20.0, 40.0],
    "ltwh": [10.0, 20.0, 20.0, 40.0],
}


def array(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def objects(count: int = 3) -> Instances:
    draw = np.random.RandomState(count)
    return Instances(
        draw.rand(count, 4).astype(np.float32),
        draw.rand(count, 6, 2).astype(np.float32),
        draw.rand(count, 2, 3).astype(np.float32),
    )


@pytest.mark.parametrize("start", UPRIGHT)
@pytest.mark.parametrize("end", UPRIGHT)
def test_every_format_converts_to_every_other(start: str, end: str) -> None:
    boxes = Bboxes(array(UPRIGHT[start]), format=start)
    boxes.convert(end)
    assert_allclose(boxes.bboxes, [UPRIGHT[end]])
    assert boxes.format == end
    assert_allclose(boxes.areas(), [800.0])


def test_a_single_row_keeps_two_axes() -> None:
    boxes = Bboxes(np.array(UPRIGHT["xyxy"], np.float32))
    assert boxes.bboxes.shape == (1, 4)
    assert boxes[0].bboxes.shape == (1, 4)
    assert len(Bboxes(np.zeros((3, 4)))[1:]) == 2


@pytest.mark.parametrize("wrong", ["xyx", "", "XYXY"])
def test_an_unknown_format_is_refused(wrong: str) -> None:
    with pytest.raises(AssertionError, match="choose one of"):
        Bboxes(np.zeros((1, 4)), format=wrong)


def test_mul_and_add_take_one_number_or_four() -> None:
    boxes = Bboxes(array([1, 2, 3, 4]))
    kept = boxes.bboxes
    boxes.mul(2)
    boxes.add((1, 0, 1, 0))
    assert_allclose(kept, [[3, 4, 7, 8]])
    with pytest.raises(AssertionError):
        boxes.mul((1, 2))


def test_concatenate_of_nothing_one_and_several() -> None:
    first, second = Bboxes(np.zeros((2, 4)), "ltwh"), Bboxes(np.ones((1, 4)), "ltwh")
    assert Bboxes.concatenate([]).bboxes.shape == (0, 4)
    assert Bboxes.concatenate([first]) is first
    joined = Bboxes.concatenate([first, second])
    assert (len(joined), joined.format) == (3, "ltwh")


def test_units_change_only_when_they_differ() -> None:
    x = objects()
    before = x.bboxes.copy()
    x.normalize(10, 20)
    assert_allclose(x.bboxes, before)
    x.denormalize(10, 20)
    assert_allclose(x.bboxes, before * (10, 20, 10, 20))
    x.normalize(10, 20)
    assert_allclose(x.bboxes, before, rtol=1e-6)


def test_padding_needs_pixels() -> None:
    with pytest.raises(AssertionError, match="denormalize"):
        objects().add_padding(1, 1)


@pytest.mark.parametrize("format", UPRIGHT)
def test_padding_moves_the_corner_but_not_the_size(format: str) -> None:
    x = Instances(array(UPRIGHT[format]), bbox_format=format, normalized=False)
    x.add_padding(3, 5)
    x.convert_bbox("xyxy")
    assert_allclose(x.bboxes, [[13, 25, 33, 65]])


@pytest.mark.parametrize("format", UPRIGHT)
@pytest.mark.parametrize("name", ["flipud", "fliplr"])
def test_two_flips_are_none(format: str, name: str) -> None:
    x = objects()
    x.convert_bbox(format)
    boxes, segments, keypoints = x.bboxes.copy(), x.segments.copy(), x.keypoints.copy()
    getattr(x, name)(1)
    assert not np.allclose(x.segments, segments)
    getattr(x, name)(1)
    assert_allclose(x.bboxes, boxes, atol=1e-6)
    assert_allclose(x.segments, segments, atol=1e-6)
    assert_allclose(x.keypoints, keypoints, atol=1e-6)


def test_clip_keeps_the_format_and_hides_keypoints_outside() -> None:
    keypoints = np.array([[[-1, 5, 2], [10, 20, 2], [5, 5, 1]]], np.float32)
    x = Instances(array([5, 10, 20, 30]), None, keypoints, "xywh", normalized=False)
    x.clip(10, 20)
    assert_allclose(x.keypoints, [[[0, 5, 0], [10, 20, 2], [5, 5, 1]]])
    x.convert_bbox("xyxy")
    assert_allclose(x.bboxes, [[0, 0, 10, 20]])


def test_objects_without_area_are_dropped_with_all_they_have() -> None:
    x = objects(3)
    x.convert_bbox("xyxy")
    x.update(array([0, 0, 1, 1], [1, 1, 1, 5], [2, 2, 4, 4]))
    keep = x.remove_zero_area_boxes()
    assert keep.tolist() == [True, False, True]
    assert (len(x), len(x.segments), len(x.keypoints)) == (2, 2, 2)


def test_indexing_returns_new_objects() -> None:
    x = objects(3)
    one, some = x[1], x[np.array([True, False, True])]
    assert (len(one), one.segments.shape) == (1, (1, 6, 2))
    assert_allclose(some.bboxes, x.bboxes[[0, 2]])
    some.scale(2, 2)
    assert not np.allclose(some.bboxes, x.bboxes[[0, 2]])
    assert len(Instances(np.zeros((2, 4)))[0].segments) == 0


def test_concatenate_resamples_outlines_and_accepts_none() -> None:
    few = Instances(np.zeros((1, 4), np.float32), np.zeros((1, 4, 2), np.float32))
    none = Instances(np.zeros((0, 4), np.float32))
    joined = Instances.concatenate([few, objects(2)[:0], none])
    assert joined.segments.shape == (1, 6, 2)
    assert Instances.concatenate([few]) is few


def rotated(cx: float, cy: float, w: float, h: float, angle: float) -> Instances:
    corners = xywhr2xyxyxyxy(np.array([[cx, cy, w, h, angle]], np.float32))
    return Instances(array([0, 0, 1, 1]), corners, bbox_format="xyxy", normalized=False)


def test_cut_rotated_box_of_the_specification() -> None:
    kept, plain = (rotated(90, 50, 60, 10, np.pi / 4) for _ in range(2))
    kept.clip(100, 100, preserve_obb=True)
    expected = [(100, 67.07), (107.07, 60), (72.32, 25.25), (65.25, 32.32)]
    assert_allclose(kept.segments[0], expected, atol=0.01)
    assert_allclose(kept.bboxes, [[65.25, 25.25, 100, 67.07]], atol=0.01)
    assert_allclose(xyxyxyxy2xywhr(kept.segments)[0, 2:], [49.14, 10, 0.785], atol=0.01)
    plain.clip(100, 100)
    assert_allclose(xyxyxyxy2xywhr(plain.segments)[0, 2:], [56.58, 9.79, 0.993], atol=0.01)


@given(
    st.floats(-20, 120), st.floats(-20, 120), st.floats(5, 60), st.floats(5, 60), st.floats(0, 3.1)
)
def test_cut_rotated_box_bounds_what_is_visible(
    cx: float, cy: float, w: float, h: float, angle: float
) -> None:
    x = rotated(cx, cy, w, h, angle)
    outline = Polygon(x.segments[0])
    visible = outline.intersection(box(0, 0, 100, 100))
    x.clip(100, 100, preserve_obb=True)
    if outline.within(box(0, 0, 100, 100)):
        return
    if visible.area < 1:
        return
    assert_allclose(x.bboxes[0], visible.bounds, atol=0.05)
    cut = Polygon(x.segments[0])
    assert cut.buffer(0.05).contains(visible)
    assert cut.area <= outline.area + 0.5


def test_an_invisible_rotated_box_becomes_zero() -> None:
    x = rotated(300, 300, 20, 10, 0.3)
    x.clip(100, 100, preserve_obb=True)
    assert not x.bboxes.any()
    assert not x.segments.any()


def test_tuples_are_spread_once() -> None:
    assert (to_2tuple(3), to_4tuple(1.5)) == ((3, 3), (1.5, 1.5, 1.5, 1.5))
    assert to_2tuple((1, 2)) == (1, 2)
