"""A batch that is already a network input: NCHW, RGB, values 0-1, sides that are multiples of 32."""

from __future__ import annotations

import torch
from torch import Tensor

from ultralytics.data.sources.types import Batch, SourceTypes
from ultralytics.utils.logging import LOGGER

__all__ = ["LoadTensor"]

STRIDE = 32


class LoadTensor:
    """One batch made of a tensor; it is neither resized nor copied.

    Args:
        im0: (B, C, H, W); (C, H, W) is taken as one picture with a warning. Values above 1 are divided by 255 with
            a warning.

    Raises:
        ValueError: another rank, an empty axis, or sides that are no multiple of 32.
    """

    def __init__(self, im0: Tensor) -> None:
        self.im0 = self._single_check(im0)
        self.bs = len(self.im0)
        self.mode = "image"
        self.paths = [getattr(im0, "filename", f"image{index}.jpg") for index in range(self.bs)]
        self.count = 0
        self.source_type = SourceTypes(tensor=True)

    @staticmethod
    def _single_check(im: Tensor, stride: int = STRIDE) -> Tensor:
        if im.ndim == 3:
            LOGGER.warning(f"Input of shape {tuple(im.shape)} is taken as one picture of a batch.")
            im = im[None]
        if im.ndim != 4:
            raise ValueError(f"a tensor source must be (B, C, H, W), not {tuple(im.shape)}")
        if 0 in im.shape:
            raise ValueError(f"a tensor source must not be empty, its shape is {tuple(im.shape)}")
        if im.shape[2] % stride or im.shape[3] % stride:
            raise ValueError(
                f"height and width of a tensor source must be multiples of {stride}, "
                f"not {im.shape[2]} x {im.shape[3]}"
            )
        limit = 1.0 + (torch.finfo(im.dtype).eps if im.dtype.is_floating_point else 0.0)
        if im.max() > limit:
            LOGGER.warning(
                f"Tensor values up to {im.max().item():g} exceed 1; they are divided by 255."
            )
            im = im.float() / 255.0
        return im

    def __len__(self) -> int:
        return self.bs

    def __iter__(self) -> LoadTensor:
        self.count = 0
        return self

    def __next__(self) -> Batch:
        if self.count:
            raise StopIteration
        self.count = 1
        return self.paths, self.im0, [""] * self.bs
