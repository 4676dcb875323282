from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal
from shapely.geometry import Polygon

from ultralytics.data.polygons import polygon2mask, polygons2masks, polygons2masks_overlap

RECTANGLE = np.array([(1, 1), (6, 1), (6, 5), (1, 5)], np.float32)
REDUCED = [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
REDUCED_255 = [[64, 128, 128, 64], [128, 255, 255, 128], [128, 255, 255, 128], [0, 0, 0, 0]]


def test_border_pixels_belong_to_the_polygon() -> None:
    mask = polygon2mask((8, 8), [RECTANGLE])
    assert (mask.sum(), mask.dtype) == (30, np.uint8)
    assert mask[1:6, 1:7].all()


def test_coordinates_are_truncated() -> None:
    fractions = np.array([(1.9, 1.9), (4.9, 1.9), (4.9, 3.9), (1.9, 3.9)], np.float32)
    assert polygon2mask((8, 8), [fractions]).sum() == 12


def test_reduced_masks_of_the_specification() -> None:
    assert_array_equal(polygon2mask((8, 8), [RECTANGLE], downsample_ratio=2), REDUCED)
    assert_array_equal(polygon2mask((8, 8), [RECTANGLE], 255, 2), REDUCED_255)


def test_triangle_row_lengths() -> None:
    mask = polygon2mask((8, 8), [np.array([1, 1, 6, 1, 6, 5])])
    assert mask.sum(axis=1).tolist() == [0, 6, 5, 4, 2, 1, 0, 0]
    assert [int(row.argmax()) for row in mask[1:6]] == [1, 2, 3, 5, 6]


def test_area_is_close_to_the_area_of_the_polygon() -> None:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = (100 + 60 * np.stack((np.cos(angles), np.sin(angles)), axis=1)).astype(np.float32)
    filled = polygon2mask((200, 200), [outline]).sum()
    assert abs(filled - Polygon(outline).area) < Polygon(outline).length


def test_masks_are_stacked_per_polygon() -> None:
    masks = polygons2masks((8, 8), [RECTANGLE, RECTANGLE + 1], color=7)
    assert masks.shape == (2, 8, 8)
    assert set(np.unique(masks)) == {0, 7}


def test_smaller_objects_lie_on_top() -> None:
    small = np.array([(2, 2), (4, 2), (4, 4), (2, 4)], np.float32)
    whole = np.array([(0, 0), (7, 0), (7, 7), (0, 7)], np.float32)
    overlap, order = polygons2masks_overlap((8, 8), [small, whole])
    assert order.tolist() == [1, 0]
    assert overlap[3, 3] == 2
    assert overlap[0, 0] == 1


def test_equal_areas_keep_their_order_and_many_objects_need_more_bits() -> None:
    overlap, order = polygons2masks_overlap((16, 16), [RECTANGLE] * 300)
    assert order.tolist() == list(range(300))
    assert (overlap.max(), overlap.dtype) == (300, np.int32)


def test_no_polygons_leave_an_empty_map() -> None:
    overlap, order = polygons2masks_overlap((8, 12), [], 4)
    assert overlap.shape == (2, 3)
    assert len(order) == 0
