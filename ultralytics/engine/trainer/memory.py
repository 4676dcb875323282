"""Device memory: how much is in use, and which batch size fits.

Specification chapter 40, section 7 (AutoBatch) and section 21.
"""

from __future__ import annotations

import gc
import math
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.precision import Precision

__all__ = ["DEFAULT_BATCH", "DEFAULT_FRACTION", "auto_batch", "clear", "reserved"]

DEFAULT_BATCH = 16
DEFAULT_FRACTION = 0.6
MAX_BATCH = 1024
PROBES = (1, 2, 4, 8, 16)
LARGE_PROBES = (32, 64)  # tried on devices with 16 GiB or more
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


def auto_batch(
    model: nn.Module,
    imgsz: int,
    fraction: float,
    precision: Precision,
    max_num_obj: int = 0,
    dataset_size: int = 0,
) -> int:
    """Batch size that uses a share of the device memory, from a line through a few measured sizes.

    Args:
        model: network on its device.
        imgsz: side of the square input in pixels.
        fraction: share of the memory to use.
        precision: arithmetic of the forward pass.
        max_num_obj: labels in the fullest image, which cost the assigner memory.
        dataset_size: upper limit of the batch; 0 for none.

    Returns:
        The batch; 16 on devices without measurable memory.
    """
    device = next(model.parameters()).device
    if device.type != "cuda" or torch.backends.cudnn.benchmark:
        LOGGER.warning(f"batch below 1 needs CUDA memory to measure; using batch={DEFAULT_BATCH}.")
        return min(DEFAULT_BATCH, dataset_size or DEFAULT_BATCH)
    total = torch.cuda.get_device_properties(device).total_memory / GIB
    sizes = PROBES + (LARGE_PROBES if total >= 16 else ())
    sizes = tuple(s for s in sizes if s <= (dataset_size or MAX_BATCH))
    # A copy, because the probe images would move the statistics of the normalisation layers.
    points, failed = _measure(deepcopy(model), imgsz, sizes, precision, max_num_obj, total)
    if not points:
        raise RuntimeError("no batch size fits the device; choose a smaller imgsz or model")
    free = total - reserved(device)
    batch = fit(points, free * fraction)
    if failed is not None and batch >= failed:
        batch = max(size for size, _ in points)
    batch = int(np.clip(batch, points[0][0], min(MAX_BATCH, dataset_size or MAX_BATCH)))
    LOGGER.info(f"batch={batch} should use about {fraction:.0%} of {total:.1f} GiB")
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
    sizes: tuple[int, ...],
    precision: Precision,
    max_num_obj: int,
    total: float,
) -> tuple[list[tuple[int, float]], int | None]:
    device = next(model.parameters()).device
    strides = [int(s) for s in model.stride.tolist()]  # type: ignore[operator]
    anchors = sum(math.ceil(imgsz / s) ** 2 for s in strides)
    classes = len(getattr(model, "names", ())) or 1
    points: list[tuple[int, float]] = []
    for size in sizes:
        clear(device)
        try:
            image = torch.zeros(size, 3, imgsz, imgsz, device=device)
            with precision.autocast():
                output = model(image)
            _sum_of(output).backward()
            used = reserved(device)
        except torch.cuda.OutOfMemoryError:
            model.zero_grad()
            return points, size
        model.zero_grad()
        used += size * anchors * 6 * (max_num_obj + 2 * classes) * 4 / GIB
        if 0 < used < total and (not points or used > points[-1][1]):
            points.append((size, used))
    return points, None


def _sum_of(output: object) -> torch.Tensor:
    if isinstance(output, torch.Tensor):
        return output.float().sum()
    parts = output.values() if isinstance(output, dict) else output
    sums = [_sum_of(part) for part in parts if part is not None]  # type: ignore[attr-defined]
    return torch.stack(sums).sum()
