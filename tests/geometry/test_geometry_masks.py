"""Masks: cropping against a pixel loop, assembly against explicit formulas, outlines, overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry.masks import (
    _native_maps,
    crop_mask,
    mask_iou,
    masks2segments,
    process_mask,
    process_mask_native,
    scale_masks,
)


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


PROTOS, COEFFICIENTS = wave(0.3, 2, 4, 4), torch.tensor([[1.0, -0.5], [-1.0, 0.2]])


def rows(*lines: str) -> list[list[int]]:
    return [[int(c) for c in line] for line in lines]


def test_crop_follows_the_pixel_rule() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(6, 9, 11, generator=generator)
    boxes = torch.rand(6, 4, generator=generator) * 12 - 1
    boxes[0] = torch.tensor([1.2, 0.5, 4, 3])
    expected = masks.clone()
    for n, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        for y in range(9):
            for x in range(11):
                if not (x1 <= x < x2 and y1 <= y < y2):
                    expected[n, y, x] = 0
    got = crop_mask(masks, boxes)
    assert got is masks
    assert_close(got, expected)


def test_known_masks() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 12], [4, 4, 16, 16]])
    small = process_mask(PROTOS, COEFFICIENTS, boxes, (16, 16))
    assert small.dtype == torch.uint8
    assert small.tolist() == [
        rows("1110", "1110", "1000", "0000"),
        rows("0000", "0000", "0011", "0111"),
    ]
    large = process_mask(PROTOS, COEFFICIENTS, boxes, (16, 16), upsample=True)
    assert large.sum(dim=(1, 2)).tolist() == [101, 73]
    wide = torch.tensor([[0.0, 0, 20, 12], [4, 4, 24, 12]])
    native = process_mask_native(PROTOS, COEFFICIENTS, wide, (12, 24))
    assert native.shape == (2, 12, 24)
    assert native.sum(dim=(1, 2)).tolist() == [186, 44]


@pytest.mark.parametrize("upsample", [False, True])
def test_no_detections(upsample: bool) -> None:
    none = process_mask(PROTOS, torch.zeros(0, 2), torch.zeros(0, 4), (16, 20), upsample)
    assert none.shape == ((0, 16, 20) if upsample else (0, 4, 4))
    assert process_mask_native(PROTOS, torch.zeros(0, 2), torch.zeros(0, 4), (7, 9)).shape == (
        0,
        7,
        9,
    )


def test_whole_native_maps_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = torch.tensor([[0.0, 0, 20, 12]]).repeat(5, 1)
    coefficients = wave(0.7, 5, 2)
    whole = _native_maps(PROTOS, coefficients, boxes, (12, 24))
    monkeypatch.setattr("ultralytics.geometry.masks.NATIVE_CHUNK_PIXELS", 1)
    assert_close(_native_maps(PROTOS, coefficients, boxes, (12, 24)), whole)


def test_known_scaling() -> None:
    got = scale_masks(wave(0.3, 1, 1, 4, 4), (2, 4))
    expected = [[0.932039, 0.997495, 0.973848, 0.863209], [0.675463, 0.42738, 0.14112, -0.157746]]
    assert_close(got[0, 0], torch.tensor(expected), atol=1e-5, rtol=1e-5)
    got = scale_masks(wave(0.3, 1, 1, 6, 6), (3, 4))
    first = torch.tensor([0.704518, 0.464396, 0.132814, -0.226425])
    assert_close(got[0, 0, 0], first, atol=1e-5, rtol=1e-5)
    got = scale_masks(wave(0.3, 1, 1, 6, 6), (3, 4), ((1.4, 1.4), (0, 0)), padding=False)
    first = torch.tensor([0.237627, 0.515707, 0.712137, 0.770892])
    assert_close(got[0, 0, 0], first, atol=1e-5, rtol=1e-5)


def test_scaling_edge_cases() -> None:
    masks = torch.rand(1, 2, 6, 6)
    assert scale_masks(masks, (6, 6)) is masks
    assert scale_masks(torch.zeros(1, 0, 6, 6), (3, 4)).shape == (1, 0, 3, 4)
    nearest = scale_masks(masks, (12, 12), mode="nearest")
    assert_close(nearest, masks.repeat_interleave(2, 2).repeat_interleave(2, 3))
    exact = scale_masks(masks, (3, 4), ((1.5, 1.5), (0, 0)), padding=False)
    cut = F.interpolate(masks[..., :4, :], (3, 4), mode="bilinear", align_corners=False)
    assert exact.shape == cut.shape


def test_overlap_counts_pixels() -> None:
    a = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 1]])
    b = torch.tensor([[1.0, 0, 0, 0], [0, 1, 1, 0]])
    assert_close(mask_iou(a, b), torch.tensor([[0.5, 1 / 3], [0, 2 / 3]]))
    assert mask_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize("as_array", [False, True])
def test_outlines(as_array: bool) -> None:
    masks = torch.zeros(3, 8, 9)
    masks[0, 1:4, 1:5] = 1
    masks[2, 0:2, 0:2] = 1
    masks[2, 4:8, 4:9] = 1
    given = masks.numpy() if as_array else masks
    block, nothing, two = masks2segments(given)
    assert block.dtype == np.float32
    assert block.tolist() == [[1, 1], [1, 3], [4, 3], [4, 1]]
    assert nothing.shape == (0, 2)
    assert {(0, 0), (8, 7)} <= {tuple(p) for p in two.tolist()}
    largest = masks2segments(given, strategy="largest")[2]
    assert len(largest) == 4


def test_an_outline_encloses_holes() -> None:
    y, x = np.mgrid[:41, :41] - 20
    radius = np.hypot(x, y)
    disc, ring = radius < 15.5, (radius < 15.5) & (radius > 6)
    (outline,) = masks2segments(ring[None].astype(np.uint8))
    (expected,) = masks2segments(disc[None].astype(np.uint8))
    assert (outline == expected).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [31, 64, 77])  # within one stretch, whole stretches, and a rest
def test_overlap_leaves_nothing_out(size: int, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(size)
    y, x = np.mgrid[:size, :size]

    def blobs(count: int) -> Tensor:
        masks = [
            np.hypot(x - rng.uniform(0, size), y - rng.uniform(0, size)) < rng.uniform(1, size / 3)
            for _ in range(count)
        ]
        return torch.from_numpy(np.stack([*masks, np.zeros((size, size), bool)])).flatten(1)

    a, b = blobs(8), blobs(21)
    shared = (a[:, None] & b).sum(-1).double()
    union = (a[:, None] | b).sum(-1).double()
    got = mask_iou(a.to(dtype), b.to(dtype))
    assert got.dtype == dtype
    assert_close(got.double(), shared / (union + 1e-7), atol=1e-6, rtol=1e-6)
    assert (got > 0.3).any()
    soft = torch.rand(5, size * size, dtype=dtype, requires_grad=True)
    assert mask_iou(soft, a.to(dtype)).sum().requires_grad
