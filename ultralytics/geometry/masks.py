"""Instance masks: assembling them from prototypes, cropping, scaling, overlap and outlines.

A mask is a grid of pixels; boxes that cut it are xyxy in the grid's own pixels. Logits become
pixels by "> 0". Shape suffixes: N = objects; H, W = grid; n = flattened pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ultralytics.geometry.mask_crops import (
    MaskGrid,
    decode_crops,
    paste_crops,
    whole_pixel_factor,
)
from ultralytics.geometry.segments import merge_multi_segment

__all__ = [
    "crop_mask",
    "mask_iou",
    "masks2segments",
    "masks_with_pixels",
    "process_mask",
    "process_mask_native",
    "scale_masks",
]

NATIVE_CHUNK_PIXELS = 16_000_000  # full-size logits held at once
IOU_BLOCK = 1024  # pixels looked at together when masks are compared
ROUNDING_BIAS = 0.1  # as in letterbox padding
OFF_GRID = 1e-3  # content edges further than this from a pixel border need exact sampling


def crop_mask(masks: Tensor, boxes: Tensor) -> Tensor:
    """Zero what lies outside each object's box, in place.

    Args:
        masks: (N, H, W) masks or logits.
        boxes: (N, 4) corners; pixel (row y, column x) stays when x1 <= x < x2 and y1 <= y < y2.
    """
    height, width = masks.shape[1:]
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    columns = torch.arange(width, device=masks.device, dtype=boxes.dtype)
    rows = torch.arange(height, device=masks.device, dtype=boxes.dtype)
    masks.masked_fill_(((columns < x1) | (columns >= x2))[:, None, :], 0)
    return masks.masked_fill_(((rows < y1) | (rows >= y2))[:, :, None], 0)


def process_mask(
    protos: Tensor,
    masks_in: Tensor,
    bboxes: Tensor,
    shape: Sequence[int],
    upsample: bool = False,
) -> Tensor:
    """Binary uint8 masks of detections, cropped to their boxes.

    Args:
        protos: (nm, mh, mw) prototypes.
        masks_in: (N, nm) coefficients.
        bboxes: (N, 4) corners in network pixels.
        shape: height and width of the network input.
        upsample: return (N, H, W) masks interpolated to `shape` instead of (N, mh, mw).
    """
    proto_h, proto_w = protos.shape[1:]
    size_hw = height, width = (shape[0], shape[1])
    if not upsample:
        ratios = bboxes.new_tensor([proto_w / width, proto_h / height] * 2)
        return crop_mask((_logits(masks_in, protos) > 0).byte(), bboxes * ratios)
    if protos.device.type == "cpu":
        grid = MaskGrid.resized((proto_h, proto_w), size_hw)
        return _masks_in_boxes(protos, masks_in, bboxes, grid)
    return _upsampled_maps(protos, masks_in, bboxes, size_hw)


def process_mask_native(
    protos: Tensor, masks_in: Tensor, bboxes: Tensor, shape: Sequence[int]
) -> Tensor:
    """Binary uint8 masks (N, h, w) at the size of the original image, cropped to their boxes.

    The letterbox padding of the network input is cut off the logits at the smallest magnification
    at which it ends on whole pixels, and the rest is interpolated to the image.

    Args:
        protos: (nm, mh, mw) prototypes.
        masks_in: (N, nm) coefficients.
        bboxes: (N, 4) corners in original pixels.
        shape: height and width of the original image.
    """
    size_hw = (shape[0], shape[1])
    if protos.device.type == "cpu":
        grid = MaskGrid.of_image(protos.shape[1:], size_hw)
        return _masks_in_boxes(protos, masks_in, bboxes, grid)
    return _native_maps(protos, masks_in, bboxes, size_hw)


def masks_with_pixels(
    protos: Tensor,
    masks_in: Tensor,
    bboxes: Tensor,
    shape: Sequence[int],
    native: bool = False,
) -> tuple[Tensor, Tensor]:
    """Masks of those detections that have any pixel, and (N,) which these are.

    Args:
        protos: (nm, mh, mw) prototypes.
        masks_in: (N, nm) coefficients.
        bboxes: (N, 4) corners in pixels of the masks.
        shape: height and width of the network input, or with `native` of the original image.
        native: use `process_mask_native` instead of `process_mask` with `upsample`.
    """
    size_hw = (shape[0], shape[1])
    if protos.device.type != "cpu":
        maps = _native_maps if native else _upsampled_maps
        masks = maps(protos, masks_in, bboxes, size_hw)
        kept = masks.flatten(1).amax(dim=1) > 0
        return masks[kept], kept
    proto_hw = protos.shape[1:]
    grid = MaskGrid.of_image(proto_hw, size_hw) if native else MaskGrid.resized(proto_hw, size_hw)
    crops = list(decode_crops(*_arrays(protos, masks_in, bboxes), grid))
    filled = [bool(crop.pixels.any()) for crop in crops]
    pixels = paste_crops(itertools.compress(crops, filled), sum(filled), size_hw)
    return torch.from_numpy(pixels), torch.tensor(filled, dtype=torch.bool)


def scale_masks(
    masks: Tensor,
    shape: Sequence[int],
    ratio_pad: Sequence[Sequence[float]] | None = None,
    padding: bool = True,
    mode: str = "bilinear",
) -> Tensor:
    """Cut the letterbox padding off masks and resize them to an image.

    Args:
        masks: (N, C, h, w) masks or logits.
        shape: height and width of the image.
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) that replaces the computed geometry.
        padding: whether the padding is split over both sides; otherwise the content starts at 0, 0.
        mode: interpolation of `torch.nn.functional.interpolate`.

    Returns:
        (N, C, H, W) float32, or the argument itself when it has that size already.
    """
    mask_h, mask_w = masks.shape[2:]
    height, width = shape[:2]
    if (mask_h, mask_w) == (height, width):
        return masks
    if masks.shape[1] == 0:
        return masks.new_zeros((masks.shape[0], 0, height, width))
    if ratio_pad is None:
        gain_y = gain_x = min(mask_h / height, mask_w / width)
        pad_x = (mask_w - round(width * gain_x)) / 2
        pad_y = (mask_h - round(height * gain_y)) / 2
    else:
        (gain_y, gain_x), (pad_x, pad_y) = ratio_pad
    span_y, span_x = height * gain_y, width * gain_x
    if ratio_pad is not None and not padding:
        exact = max(abs(span - round(span)) for span in (span_y, span_x)) <= OFF_GRID
        if not exact:
            return _sample_span(masks.float(), (height, width), (span_y, span_x))
    top = round(pad_y - ROUNDING_BIAS) if padding else 0
    left = round(pad_x - ROUNDING_BIAS) if padding else 0
    content = masks[
        ..., top : top + max(round(span_y), 1), left : left + max(round(span_x), 1)
    ].float()
    if mode in {"nearest", "nearest-exact", "area"}:
        return F.interpolate(content, (height, width), mode=mode)
    return F.interpolate(content, (height, width), mode=mode, align_corners=False)


def mask_iou(mask1: Tensor, mask2: Tensor, eps: float = 1e-7) -> Tensor:
    """Overlap (N, M) of every flattened mask (N, n) with every other (M, n)."""
    if _has_empty_stretches(mask1, mask2):
        shared_NM, area_N, area_M = _shared_by_blocks(mask1, mask2)
    else:
        shared_NM, area_N, area_M = mask1 @ mask2.T, mask1.sum(dim=1), mask2.sum(dim=1)
    shared_NM = shared_NM.clamp(min=0)
    return shared_NM / (area_N[:, None] + area_M - shared_NM + eps)


def _has_empty_stretches(mask1: Tensor, mask2: Tensor) -> bool:
    """Whether leaving out what is empty is worth the trouble: masks on the host, several, and not tiny."""
    on_host = mask1.device.type == mask2.device.type == "cpu"
    plain = mask1.dtype == mask2.dtype and mask1.dtype in (torch.float32, torch.float64)
    large = mask1.shape[1] > IOU_BLOCK and min(len(mask1), len(mask2)) > 1
    return on_host and plain and large and not (mask1.requires_grad or mask2.requires_grad)


def _shared_by_blocks(mask1: Tensor, mask2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Products and sums of masks; stretches in which a mask has no pixel are left out.

    A mask that sums up to nothing in a stretch is taken to be empty there, so values must not be negative. Rows are
    picked with NumPy, which needs a fraction of the time for many small pieces.
    """
    whole = mask1.shape[1] // IOU_BLOCK * IOU_BLOCK
    sums1, sums2 = (m[:, :whole].reshape(len(m), -1, IOU_BLOCK).sum(dim=2) for m in (mask1, mask2))
    filled1, filled2 = (sums1 != 0).numpy(), (sums2 != 0).numpy()
    array1, array2 = mask1.numpy(), mask2.numpy()
    shared = array1[:, whole:] @ array2[:, whole:].T
    for block in range(filled1.shape[1]):
        rows, columns = (filled[:, block].nonzero()[0] for filled in (filled1, filled2))
        if len(rows) and len(columns):
            part = slice(block * IOU_BLOCK, (block + 1) * IOU_BLOCK)
            shared[rows[:, None], columns] += array1[rows, part] @ array2[columns, part].T
    areas = [
        sums.sum(dim=1) + mask[:, whole:].sum(dim=1)
        for sums, mask in ((sums1, mask1), (sums2, mask2))
    ]
    return torch.from_numpy(shared), areas[0], areas[1]


def masks2segments(
    masks: Tensor | np.ndarray[Any, Any],  # Any: every dtype that can be cast to uint8
    strategy: str = "all",
) -> list[np.ndarray[Any, Any]]:
    """Outline (P, 2) of each mask as float32 x, y pixels; (0, 2) for an empty one.

    Args:
        masks: (N, H, W) masks.
        strategy: "all" joins the parts of an object by bridges between their closest vertices;
            "largest" keeps the part with most outline points.
    """
    import cv2

    array = masks.detach().cpu().numpy() if isinstance(masks, Tensor) else masks
    outlines = []
    for mask in np.ascontiguousarray(array.astype(np.uint8, copy=False)):
        found = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        parts = [contour.reshape(-1, 2) for contour in found]
        if not parts:
            outline = np.zeros((0, 2))
        elif strategy == "all" and len(parts) > 1:
            outline = np.concatenate(merge_multi_segment(parts))
        else:
            outline = max(parts, key=len)
        outlines.append(outline.astype(np.float32))
    return outlines


def _logits(coefficients: Tensor, protos: Tensor) -> Tensor:
    return (coefficients.float() @ protos.float().flatten(1)).view(-1, *protos.shape[1:])


def _resize(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size_hw, mode="bilinear", align_corners=False)


def _upsampled_maps(
    protos: Tensor, masks_in: Tensor, bboxes: Tensor, size_hw: tuple[int, int]
) -> Tensor:
    """Masks at network size from whole maps, as accelerators like it."""
    logits = _logits(masks_in, protos)
    if len(logits) == 0:
        return logits.new_zeros((0, *size_hw), dtype=torch.uint8)
    return crop_mask((_resize(logits[None], size_hw)[0] > 0).byte(), bboxes)


def _native_maps(
    protos: Tensor, masks_in: Tensor, bboxes: Tensor, size_hw: tuple[int, int]
) -> Tensor:
    """Masks at image size from whole maps, some detections at a time."""
    proto_h, proto_w = protos.shape[1:]
    height, width = size_hw
    factor = whole_pixel_factor((proto_h, proto_w), size_hw)
    logits = _logits(masks_in, protos)
    step = max(1, NATIVE_CHUNK_PIXELS // (height * width + factor**2 * proto_h * proto_w))
    masks = logits.new_zeros((len(logits), height, width), dtype=torch.uint8)
    for start in range(0, len(logits), step):
        part = logits[start : start + step][None]
        if factor > 1:
            part = _resize(part, (proto_h * factor, proto_w * factor))
        part = scale_masks(part, size_hw)[0]
        masks[start : start + step] = part > 0
    return crop_mask(masks, bboxes)


def _masks_in_boxes(protos: Tensor, masks_in: Tensor, bboxes: Tensor, grid: MaskGrid) -> Tensor:
    """Masks of any size, decoded on the host inside the boxes."""
    crops = decode_crops(*_arrays(protos, masks_in, bboxes), grid)
    return torch.from_numpy(paste_crops(crops, len(masks_in), grid.size_hw))


def _arrays(*tensors: Tensor) -> tuple[Any, Any, Any]:
    first, second, third = (values.detach().float().numpy() for values in tensors)
    return first, second, third


def _sample_span(maps: Tensor, size_hw: tuple[int, int], span_yx: tuple[float, float]) -> Tensor:
    """Bilinear samples of a left top part that is not a whole number of pixels wide or high."""
    share_y, share_x = span_yx[0] / maps.shape[2], span_yx[1] / maps.shape[3]
    affine = maps.new_tensor([[share_x, 0, share_x - 1], [0, share_y, share_y - 1]])
    batch = maps.shape[0]
    grid = F.affine_grid(affine.expand(batch, 2, 3), [batch, 1, *size_hw], align_corners=False)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
