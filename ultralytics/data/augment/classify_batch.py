"""The classification pipelines applied to a whole batch: same draws, same pixels, less work.

Pictures of a batch are written side by side as bytes and become floats in one step, and normalisation by zero mean and
unit deviation is left out. Policies look their table of strengths up instead of building it for every operation.
Shapes: B pictures, C channels, S pixels per side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.collate import batch_memory

__all__ = ["BatchPipeline"]

POLICIES = ("RandAugment", "AutoAugment", "AugMix")
Step = Callable[[Any], Any]  # Any: PIL images and tensors


class BatchPipeline:
    """A pipeline that ends in conversion to floats, split into its steps before and after."""

    def __init__(self, steps: list[Step], erase: Step | None, channels: int) -> None:
        self._steps = [_with_table(step) for step in steps]
        self._erase = erase
        self._channels = channels

    @classmethod
    def of(cls, transforms: Any, size: int, channels: int) -> BatchPipeline | None:
        """The same pipeline for batches, or None when it is not built as `augment.classify` does.

        Args:
            transforms: a torchvision `Compose`.
            size: side S of the pictures that leave it.
            channels: of the pictures, 1 or 3.
        """
        from torchvision import transforms as T

        steps = list(getattr(transforms, "transforms", ()))
        kinds = [type(step) for step in steps]
        erase = steps.pop() if steps and kinds[-1] is T.RandomErasing else None
        if kinds[len(steps) - 2 : len(steps)] != [T.ToTensor, T.Normalize]:
            return None
        normalize, first = steps[-1], steps[0]
        is_neutral = not any(np.ravel(normalize.mean)) and all(np.ravel(normalize.std) == 1)
        sides = first.size if isinstance(getattr(first, "size", None), (tuple, list)) else (size,)
        is_blank = erase is None or (erase.value == 0 and erase.inplace)
        if not (is_neutral and is_blank and channels in (1, 3) and set(sides) == {size}):
            return None
        return cls(steps[:-2], erase, channels)

    def __call__(self, pictures: Iterable[Any], count: int, size: int) -> Tensor:
        """Floats (B, C, S, S) in [0, 1], channels last in memory.

        Args:
            pictures: PIL images, taken one by one, so that the giver may set the random state for each.
            count: how many there are.
            size: side S.
        """
        block = np.empty((count, size, size, self._channels), np.uint8)
        planes = torch.from_numpy(block).permute(0, 3, 1, 2)
        for i, picture in enumerate(pictures):
            for step in self._steps:
                picture = step(picture)
            block[i] = np.asarray(picture).reshape(size, size, self._channels)
            if self._erase is not None:
                self._erase(planes[i])
        floats = batch_memory(block.shape, torch.float32)
        floats.copy_(torch.from_numpy(block)).div_(255)
        return floats.permute(0, 3, 1, 2)


def _with_table(step: Any) -> Any:  # Any: torchvision is untyped
    """A policy that remembers its table of strengths; other steps as they are."""
    if type(step).__name__ not in POLICIES or not hasattr(step, "_augmentation_space"):
        return step
    quick = copy.copy(step)
    quick._augmentation_space = cache(step._augmentation_space)
    return quick
