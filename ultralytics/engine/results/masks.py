"""Instance masks and their outlines.

Masks are (N, h, w) at any resolution; outlines are float32 (K, 2) points in pixels of the original picture, reached
through the letterbox geometry between the mask grid and the picture.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from ultralytics.engine.results.base import Array, BaseTensor, divided
from ultralytics.utils import ops

__all__ = ["Masks"]

Points = np.ndarray[Any, np.dtype[np.float32]]


class Masks(BaseTensor):
    """Masks of a picture's instances.

    Args:
        masks: (N, h, w), or (h, w) for one.
        orig_shape: (height, width) of the picture.
    """

    def __init__(self, masks: Array, orig_shape: tuple[int, int]) -> None:
        super().__init__(masks[None, :] if masks.ndim == 2 else masks, orig_shape)

    @cached_property
    def xy(self) -> list[Points]:
        """Outline of each mask in pixels, holes filled; (0, 2) for an empty mask."""
        grid = self.data.shape[1:]
        return [
            ops.scale_coords(grid, points, self.orig_shape)
            for points in ops.masks2segments(self.data)
        ]

    @cached_property
    def xyn(self) -> list[Points]:
        """Outline of each mask as fractions of the picture."""
        height, width = self.orig_shape
        return [np.asarray(divided(points, width, height)) for points in self.xy]

    def at_picture_size(self) -> Array:
        """Masks as booleans on the picture's own pixels."""
        if tuple(self.data.shape[1:]) == tuple(self.orig_shape):
            return self.data > 0.5
        scaled = ops.scale_masks(torch.as_tensor(self.data)[None].float(), self.orig_shape)[0]
        return scaled > 0.5
