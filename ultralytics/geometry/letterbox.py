"""From letterboxed network input back to the original image, and clipping of coordinates.

A letterbox scales by one factor, rounds the scaled size to whole pixels (so the true gains of the
two axes differ a little) and pads around it. Shapes are (height, width[, channels]). The functions
change their argument and return it, because callers of this interface rely on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "clip_boxes",
    "clip_coords",
    "letterbox_geometry",
    "scale_boxes",
    "scale_coords",
    "scale_rotated",
]

# Any: arrays of every float dtype are accepted
Points = TypeVar("Points", Tensor, "np.ndarray[Any, Any]")
RatioPad = Sequence[Sequence[float]]  # ((gain_y, gain_x), (pad_x, pad_y))

UNEVEN_GAINS = 0.005  # costs one percent of overlap when ignored
ROUNDING_BIAS = 0.1  # a half pixel of padding goes to the right and bottom side


def letterbox_geometry(
    network_hw: Sequence[int], original_hw: Sequence[int]
) -> tuple[tuple[float, float], tuple[int, int]]:
    """Gains (y, x) and padding (x, y) with which an image was fitted into the network input."""
    h1, w1 = network_hw[:2]
    h0, w0 = original_hw[:2]
    gain = min(h1 / h0, w1 / w0)
    new_h, new_w = max(round(h0 * gain), 1), max(round(w0 * gain), 1)
    pad_x = round((w1 - new_w) / 2 - ROUNDING_BIAS)
    pad_y = round((h1 - new_h) / 2 - ROUNDING_BIAS)
    return (new_h / h0, new_w / w0), (pad_x, pad_y)


def scale_boxes(
    img1_shape: Sequence[int],
    boxes: Points,
    img0_shape: Sequence[int],
    ratio_pad: RatioPad | None = None,
    padding: bool = True,
    xywh: bool = False,
) -> Points:
    """Move boxes (..., 4 or more) from the network input into the original image, in place.

    Args:
        img1_shape: height and width of the network input.
        boxes: pixel corners, or centre and size when `xywh` is set.
        img0_shape: height and width of the original image.
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) that replaces the computed geometry.
        padding: whether the input was padded at all.
        xywh: shift the centre only and do not clip; corners are clipped to the image.
    """
    (gain_y, gain_x), pad = _geometry(img1_shape, img0_shape, ratio_pad)
    if padding:
        for start, shift in enumerate(pad):
            boxes[..., start : 2 if xywh else 4 : 2] -= shift
    boxes[..., 0:4:2] /= gain_x
    boxes[..., 1:4:2] /= gain_y
    return boxes if xywh else clip_boxes(boxes, img0_shape)


def scale_rotated(
    img1_shape: Sequence[int],
    boxes_N5: Tensor,
    img0_shape: Sequence[int],
    ratio_pad: RatioPad | None = None,
) -> Tensor:
    """Rotated boxes xywhr of the network input in the original image, as a new tensor. Nothing is clipped.

    Sizes are divided by the gains and angles stay, as in `scale_boxes`. Where the gains of the axes differ by more than
    0.5 percent (small or very long images) that would miss the object; there a box becomes the rectangle that fits the
    parallelogram it covers: same centre and area, its axes midway between those of the sides.

    Args:
        img1_shape: height and width of the network input.
        boxes_N5: the boxes, angle in radians.
        img0_shape: height and width of the original image.
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) that replaces the computed geometry.
    """
    (gain_y, gain_x), (pad_x, pad_y) = _geometry(img1_shape, img0_shape, ratio_pad)
    gain_2, pad_2 = boxes_N5.new_tensor((gain_x, gain_y)), boxes_N5.new_tensor((pad_x, pad_y))
    centre_N2, shape_N3 = boxes_N5.split((2, 3), dim=-1)
    if abs(gain_x / gain_y - 1) > UNEVEN_GAINS:
        shape_N3 = _fitted(shape_N3, gain_2)
    else:
        shape_N3 = torch.cat((shape_N3[..., :2] / gain_2, shape_N3[..., 2:]), dim=-1)
    return torch.cat(((centre_N2 - pad_2) / gain_2, shape_N3), dim=-1)


def _fitted(shape_N3: Tensor, gain_2: Tensor) -> Tensor:
    """Width, height and angle of the rectangles that fit rotated ones divided by two gains."""
    width_N, height_N, angle_N = shape_N3.unbind(-1)
    cos, sin = angle_N.cos(), angle_N.sin()
    along_N2, across_N2 = (
        torch.stack((cos, sin), -1) / gain_2,
        torch.stack((-sin, cos), -1) / gain_2,
    )
    along_N, across_N = along_N2.norm(dim=-1), across_N2.norm(dim=-1)
    turned_N2 = torch.stack((across_N2[..., 1], -across_N2[..., 0]), dim=-1)  # a quarter turn back
    axis_N2 = along_N2 / along_N[..., None] + turned_N2 / across_N[..., None]
    turn_N = torch.atan2(
        cos * axis_N2[..., 1] - sin * axis_N2[..., 0], cos * axis_N2[..., 0] + sin * axis_N2[..., 1]
    )
    shrink_N = ((along_N2 * turned_N2).sum(-1) / (along_N * across_N)).sqrt()  # keeps the area
    sides = (width_N * along_N * shrink_N, height_N * across_N * shrink_N, angle_N + turn_N)
    return torch.stack(sides, dim=-1)


def scale_coords(
    img1_shape: Sequence[int],
    coords: Points,
    img0_shape: Sequence[int],
    ratio_pad: RatioPad | None = None,
    normalize: bool = False,
    padding: bool = True,
) -> Points:
    """Move points (..., 2 or more) from the network input into the original image, in place.

    Args:
        img1_shape: height and width of the network input.
        coords: x, y first on the last axis; further channels stay as they are.
        img0_shape: height and width of the original image.
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) that replaces the computed geometry.
        normalize: return fractions of the original size instead of pixels.
        padding: whether the input was padded at all.
    """
    gain, pad = _geometry(img1_shape, img0_shape, ratio_pad)
    for axis in (0, 1):
        if padding:
            coords[..., axis] -= pad[axis]
        coords[..., axis] /= gain[1 - axis]
    coords = clip_coords(coords, img0_shape)
    if normalize:
        coords[..., 0] /= img0_shape[1]
        coords[..., 1] /= img0_shape[0]
    return coords


def clip_boxes(boxes: Points, shape: Sequence[int]) -> Points:
    """Move corners into [0, width] x [0, height], in place."""
    _clamp(boxes[..., 0:4:2], shape[1])
    _clamp(boxes[..., 1:4:2], shape[0])
    return boxes


def clip_coords(coords: Points, shape: Sequence[int]) -> Points:
    """Move points into [0, width] x [0, height], in place."""
    _clamp(coords[..., 0], shape[1])
    _clamp(coords[..., 1], shape[0])
    return coords


def _clamp(view: Points, high: int) -> None:
    if isinstance(view, Tensor):
        view.clamp_(0, high)
    else:
        np.clip(view, 0, high, out=view)


def _geometry(
    network_hw: Sequence[int], original_hw: Sequence[int], given: RatioPad | None
) -> tuple[Sequence[float], Sequence[float]]:
    if given is None:
        return letterbox_geometry(network_hw, original_hw)
    return given[0], given[1]
