"""Masks decoded inside their boxes against masks cut out of whole maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ultralytics.geometry.mask_crops import MaskGrid, decode_crops, paste_crops
from ultralytics.geometry.masks import _native_maps, _upsampled_maps

# pixels whose logit is a rounding error away from 0 may fall on either side
SHARE_OF_DOUBT = 2e-6


def scene(seed: int, count: int = 7) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
    """Prototypes, coefficients, boxes (some empty, some beyond the border) and an image size."""
    g = torch.Generator().manual_seed(seed)
    mh, mw = torch.randint(3, 40, (2,), generator=g).tolist()
    h, w = torch.randint(2, 200, (2,), generator=g).tolist()
    ends = torch.rand(count, 2, 2, generator=g) * torch.tensor([w, h]) * 1.2 - 10
    boxes = torch.cat([ends.amin(1), ends.amax(1)], 1)
    boxes[0, 2:] = boxes[0, :2]
    shape = (4, mh, mw)
    return torch.randn(shape, generator=g), torch.randn(count, 4, generator=g), boxes, (h, w)


def decoded(protos: Tensor, coefficients: Tensor, boxes: Tensor, grid: MaskGrid) -> Tensor:
    crops = decode_crops(protos.numpy(), coefficients.numpy(), boxes.numpy(), grid)
    return torch.from_numpy(paste_crops(crops, len(boxes), grid.size_hw))


def test_masks_of_images_are_those_cut_out_of_whole_maps() -> None:
    wrong = pixels = 0
    for seed in range(60):
        protos, coefficients, boxes, size_hw = scene(seed)
        grid = MaskGrid.of_image(protos.shape[1:], size_hw)
        got = decoded(protos, coefficients, boxes, grid)
        expected = _native_maps(protos, coefficients, boxes, size_hw)
        assert got.shape == expected.shape
        wrong += int((got != expected).sum())
        pixels += int(expected.sum())
    assert pixels > 100_000
    assert wrong <= SHARE_OF_DOUBT * pixels


@pytest.mark.parametrize("factor", [4, 1, 2.5])
def test_resized_masks_are_those_cut_out_of_whole_maps(factor: float) -> None:
    wrong = pixels = 0
    for seed in range(30):
        protos, coefficients, boxes, _ = scene(seed)
        size_hw = (round(protos.shape[1] * factor), round(protos.shape[2] * factor))
        grid = MaskGrid.resized(protos.shape[1:], size_hw)
        got = decoded(protos, coefficients, boxes, grid)
        expected = _upsampled_maps(protos, coefficients, boxes, size_hw)
        wrong += int((got != expected).sum())
        pixels += int(expected.sum())
    assert pixels > 1_000
    assert wrong <= SHARE_OF_DOUBT * pixels


def test_crops_lie_where_their_boxes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultralytics.geometry.mask_crops.CHUNK_CELLS", 1)
    protos = np.ones((1, 5, 5), np.float32)
    boxes = np.array([[2.2, 3, 7, 9.5], [-4, -4, 0, 90], [18, 18, 40, 40]], np.float32)
    grid = MaskGrid.resized((5, 5), (20, 20))
    crops = list(decode_crops(protos, np.ones((3, 1), np.float32), boxes, grid))
    assert [(c.row, c.column, c.pixels.shape) for c in crops] == [
        (3, 3, (7, 4)),
        (0, 0, (20, 0)),
        (18, 18, (2, 2)),
    ]
    assert all(c.pixels.all() for c in crops)
    masks = paste_crops(crops, 3, grid.size_hw)
    assert masks.sum(axis=(1, 2)).tolist() == [28, 0, 4]
    assert masks[0, 3:10, 3:7].all()
