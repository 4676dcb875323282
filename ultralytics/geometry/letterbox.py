"""From letterboxed network input back to the original image, and clipping of coordinates.

A letterbox scales by one factor, rounds the scaled size to whole pixels (so the true gains of the
two axes differ a little) and pads around it. Shapes are (height, width[, channels]). The functions
change their argument and return it, because callers of this interface rely on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

__all__ = ["clip_boxes", "clip_coords", "letterbox_geometry", "scale_boxes", "scale_coords"]

# Any: arrays of every float dtype are accepted
Points = TypeVar("Points", Tensor, "np.ndarray[Any, Any]")
RatioPad = Sequence[Sequence[float]]  # ((gain_y, gain_x), (pad_x, pad_y))

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
