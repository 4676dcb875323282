"""Box, mask and polygon operations under their public names, plus a few small helpers.

The mathematics lives in `ultralytics.geometry`; this module is its public home and adds a stage
timer, text cleaning and rounding to multiples.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.geometry.boxes import (
    ltwh2xywh,
    ltwh2xyxy,
    xywh2ltwh,
    xywh2xyxy,
    xywhn2xyxy,
    xyxy2ltwh,
    xyxy2xywh,
    xyxy2xywhn,
)
from ultralytics.geometry.letterbox import clip_boxes, clip_coords, scale_boxes, scale_coords
from ultralytics.geometry.masks import (
    crop_mask,
    masks2segments,
    process_mask,
    process_mask_native,
    scale_masks,
)
from ultralytics.geometry.rotated import regularize_rboxes, xywhr2xyxyxyxy, xyxyxyxy2xywhr
from ultralytics.geometry.segments import resample_segments, segment2box, segments2boxes

__all__ = [
    "Profile",
    "clean_str",
    "clip_boxes",
    "clip_coords",
    "convert_torch2numpy_batch",
    "crop_mask",
    "empty_like",
    "linear_sum_assignment",
    "ltwh2xywh",
    "ltwh2xyxy",
    "make_divisible",
    "masks2segments",
    "process_mask",
    "process_mask_native",
    "regularize_rboxes",
    "resample_segments",
    "scale_boxes",
    "scale_coords",
    "scale_masks",
    "segment2box",
    "segments2boxes",
    "xywh2ltwh",
    "xywh2xyxy",
    "xywhn2xyxy",
    "xywhr2xyxyxyxy",
    "xyxy2ltwh",
    "xyxy2xywh",
    "xyxy2xywhn",
    "xyxyxyxy2xywhr",
]

Array = np.ndarray[Any, Any]  # Any: every dtype
_UNSAFE = "!#$%&()*+,:;<=>?@^`|" + "\u00a1\u00a8\u00b4\u00b7\u00bf\u20ac"
_CLEAN = str.maketrans(dict.fromkeys(_UNSAFE, "_"))


class Profile(contextlib.ContextDecorator):
    """Stage timer: seconds of the last block in `dt`, their sum in `t`.

    Work queued on an accelerator is waited for on entry and on leaving, when a device is given.
    """

    def __init__(self, t: float = 0.0, device: torch.device | str | None = None) -> None:
        self.t = t
        self.device = torch.device(device) if isinstance(device, str) else device
        self.start = 0.0
        self.dt = 0.0

    def __enter__(self) -> Profile:
        self.start = self.time()
        return self

    def __exit__(self, *_: object) -> None:
        self.dt = self.time() - self.start
        self.t += self.dt

    def __str__(self) -> str:
        return f"Elapsed time is {self.t} s"

    def time(self) -> float:
        """Seconds of a monotonic clock, after the device has finished its queue."""
        kind = self.device.type if self.device is not None else "cpu"
        if kind in {"cuda", "mps", "xpu", "npu"}:
            module = getattr(torch, kind)
            module.synchronize() if kind == "mps" else module.synchronize(self.device)
        return time.perf_counter()


def make_divisible(x: float, divisor: int | Tensor) -> int:
    """Smallest multiple of the divisor (the largest of a tensor of them) that is not below x."""
    step = int(divisor.max()) if isinstance(divisor, Tensor) else divisor
    return math.ceil(x / step) * step


def clean_str(s: str) -> str:
    """Text with the characters that file names and window titles cannot carry replaced by "_"."""
    return s.translate(_CLEAN)


def convert_torch2numpy_batch(batch: Tensor) -> Array:
    """A float (B, C, H, W) batch in [0, 1] as uint8 (B, H, W, C) images; fractions are cut off."""
    images = (batch.permute(0, 2, 3, 1).contiguous() * 255).clamp(0, 255).to(torch.uint8)
    return images.cpu().numpy()


def empty_like(x: Tensor | Array) -> Tensor | Array:
    """Uninitialised float32 values in the shape of a tensor or array."""
    if isinstance(x, Tensor):
        return torch.empty_like(x, dtype=torch.float32)
    return np.empty_like(x, dtype=np.float32)


def linear_sum_assignment(cost_matrix: Array | Sequence[Sequence[float]]) -> tuple[Array, Array]:
    """Rows (ascending) and columns of the cheapest one-to-one matching, min(N, M) pairs long.

    Raises:
        ValueError: the matrix holds no feasible matching.
    """
    from scipy.optimize import linear_sum_assignment as solve

    return solve(np.asarray(cost_matrix, dtype=np.float64))
