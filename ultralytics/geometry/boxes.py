"""Conversions between the notations of an axis-aligned box.

xyxy = corners, xywh = centre and size, ltwh = left top corner and size; a trailing n means
fractions of the image. Tensors and arrays are both taken (last axis 4) and come back as the same
kind, new memory. Shape suffix: `_X4` = any leading shape, four coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "ltwh2xywh",
    "ltwh2xyxy",
    "xywh2ltwh",
    "xywh2xyxy",
    "xywhn2xyxy",
    "xyxy2ltwh",
    "xyxy2xywh",
    "xyxy2xywhn",
]

# Any: numpy arrays carry their dtype in the type, and every float or integer dtype is accepted here
Boxes = TypeVar("Boxes", Tensor, "np.ndarray[Any, Any]")


def xyxy2xywh(x: Boxes) -> Boxes:
    """Corners to centre and size. Lists become float32 arrays, integers become floats."""
    box_X4 = _floats(x)
    x1, y1, x2, y2 = _columns(box_X4)
    return _join(box_X4, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


def xywh2xyxy(x: Boxes) -> Boxes:
    """Centre and size to corners. Lists become float32 arrays, integers become floats."""
    box_X4 = _floats(x)
    if isinstance(box_X4, Tensor):
        centre_X2, half_X2 = box_X4[..., :2], box_X4[..., 2:] / 2
        return torch.cat((centre_X2 - half_X2, centre_X2 + half_X2), dim=-1)
    centre, half = box_X4[..., :2], box_X4[..., 2:] / 2
    return np.concatenate((centre - half, centre + half), axis=-1)


def xywh2ltwh(x: Boxes) -> Boxes:
    """Centre and size to left top corner and size."""
    box_X4 = _floats(x)
    cx, cy, w, h = _columns(box_X4)
    return _join(box_X4, cx - w / 2, cy - h / 2, w, h)


def ltwh2xywh(x: Boxes) -> Boxes:
    """Left top corner and size to centre and size."""
    box_X4 = _floats(x)
    left, top, w, h = _columns(box_X4)
    return _join(box_X4, left + w / 2, top + h / 2, w, h)


def xyxy2ltwh(x: Boxes) -> Boxes:
    """Corners to left top corner and size; exact on integers, whose type is kept."""
    x1, y1, x2, y2 = _columns(x)
    return _join(x, x1, y1, x2 - x1, y2 - y1)


def ltwh2xyxy(x: Boxes) -> Boxes:
    """Left top corner and size to corners; exact on integers, whose type is kept."""
    left, top, w, h = _columns(x)
    return _join(x, left, top, left + w, top + h)


def xywhn2xyxy(x: Boxes, w: int = 640, h: int = 640, padw: float = 0, padh: float = 0) -> Boxes:
    """Fractions of a w x h image to pixel corners, moved right and down by the padding."""
    box_X4 = _floats(x)
    cx, cy, bw, bh = _columns(box_X4)
    return _join(
        box_X4,
        w * (cx - bw / 2) + padw,
        h * (cy - bh / 2) + padh,
        w * (cx + bw / 2) + padw,
        h * (cy + bh / 2) + padh,
    )


def xyxy2xywhn(x: Boxes, w: int = 640, h: int = 640, clip: bool = False, eps: float = 0.0) -> Boxes:
    """Pixel corners to fractions of a w x h image.

    Args:
        x: corners; changed in place when `clip` is set.
        w: image width in pixels.
        h: image height in pixels.
        clip: first move the corners into [0, w - eps] x [0, h - eps].
        eps: what is kept free at the right and bottom border, in pixels.
    """
    if clip:
        for start, limit in ((0, w - eps), (1, h - eps)):
            x[..., start::2] = x[..., start::2].clip(0, limit)
    x1, y1, x2, y2 = _columns(box_X4 := _floats(x))
    return _join(box_X4, (x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)


def _floats(x: Boxes | Sequence[float]) -> Boxes:
    """The argument as a float tensor or array with four coordinates."""
    if isinstance(x, Tensor):
        box: Any = x if x.is_floating_point() else x.float()  # Any: the union narrows per branch
    else:
        array = np.asarray(x, dtype=None if isinstance(x, np.ndarray) else np.float32)
        box = array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)
    if box.shape[-1] != 4:
        message = f"input shape last dimension expected 4 but input shape is {box.shape}"
        raise AssertionError(message)  # the class that callers of this interface know
    return box


def _columns(x: Boxes) -> tuple[Boxes, Boxes, Boxes, Boxes]:
    return x[..., 0], x[..., 1], x[..., 2], x[..., 3]


def _join(like: Boxes, *columns: Boxes) -> Boxes:
    if isinstance(like, Tensor):
        return torch.stack(columns, dim=-1)
    joined: Boxes = np.stack(columns, axis=-1)
    if np.issubdtype(like.dtype, np.floating):
        return joined.astype(like.dtype, copy=False)  # NumPy 1 widens single numbers
    return joined
