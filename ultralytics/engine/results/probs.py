"""Class probabilities of a whole picture, one value per class."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.results.base import Array, BaseTensor

__all__ = ["Probs"]


class Probs(BaseTensor):
    """Probabilities (classes,); its length is the number of classes."""

    def __init__(self, probs: Array, orig_shape: tuple[int, int] | None = None) -> None:
        super().__init__(probs, orig_shape)  # type: ignore[arg-type]  # a picture size is optional here

    @cached_property
    def top1(self) -> int:
        """Index of the most probable class."""
        return int(self.data.argmax())

    @cached_property
    def top5(self) -> list[int]:
        """Indexes of up to five classes, most probable first."""
        if isinstance(self.data, Tensor):
            return [int(index) for index in (-self.data).argsort(0)[:5].tolist()]
        return [int(index) for index in np.argsort(-self.data)[:5].tolist()]

    @cached_property
    def top1conf(self) -> Any:  # Any: 0-d tensor or NumPy scalar, as the data
        """Probability of the most probable class."""
        return self.data[self.top1]

    @cached_property
    def top5conf(self) -> Array:
        """Probabilities of `top5`, in that order."""
        return self.data[self.top5]
