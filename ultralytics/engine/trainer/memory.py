"""Device memory: how much is in use, and which batch size fits.

Specification chapter 40, section 7 (AutoBatch) and section 21.
"""

from __future__ import annotations

import gc
import math
from copy import deepcopy
from typing import Protocol

import numpy as np
import torch
from torch import nn

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.precision import Precision
from ultralytics.utils.torch_utils.wrapping import unwrap_model

__all__ = [
    "DEFAULT_BATCH",
    "DEFAULT_FRACTION",
    "DeviceMemory",
    "Meter",
    "auto_batch",
    "clear",
    "reserved",
]

DEFAULT_BATCH = 16
DEFAULT_FRACTION = 0.6
MAX_BATCH = 1024
PROBES = (1, 2, 4, 8, 16)
LARGE_PROBES = (32, 64)  # tried on devices with at least
LARGE_GIB = 16.0
GIB = 1 << 30


def reserved(device: torch.device, fraction: bool = False) -> float:
    """Memory held by the allocator in GiB, or its share of the device; 0 on a CPU."""
    if device.type == "cuda":
        used = torch.cuda.memory_reserved(device)
        total = torch.cuda.get_device_properties(device).total_memory
    elif device.type == "mps":
        used = torch.mps.driver_allocated_memory()
        total = torch.mps.recommended_max_memory()
    else:
        return 0.0
    return used / total if fraction else used / GIB


def clear(device: torch.device, threshold: float | None = None) -> None:
    """Collect garbage and release cached blocks, if more than the threshold share is in use."""
    if device.type == "cpu":
        return
    if threshold is not None and reserved(device, fraction=True) <= threshold:
        return
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Meter(Protocol):
    """What measuring needs of a device; all in GiB."""

    total: float

    def reserved(self) -> float:
        """Memory that this process holds."""

    def available(self) -> float:
        """Memory that this process holds or could get."""

    def clear(self) -> None:
        """Give back what is not in use."""


class DeviceMemory:
    """The memory of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.total = torch.cuda.get_device_properties(device).total_memory / GIB

    def reserved(self) -> float:
        """Memory held by the allocator."""
        return reserved(self.device)

    def available(self) -> float:
        """The same, and what no process holds."""
        return torch.cuda.mem_get_info(self.device)[0] / GIB + self.reserved()

    def clear(self) -> None:
        """Collect garbage and release cached blocks."""
        clear(self.device)


def auto_batch(
    model: nn.Module,
    imgsz: int,
    fraction: float,
    precision: Precision,
    max_num_obj: int = 0,
    dataset_size: int = 0,
    meter: Meter | None = None,
) -> int:
    """Batch size that uses a share of the device memory, from a line through a few measured sizes.

    Args:
        model: network on its device; wrappers are taken off, and nothing of it changes.
        imgsz: side of the square input in pixels.
        fraction: share of the memory to use, of what other processes leave.
        precision: arithmetic of the forward pass.
        max_num_obj: labels in the fullest image, which cost the assigner memory.
        dataset_size: upper limit of the batch; 0 for none.
        meter: how to measure; that of the device when not given.

    Returns:
        The batch; 16 on devices without measurable memory.

    Raises:
        RuntimeError: not even one image fits.
    """
    model = unwrap_model(model)
    device = next(model.parameters()).device
    limit = min(MAX_BATCH, dataset_size or MAX_BATCH)
    if meter is None:
        if device.type != "cuda" or torch.backends.cudnn.benchmark:
            batch = min(DEFAULT_BATCH, limit)
            LOGGER.warning(f"batch below 1 needs CUDA memory to measure; using batch={batch}.")
            return batch
        meter = DeviceMemory(device)
    sizes = PROBES + (LARGE_PROBES if meter.total >= LARGE_GIB else ())
    # A copy, because the probe images would move the statistics of the normalisation layers.
    copied = deepcopy(model).train()
    points, failed = _measure(
        copied, imgsz, [s for s in sizes if s <= limit], precision, max_num_obj, meter
    )
    del copied
    meter.clear()
    if not points:
        raise RuntimeError(
            f"not one image fits the device at imgsz={imgsz}; choose a smaller imgsz or model"
        )
    batch = fit(points, meter.available() * fraction)
    if failed is not None and batch >= failed:
        batch = max(size for size, _ in points)
    batch = int(np.clip(batch, points[0][0], limit))
    LOGGER.info(
        f"batch={batch} should use about {fraction:.0%} of {meter.total:.1f} GiB; measured: "
        + ", ".join(f"{size} images {used:.2f} GiB" for size, used in points)
        + (f"; {failed} did not fit" if failed is not None else "")
    )
    return batch


def fit(points: list[tuple[int, float]], budget: float) -> int:
    """Batch at which the least-squares line through (batch, GiB) points meets a budget in GiB."""
    if len(points) < 2:
        return points[0][0]
    slope, offset = np.polyfit([p[0] for p in points], [p[1] for p in points], deg=1)
    return int((budget - offset) / slope + 1e-6) if slope > 0 else points[-1][0]


def _measure(
    model: nn.Module,
    imgsz: int,
    sizes: list[int],
    precision: Precision,
    max_num_obj: int,
    meter: Meter,
) -> tuple[list[tuple[int, float]], int | None]:
    """Batches with the memory of a forward and backward pass, and the batch that did not fit."""
    weight = next(p for p in model.parameters() if p.ndim == 4)
    strides = [int(s) for s in model.stride.tolist()]  # type: ignore[operator]
    anchors = sum(math.ceil(imgsz / s) ** 2 for s in strides)
    classes = len(getattr(model, "names", ())) or 1
    if imgsz <= max(strides):  # normalisation needs two values of a channel
        sizes = [size for size in sizes if size > 1]
    points: list[tuple[int, float]] = []
    for size in sizes:
        meter.clear()
        try:
            image = torch.zeros(size, weight.shape[1], imgsz, imgsz, device=weight.device)
            with precision.autocast():
                output = model(image)
            _sum_of(output).backward()
            used = meter.reserved()
        except torch.cuda.OutOfMemoryError:
            used = math.inf
        model.zero_grad()
        if used == math.inf:  # handled out here: the exception keeps the tensors of the pass alive
            return points, size
        if max_num_obj:  # tasks without objects assign none
            used += size * anchors * 6 * (max_num_obj + 2 * classes) * 4 / GIB
        if used >= meter.total:
            return points, size
        if used > (points[-1][1] if points else 0):
            points.append((size, used))
    return points, None


def _sum_of(output: object) -> torch.Tensor:
    if isinstance(output, torch.Tensor):
        return output.float().sum()
    parts = output.values() if isinstance(output, dict) else output
    sums = [_sum_of(part) for part in parts if part is not None]  # type: ignore[attr-defined]
    return torch.stack(sums).sum()
