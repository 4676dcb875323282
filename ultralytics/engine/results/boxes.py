"""Boxes of detections: axis-aligned (`Boxes`) and rotated (`OBB`), in pixels of the original picture.

The last two columns are always confidence and class; a tracked set has the track id just before them. All columns
share one dtype, so ids and classes are whole floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results.base import Array, BaseTensor, divided
from ultralytics.utils import ops

__all__ = ["OBB", "Boxes"]


class _Rows(BaseTensor):
    """Rows of [geometry..., (track id), confidence, class]."""

    plain_width = 6

    def __init__(self, boxes: Array, orig_shape: tuple[int, int]) -> None:
        if boxes.ndim == 1:
            boxes = boxes[None, :]
        width = boxes.shape[-1]
        if width not in (self.plain_width, self.plain_width + 1):
            raise AssertionError(
                f"expected {self.plain_width} or {self.plain_width + 1} values but got {width}"
            )
        super().__init__(boxes, orig_shape)
        self.is_track = width == self.plain_width + 1

    @property
    def conf(self) -> Array:
        """Confidence per row, (N,)."""
        return self.data[:, -2]

    @property
    def cls(self) -> Array:
        """Class index per row, (N,), stored as floats."""
        return self.data[:, -1]

    @property
    def id(self) -> Array | None:
        """Track id per row, (N,), or None for an untracked set."""
        return self.data[:, -3] if self.is_track else None


class Boxes(_Rows):
    """Axis-aligned boxes.

    Args:
        boxes: (N, 6) rows [x1, y1, x2, y2, confidence, class] or (N, 7) with the track id in column 4;
            one row may come without its batch axis.
        orig_shape: (height, width) of the picture.

    Raises:
        AssertionError: rows of another width.
    """

    plain_width = 6

    @property
    def xyxy(self) -> Array:
        """Corners in pixels, (N, 4)."""
        return self.data[:, :4]

    @cached_property
    def xywh(self) -> Array:
        """Centre, width and height in pixels, (N, 4)."""
        return ops.xyxy2xywh(self.xyxy)  # type: ignore[type-var]  # tensor or array

    @cached_property
    def xyxyn(self) -> Array:
        """Corners as fractions of the picture, (N, 4)."""
        return self._fractions(self.xyxy)

    @cached_property
    def xywhn(self) -> Array:
        """Centre, width and height as fractions of the picture, (N, 4)."""
        return self._fractions(self.xywh)

    def _fractions(self, values: Array) -> Array:
        height, width = self.orig_shape
        return divided(values, width, height)

    def __iter__(self) -> Iterator[Boxes]:
        """Rows as (1, n) sets, cut from a single copy in main memory."""
        data = self.cpu().data
        rows = data.split(1) if isinstance(data, Tensor) else np.split(data, len(data) or 1)
        for values in rows[: len(data)]:
            row = object.__new__(type(self))  # checked already as a set
            row.data, row.orig_shape, row.is_track = values, self.orig_shape, self.is_track
            yield row


class OBB(_Rows):
    """Rotated boxes.

    Angles are radians; positive ones turn +x towards +y, clockwise on screen, and w lies along the turned x axis. Those
    of predictions lie in [-pi/4, 3 pi/4); `ops.regularize_rboxes` brings them to [0, pi/2).

    Args:
        boxes: (N, 7) rows [cx, cy, w, h, angle, confidence, class] or (N, 8) with the track id in
            column 5; w may be smaller than h.
        orig_shape: (height, width) of the picture.

    Raises:
        AssertionError: rows of another width.
    """

    plain_width = 7

    @property
    def xywhr(self) -> Array:
        """Centre, width, height in pixels and angle in radians, (N, 5)."""
        return self.data[:, :5]

    @cached_property
    def xyxyxyxy(self) -> Array:
        """Corners in pixels, (N, 4, 2), in the order c+a+b, c+a-b, c-a-b, c-a+b.

        a and b are the half axes along width and height.
        """
        return ops.xywhr2xyxyxyxy(self.xywhr)  # type: ignore[type-var]  # tensor or array

    @cached_property
    def xyxyxyxyn(self) -> Array:
        """Corners as fractions of the picture, (N, 4, 2)."""
        height, width = self.orig_shape
        return divided(self.xyxyxyxy, width, height)

    @cached_property
    def xyxy(self) -> Array:
        """Enclosing axis-aligned boxes in pixels, (N, 4)."""
        corners = self.xyxyxyxy
        if isinstance(corners, Tensor):
            return torch.cat((corners.amin(dim=1), corners.amax(dim=1)), dim=-1)
        return np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=-1)
