"""Coordinates through a letterbox and back, clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.affinity import rotate, scale, translate
from shapely.geometry import Polygon
from shapely.geometry import box as shapely_box
from torch.testing import assert_close

from ultralytics.geometry.letterbox import (
    clip_boxes,
    clip_coords,
    letterbox_geometry,
    scale_boxes,
    scale_coords,
    scale_rotated,
)

size = st.tuples(st.integers(1, 2000), st.integers(1, 2000))


@pytest.mark.parametrize(
    ("kwargs", "original", "expected"),
    [
        ({}, (480, 853), (133.28125, 80, 399.84375, 346.666656)),
        ({"xywh": True}, (480, 853), (133.28125, 80, 399.84375, 533.333313)),
        ({"ratio_pad": ((0.5, 0.5), (10, 20))}, (480, 640), (180, 360, 580, 480)),
    ],
)
def test_known_boxes(
    kwargs: dict[str, object], original: tuple[int, int], expected: tuple[float, ...]
) -> None:
    boxes = torch.tensor([[100.0, 200, 300, 400]])
    got = scale_boxes((640, 640), boxes, original, **kwargs)
    assert got is boxes
    assert_close(got, torch.tensor([expected]).float(), atol=1e-3, rtol=1e-5)
    array = np.array([[100.0, 200, 300, 400]])
    np.testing.assert_allclose(
        scale_boxes((640, 640), array, original, **kwargs), [expected], atol=1e-3
    )


def test_known_points() -> None:
    points = torch.tensor([[[100.0, 200, 7], [600, 630, 8]]])
    scaled = scale_coords((640, 640), points.clone(), (480, 853))
    expected = torch.tensor([[[133.28125, 80, 7], [799.6875, 480, 8]]])
    assert_close(scaled, expected, atol=1e-3, rtol=1e-5)
    share = scale_coords((640, 640), points.clone(), (480, 853), normalize=True)
    assert_close(share[..., :2], torch.tensor([[[0.15625, 0.166667], [0.9375, 1]]]))


@given(network=size, original=size, seed=st.integers(0, 1000))
def test_there_and_back(network: tuple[int, int], original: tuple[int, int], seed: int) -> None:
    (gain_y, gain_x), (pad_x, pad_y) = letterbox_geometry(network, original)
    share = torch.rand(6, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = share * torch.tensor(original[::-1])
    inside = points * torch.tensor([gain_x, gain_y], dtype=torch.float64) + torch.tensor(
        [pad_x, pad_y]
    )
    assert_close(scale_coords(network, inside.clone(), original), points, atol=1e-6, rtol=1e-9)
    boxes = inside.repeat(1, 2)
    assert_close(scale_boxes(network, boxes, original), points.repeat(1, 2), atol=1e-6, rtol=1e-9)


@given(network=size, original=size)
def test_content_fits_and_is_centred(network: tuple[int, int], original: tuple[int, int]) -> None:
    gains, pads = letterbox_geometry(network, original)
    content = [round(side * gain) for side, gain in zip(original, gains, strict=True)]
    for side, whole, pad in zip(content, network, reversed(pads), strict=True):
        assert 1 <= side <= whole or whole < 1
        assert 0 <= pad <= whole - side
        assert abs((whole - side - pad) - pad) <= 1


@pytest.mark.parametrize("as_array", [False, True])
def test_clipping_is_in_place(as_array: bool) -> None:
    boxes = torch.tensor([[-5.0, 3, 100, 200, 0.9]])
    values = boxes.numpy() if as_array else boxes
    assert clip_boxes(values, (50, 60)) is values
    assert boxes.tolist() == [[0, 3, 60, 50, pytest.approx(0.9)]]
    points = torch.tensor([[-1.0, 70.0, 0.5]])
    values = points.numpy() if as_array else points
    assert clip_coords(values, (50, 60, 3)) is values
    assert points.tolist() == [[0, 50, 0.5]]


def test_unpadded_input() -> None:
    boxes = torch.tensor([[10.0, 20, 30, 40]])
    got = scale_boxes((100, 100), boxes, (200, 200), padding=False)
    assert got.tolist() == [[20, 40, 60, 80]]


def covered(box: list[float]) -> Polygon:
    """The rectangle of a box xywhr."""
    cx, cy, w, h, angle = box
    upright = shapely_box(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    return rotate(upright, angle, origin=(cx, cy), use_radians=True)


def brought_back(box: list[float], network: tuple[int, int], image: tuple[int, int]) -> Polygon:
    """What a box of the network input covers in the image: a parallelogram."""
    (gain_y, gain_x), (pad_x, pad_y) = letterbox_geometry(network, image)
    return scale(translate(covered(box), -pad_x, -pad_y), 1 / gain_x, 1 / gain_y, origin=(0, 0))


@given(
    image=st.tuples(st.integers(60, 1500), st.integers(60, 1500)),
    side=st.sampled_from([160, 320, 640]),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.tuples(st.floats(8, 100), st.floats(0.33, 1)),
    angle=st.floats(-10, 10),
)
def test_rotated_boxes_cover_the_same_in_the_image(
    image: tuple[int, int],
    side: int,
    place: tuple[float, float],
    size: tuple[float, float],
    angle: float,
) -> None:
    assume(max(image) <= 3 * min(image))
    box = [place[0] * side, place[1] * side, size[0], size[0] * size[1], angle]
    boxes = torch.tensor([box], dtype=torch.float64)
    before = boxes.clone()
    (found,) = scale_rotated((side, side), boxes, image).tolist()
    assert_close(boxes, before)
    mine, wanted = covered(found), brought_back(box, (side, side), image)
    assert mine.centroid.distance(wanted.centroid) < 1e-6
    assert mine.intersection(wanted).area > 0.99 * mine.union(wanted).area


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 4, 1.2, math.pi / 2, 2.9, -7.0])
def test_rotated_boxes_of_long_images_are_fitted(angle: float) -> None:
    network, image = (64, 64), (40, 590)
    box = [30.0, 32.0, 12.0, 6.0, angle]
    boxes = torch.tensor([box], dtype=torch.float64)
    (found,) = scale_rotated(network, boxes, image).tolist()
    (plain,) = scale_boxes(network, boxes.clone(), image, xywh=True).tolist()
    wanted = brought_back(box, network, image)

    def overlap(candidate: list[float]) -> float:
        mine = covered(candidate)
        return float(mine.intersection(wanted).area / mine.union(wanted).area)

    assert covered(found).area == pytest.approx(wanted.area)
    assert covered(found).centroid.distance(wanted.centroid) < 1e-6
    assert abs(found[4] - angle) < 0.1  # the same turn, not an equal one
    assert overlap(found) > 0.95
    assert overlap(found) >= overlap(plain) - 1e-9


def test_rotated_boxes_with_given_geometry() -> None:
    boxes = torch.tensor([[110.0, 70.0, 40.0, 20.0, 0.3]])
    found = scale_rotated((640, 640), boxes, (480, 640), ((0.5, 0.5), (10, 20)))
    assert_close(found, torch.tensor([[200.0, 100.0, 80.0, 40.0, 0.3]]))
    assert scale_rotated((64, 64), torch.zeros(0, 5), (40, 590)).shape == (0, 5)
