"""From the picture into the network input and back: drawn shapes return to where they were.

Pictures have odd sizes and fall on odd paddings. Coordinates are continuous: pixel k covers k to k + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ultralytics.data.augment import LetterBox
from ultralytics.engine.results.masks import Masks
from ultralytics.geometry.letterbox import letterbox_geometry, scale_boxes, scale_coords
from ultralytics.geometry.mask_crops import MaskGrid, decode_runs
from ultralytics.geometry.masks import _native_maps, process_mask_native

Floats = NDArray[np.float64]
Shape = Callable[[Floats, Floats], Floats]  # how far inside x, y are, in pixels

# picture and network input; every side of padding occurs, even and odd, and none
CASES = [
    ((233, 181), (640, 640)),
    ((181, 233), (640, 640)),
    ((201, 335), (416, 672)),
    ((333, 201), (672, 416)),
    ((479, 641), (512, 640)),
    ((347, 257), (352, 288)),
    ((640, 427), (640, 448)),
]
SMALL = [((37, 53), (640, 640)), ((61, 43), (672, 480)), ((47, 47), (640, 672))]


def circle(size_hw: tuple[int, int], share: float = 0.37) -> Shape:
    height, width = size_hw
    radius = share * min(size_hw)
    return lambda x, y: radius - np.hypot(x - 0.49 * width, y - 0.52 * height)


def ring(size_hw: tuple[int, int]) -> Shape:
    outside, inside = circle(size_hw, 0.42), circle(size_hw, 0.2)
    return lambda x, y: np.minimum(outside(x, y), -inside(x, y))


def line(row: int, upright: bool) -> Shape:
    """One pixel wide, over the whole picture."""
    return lambda x, y: 0.5 - np.abs((x if upright else y) - row - 0.5)


def pixels_of(shape: Shape, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    y, x = np.mgrid[: size_hw[0], : size_hw[1]] + 0.5
    return shape(x, y) > 0


def prototypes_of(shape: Shape, network: tuple[int, int], image: tuple[int, int]) -> Tensor:
    """(1, mh, mw) values of the shape at the middle of every prototype cell."""
    (gain_y, gain_x), (pad_x, pad_y) = letterbox_geometry(network, image)
    y, x = np.mgrid[: network[0] // 4, : network[1] // 4] * 4 + 2.0
    return torch.from_numpy(shape((x - pad_x) / gain_x, (y - pad_y) / gain_y)[None]).float()


def decoded(proto: Tensor, image: tuple[int, int], network: tuple[int, int]) -> list[Any]:
    """The mask in three ways: inside boxes, from whole maps, and as runs with known padding."""
    whole = torch.tensor([[0.0, 0, image[1], image[0]]])
    one = torch.ones(1, 1)
    grid = MaskGrid.letterboxed(proto.shape[1:], image, letterbox_geometry(network, image))
    runs = decode_runs(proto.numpy(), one.numpy(), whole.numpy(), grid)
    return [
        process_mask_native(proto, one, whole, image)[0].numpy().astype(bool),
        _native_maps(proto, one, whole, image)[0].numpy().astype(bool),
        runs.masks()[0].astype(bool),
    ]


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def centroid(mask: NDArray[np.bool_]) -> Floats:
    return np.argwhere(mask).mean(axis=0)


@pytest.mark.parametrize(("image", "network"), CASES)
@pytest.mark.parametrize("kind", [circle, ring])
def test_circles_and_rings_come_back(
    kind: Callable[..., Shape], image: tuple[int, int], network: tuple[int, int]
) -> None:
    shape = kind(image)
    truth = pixels_of(shape, image)
    for mask in decoded(prototypes_of(shape, network, image), image, network):
        assert overlap(mask, truth) > 0.99
        assert np.abs(centroid(mask) - centroid(truth)).max() < 0.25


@pytest.mark.parametrize(("image", "network"), SMALL)
@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("row", [0, 7, 20, -1])
def test_lines_of_one_pixel_come_back(
    image: tuple[int, int], network: tuple[int, int], upright: bool, row: int
) -> None:
    shape = line(row % image[1 if upright else 0], upright)
    truth = pixels_of(shape, image)
    assert truth.sum() == image[0 if upright else 1]
    for mask in decoded(prototypes_of(shape, network, image), image, network):
        assert overlap(mask, truth) > 0.99
        assert np.abs(centroid(mask) - centroid(truth)).max() < 0.25


@pytest.mark.parametrize(("image", "network"), CASES + SMALL)
@pytest.mark.parametrize("kind", [circle, ring])
def test_masks_at_network_size_come_back(
    kind: Callable[..., Shape], image: tuple[int, int], network: tuple[int, int]
) -> None:
    """Forward by the letterbox of the predictor, on the pixels of a drawn picture."""
    truth = pixels_of(kind(image), image)
    picture = np.repeat(truth[..., None] * np.uint8(255), 3, axis=2)
    seen = LetterBox(network, auto=False)(image=picture)[..., 0]
    content = torch.from_numpy((seen > 127) & (seen != 114))[None]
    mask = np.asarray(Masks(content.to(torch.uint8), image).at_picture_size()[0])
    assert overlap(mask, truth) > 0.99
    assert np.abs(centroid(mask) - centroid(truth)).max() < 0.25


@pytest.mark.parametrize(("image", "network"), CASES + SMALL)
def test_boxes_and_points_come_back(image: tuple[int, int], network: tuple[int, int]) -> None:
    gain, pad = letterbox_geometry(network, image)
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (2, 50, 2)) * (image[1], image[0])
    there = points * gain[::-1] + pad
    assert scale_coords(network, there.copy(), image) == pytest.approx(points, abs=1e-9)
    boxes = np.concatenate([points.min(0), points.max(0)], axis=1)
    moved = np.concatenate([there.min(0), there.max(0)], axis=1)
    assert scale_boxes(network, moved, image) == pytest.approx(boxes, abs=1e-9)


@pytest.mark.parametrize(("image", "network"), CASES + SMALL)
def test_the_predictor_s_letterbox_has_this_geometry(
    image: tuple[int, int], network: tuple[int, int]
) -> None:
    """The only bright pixel of a drawn picture is found where the geometry says."""
    gain, pad = letterbox_geometry(network, image)
    picture = np.zeros((*image, 3), np.uint8)
    row, column = image[0] // 3, 2 * image[1] // 3
    picture[row, column] = 255
    seen = LetterBox(network, auto=False)(image=picture)[..., 0].astype(float)
    seen[seen == 114] = 0
    y, x = np.mgrid[: network[0], : network[1]] + 0.5
    found = np.array([(x * seen).sum(), (y * seen).sum()]) / seen.sum()
    expected = np.array([column + 0.5, row + 0.5]) * gain[::-1] + pad
    assert found == pytest.approx(expected, abs=0.05 * max(gain))


@pytest.mark.parametrize(("image", "network"), CASES + SMALL)
def test_rotated_boxes_come_back(image: tuple[int, int], network: tuple[int, int]) -> None:
    shapely = pytest.importorskip("shapely")
    from ultralytics.geometry.rotated import xywhr2xyxyxyxy, xyxyxyxy2xywhr

    gain, pad = letterbox_geometry(network, image)
    middle = np.array([image[1], image[0]]) / 2
    for angle in np.linspace(0, math.pi, 9):
        box = np.array([*middle, 0.3 * min(image), 0.13 * min(image), angle])
        corners = xywhr2xyxyxyxy(torch.from_numpy(box[None])).numpy()
        there = xyxyxyxy2xywhr((corners * gain[::-1] + pad).astype(np.float32))
        back = scale_boxes(network, there.copy(), image, xywh=True)
        found = xywhr2xyxyxyxy(torch.from_numpy(back)).numpy()[0]
        a, b = shapely.Polygon(corners[0]), shapely.Polygon(found)
        assert a.intersection(b).area / a.union(b).area > 0.99
        assert np.abs(found.mean(0) - middle).max() < 0.25
