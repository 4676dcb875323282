"""Maps with one value per pixel: class ids (`SemanticMask`) and metres (`DepthMap`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.results.base import DenseMap

__all__ = ["DepthMap", "SemanticMask"]


class SemanticMask(DenseMap):
    """(H, W) class ids at the picture's size; 255 marks pixels without a class."""

    def counts(self) -> dict[int, int]:
        """Number of pixels per class id, ascending by id."""
        host = self.data.cpu().numpy() if isinstance(self.data, Tensor) else self.data
        ids, pixels = np.unique(host, return_counts=True)
        return {int(i): int(n) for i, n in zip(ids, pixels, strict=True)}


class DepthMap(DenseMap):
    """(H, W) metres at the picture's size; values of zero and below are not valid."""

    def valid(self) -> np.ndarray[Any, Any]:
        """Valid values as a flat array in main memory."""
        host = self.data.cpu().numpy() if isinstance(self.data, Tensor) else self.data
        flat: np.ndarray[Any, Any] = host[host > 0]
        return flat

    def statistics(self) -> dict[str, float]:
        """Minimum, maximum, mean and median in metres; empty when no pixel is valid."""
        values = self.valid()
        if not values.size:
            return {}
        return {
            "min": float(values.min()),
            "max": float(values.max()),
            "mean": float(values.mean()),
            "median": float(np.median(values)),
        }
