"""Fields of a result: columns, derived coordinates, moves and slices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from ultralytics.engine.results import OBB, Boxes, DepthMap, Keypoints, Masks, Probs, SemanticMask

SHAPE = (100, 200)  # height, width
ROWS = [[10.0, 20, 60, 80, 0.9, 1], [0, 0, 200, 100, 0.5, 0]]
TRACKED = [[10.0, 20, 60, 80, 7, 0.9, 1]]


def test_columns_of_boxes() -> None:
    boxes = Boxes(torch.tensor(ROWS), SHAPE)
    assert boxes.xyxy.tolist() == [[10, 20, 60, 80], [0, 0, 200, 100]]
    assert_close(boxes.conf, torch.tensor([0.9, 0.5]))
    assert boxes.cls.tolist() == [1, 0]
    assert boxes.id is None
    assert not boxes.is_track
    assert boxes.shape == (2, 6)


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_derived_coordinates(kind: object) -> None:
    boxes = Boxes(kind(ROWS[:1]), SHAPE)  # type: ignore[operator]
    np.testing.assert_allclose(boxes.xywh, [[35, 50, 50, 60]])
    np.testing.assert_allclose(boxes.xyxyn, [[0.05, 0.2, 0.3, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(boxes.xywhn, [[0.175, 0.5, 0.25, 0.6]], rtol=1e-6)


def test_a_tracked_row_without_batch_axis() -> None:
    boxes = Boxes(torch.tensor(TRACKED[0]), SHAPE)
    assert boxes.is_track
    assert boxes.id is not None
    assert boxes.id.tolist() == [7]
    assert len(boxes) == 1


@pytest.mark.parametrize(("kind", "width"), [(Boxes, 5), (Boxes, 8), (OBB, 6), (OBB, 9)])
def test_rows_of_another_width_are_refused(kind: type, width: int) -> None:
    with pytest.raises(AssertionError, match=f"but got {width}"):
        kind(torch.zeros(2, width), SHAPE)


def test_data_must_be_an_array() -> None:
    with pytest.raises(AssertionError, match="tensor or an array"):
        Probs([0.1, 0.9])  # type: ignore[arg-type]


def test_reading_fractions_leaves_the_rows_alone() -> None:
    rows = torch.tensor(ROWS)
    boxes = Boxes(rows.clone(), SHAPE)
    _ = boxes.xyxyn, boxes.xywhn, boxes.xywh
    assert_close(boxes.data, rows)


def test_corners_of_a_rotated_box() -> None:
    obb = OBB(torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 2]]), SHAPE)
    corners = [[60.767, 51.579], [65.561, 42.803], [39.233, 28.421], [34.439, 37.197]]
    np.testing.assert_allclose(obb.xyxyxyxy[0], corners, atol=1e-3)
    np.testing.assert_allclose(obb.xyxy[0], [34.439, 28.421, 65.561, 51.579], atol=1e-3)
    np.testing.assert_allclose(obb.xyxyxyxyn[0], np.array(corners) / [200, 100], atol=1e-5)
    assert obb.numpy().xyxyxyxy.shape == (1, 4, 2)


@given(
    angle=st.floats(-math.pi, math.pi),
    size=st.tuples(st.floats(1, 80), st.floats(1, 80)),
)
def test_rotated_corners_keep_centre_and_sides(angle: float, size: tuple[float, float]) -> None:
    obb = OBB(np.array([[70.0, 30.0, *size, angle, 1, 0]]), SHAPE)
    corners = obb.xyxyxyxy[0]
    np.testing.assert_allclose(corners.mean(axis=0), [70, 30], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(corners[0] - corners[1]), size[1])
    np.testing.assert_allclose(np.linalg.norm(corners[1] - corners[2]), size[0])


def test_outlines_of_masks() -> None:
    data = torch.zeros(3, 100, 200, dtype=torch.uint8)
    data[0, 20:79, 10:59] = 1
    data[1, 0:10, 0:10] = data[1, 50:60, 50:60] = 1  # two parts become one outline
    masks = Masks(data, SHAPE)
    assert masks.xy[0].tolist() == [[10, 20], [10, 78], [58, 78], [58, 20]]
    assert {tuple(p) for p in masks.xy[1].tolist()} >= {(0, 0), (9, 9), (50, 50), (59, 59)}
    assert masks.xy[2].shape == (0, 2)
    np.testing.assert_allclose(masks.xyn[0][0], [0.05, 0.2])


def test_outlines_of_a_letterboxed_grid_are_moved_to_the_picture() -> None:
    data = torch.zeros(64, 64, dtype=torch.uint8)
    data[16:48, :] = 1  # a 100 x 200 picture fills rows 16 to 48 of a 64 x 64 grid
    outline = Masks(data, SHAPE).xy[0]
    assert outline.min() == 0
    assert outline[:, 0].max() == pytest.approx(196.875)
    assert outline[:, 1].max() == pytest.approx(96.875)


def test_keypoints_with_and_without_scores() -> None:
    scored = Keypoints(torch.tensor([[10.0, 20, 0.9], [0, 0, 0.1]]), SHAPE)
    assert scored.has_visible
    assert scored.conf is not None
    assert_close(scored.conf, torch.tensor([[0.9, 0.1]]))
    assert_close(scored.xyn[0, 0], torch.tensor([0.05, 0.2]))
    plain = Keypoints(torch.zeros(2, 5, 2), SHAPE)
    assert plain.conf is None
    assert plain.xy.shape == (2, 5, 2)


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_best_classes(kind: object) -> None:
    probs = Probs(kind([0.1, 0.4, 0.05, 0.2, 0.15, 0.1]))  # type: ignore[operator]
    assert probs.top1 == 1
    assert probs.top5[:3] == [1, 3, 4]
    assert len(probs.top5) == 5
    assert float(probs.top1conf) == pytest.approx(0.4)
    assert float(probs.top5conf[1]) == pytest.approx(0.2)
    assert len(probs) == 6


@pytest.mark.parametrize(
    "index", [0, -1, slice(None), [0], torch.tensor([0]), np.array([True]), None]
)
@pytest.mark.parametrize("kind", [SemanticMask, DepthMap])
def test_a_map_is_one_element(kind: type, index: object) -> None:
    assert kind(torch.ones(4, 6), (4, 6))[index].shape == (4, 6)


@pytest.mark.parametrize("index", [[], slice(0, 0), slice(1, None), torch.tensor([False])])
def test_an_empty_selection_empties_a_map(index: object) -> None:
    emptied = SemanticMask(torch.ones(4, 6), (4, 6))[index]
    assert emptied.shape == (0, 6)
    assert len(emptied) == 0
    assert list(emptied) == []


@pytest.mark.parametrize("index", [1, -2, [0, 1]])
def test_a_map_has_no_second_element(index: object) -> None:
    with pytest.raises(IndexError):
        DepthMap(torch.ones(4, 6), (4, 6))[index]


def test_depth_statistics_count_valid_pixels_only() -> None:
    depth = DepthMap(torch.tensor([[0.0, 1, 2], [4, 5, -3]]), (2, 3))
    assert depth.statistics() == {"min": 1, "max": 5, "mean": 3, "median": 3}
    assert DepthMap(torch.zeros(2, 3), (2, 3)).statistics() == {}


def test_moves_give_new_objects_of_the_same_class() -> None:
    boxes = Boxes(torch.tensor(ROWS), SHAPE)
    array = boxes.numpy()
    assert isinstance(array.data, np.ndarray)
    assert array.numpy() is array
    assert array.cpu() is array
    back = array.to(torch.float64)
    assert isinstance(back, Boxes)
    assert back.data.dtype == torch.float64
    assert boxes.to("cpu").data.device.type == "cpu"
    half = boxes.to(torch.bfloat16).numpy()
    assert half.data.dtype == np.float32


@pytest.mark.parametrize(
    ("index", "classes"),
    [
        (0, [1]),
        (-1, [0]),
        (slice(1, None), [0]),
        ([1, 0], [0, 1]),
        (torch.tensor([True, False]), [1]),
    ],
)
def test_selecting_boxes(index: object, classes: list[int]) -> None:
    boxes = Boxes(torch.tensor(ROWS), SHAPE)
    assert boxes[index].cls.tolist() == classes


def test_an_index_too_large_is_an_error() -> None:
    with pytest.raises(IndexError):
        Boxes(torch.tensor(ROWS), SHAPE)[7]


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_iterating_boxes_gives_single_rows(kind: object) -> None:
    rows = list(Boxes(kind(ROWS), SHAPE))  # type: ignore[operator]
    assert [row.cls.item() for row in rows] == [1, 0]
    assert all(isinstance(row, Boxes) and row.shape == (1, 6) for row in rows)
    assert list(Boxes(torch.zeros(0, 6), SHAPE)) == []
    assert list(Boxes(np.zeros((0, 6)), SHAPE)) == []


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(AttributeError, match="'Boxes' object has no attribute 'foo'"):
        _ = Boxes(torch.tensor(ROWS), SHAPE).foo
    assert "xywhn: tensor" in str(Boxes(torch.tensor(ROWS), SHAPE))
