"""From letterboxed pictures to a network input.

Pictures are (h, w, c) BGR arrays of one size; the input is (B, c, h, w) RGB with values 0-1. The bytes are brought
into RGB order while they are gathered, so that the tensor is a view with the channel axis last in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

__all__ = ["as_input", "gather_rgb"]

Picture = np.ndarray[Any, Any]


def gather_rgb(pictures: Sequence[Picture]) -> Picture:
    """One (B, h, w, c) array; three channels are turned from BGR to RGB, other counts are kept."""
    first = pictures[0]
    if first.ndim == 3 and first.shape[2] == 3 and first.dtype == np.uint8:
        batch = np.empty((len(pictures), *first.shape), dtype=np.uint8)
        for picture, target in zip(pictures, batch, strict=True):
            cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=target)
        return batch
    stacked = np.stack([p if p.ndim == 3 else p[..., None] for p in pictures])
    return np.ascontiguousarray(stacked[..., ::-1]) if stacked.shape[-1] == 3 else stacked


def as_input(
    pictures: Sequence[Picture], device: torch.device, half: bool, channels_last: bool
) -> Tensor:
    """The network input of some pictures of one size.

    Args:
        pictures: letterboxed pictures.
        device: where the input is needed; bytes are moved before they are widened.
        half: float16 instead of float32.
        channels_last: keep the channel axis last in memory.
    """
    batch = torch.from_numpy(gather_rgb(pictures)).to(device).permute(0, 3, 1, 2)
    if not channels_last:
        batch = batch.contiguous()
    return batch.to(torch.float16 if half else torch.float32).div_(255)
