"""Maps with one value per pixel: class ids (`SemanticMask`) and metres (`DepthMap`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results.base import Array, DenseMap
from ultralytics.utils.files import atomic_write

__all__ = ["DepthMap", "SemanticMask", "write_map"]


IGNORE = 255


class SemanticMask(DenseMap):
    """(H, W) class ids at the picture's size; 255 marks pixels without a class."""

    def ids(self) -> list[int]:
        """Class ids that occur, ascending."""
        return [index for index in self.counts() if index != IGNORE]

    def masks(self) -> Array:
        """One uint8 mask (n, H, W) per class that occurs, in the order of `ids`."""
        if isinstance(self.data, Tensor):
            wanted = torch.tensor(self.ids(), dtype=self.data.dtype, device=self.data.device)
            return (self.data[None] == wanted[:, None, None]).to(torch.uint8)
        found = np.asarray(self.ids(), self.data.dtype)
        return (self.data[None] == found[:, None, None]).astype(np.uint8)

    def save(self, file: str | Path) -> Path:
        """Write the ids as a one-channel PNG, 16 bits deep where an id needs it; returns the path.

        Read back, such a file is a mask for training.
        """
        data = self.data.cpu().numpy() if isinstance(self.data, Tensor) else self.data
        return write_map(file, data)

    def counts(self) -> dict[int, int]:
        """Number of pixels per class id, ascending by id."""
        host = self.data.cpu().numpy() if isinstance(self.data, Tensor) else self.data
        if host.dtype == np.uint8:  # counting beats sorting
            pixels = np.bincount(host.ravel())
            return {int(i): int(pixels[i]) for i in np.flatnonzero(pixels)}
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


def write_map(file: str | Path, ids: np.ndarray[Any, Any]) -> Path:
    """Write class ids (H, W) as a PNG of 8 or, for ids above 255, of 16 bits; missing folders are created.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(file)
    deep = ids.dtype != np.uint8 and bool((ids > IGNORE).any())
    done, data = cv2.imencode(".png", ids.astype(np.uint16 if deep else np.uint8))
    if not done:
        raise OSError(f"class map {target} cannot be encoded")
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, data.tobytes())
    return target
