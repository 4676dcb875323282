"""The training pipeline in one piece for data sets with class maps: ids go where their pixels go.

An output pixel takes the id of the canvas pixel nearest to the point its colour is interpolated at, so image and map
agree in every mode of the pipeline; what no patch covers is 255.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ultralytics.data.augment.fast import (
    FastDetectPipeline,
    NumpyRandom,
    Patch,
    Pixels,
    Placing,
    PythonRandom,
)
from ultralytics.data.augment.mosaic import IGNORE, paste

__all__ = ["FastSemanticPipeline"]

Indexes = npt.NDArray[np.int64]


class FastSemanticPipeline(FastDetectPipeline):
    """Index to finished training sample of a data set with class maps.

    Samples hold `img`, `semantic_mask` (S, S) int32, and what the ordinary path says about the image and its mask.
    """

    label_flags = frozenset({"use_class_maps"})

    def __call__(
        self,
        index: int,
        rng: PythonRandom = random,
        np_rng: NumpyRandom = np.random,
        pool: Sequence[int] | None = None,
        out: Tensor | None = None,
    ) -> dict[str, Any]:
        """Make one sample; arguments as the base class."""
        sample = super().__call__(index, rng, np_rng, pool, out)
        sample.pop("resized_shape")
        return {**sample, **self.dataset.mask_facts(index)}

    def objects(self, patches: list[Patch], placing: Placing) -> dict[str, Tensor]:
        """The class map of a sample."""
        matrix = placing.matrix
        if matrix[0, 1] == 0 and matrix[1, 0] == 0:
            ids = self._gathered(patches, placing)
        else:
            ids = self._warped(patches, placing)
        return {"semantic_mask": torch.from_numpy(ids.astype(np.int32))}

    def _map_of(self, patch: Patch) -> Pixels:
        ids: Pixels = self.dataset.class_map(patch.number, patch.image.shape[:2])
        return ids

    def _gathered(self, patches: list[Patch], placing: Placing) -> Pixels:
        """Rows and columns picked out of the maps, mirrored ones in reverse; nothing is drawn twice."""
        matrix, (upside_down, mirrored) = placing.matrix, placing.flip
        xs = _sources(matrix[0, 0], matrix[0, 2], self.imgsz, mirrored)
        ys = _sources(matrix[1, 1], matrix[1, 2], self.imgsz, upside_down)
        width, height = canvas_size(patches, placing)
        ids = np.full((self.imgsz, self.imgsz), IGNORE, np.uint8)
        for patch in patches:
            h, w = patch.image.shape[:2]
            columns = _within(xs, max(patch.left, 0), min(patch.left + w, width))
            rows = _within(ys, max(patch.top, 0), min(patch.top + h, height))
            if columns.start < columns.stop and rows.start < rows.stop:
                picked = self._map_of(patch).take(ys[rows] - patch.top, axis=0)
                ids[rows, columns] = picked.take(xs[columns] - patch.left, axis=1)
        return ids

    def _warped(self, patches: list[Patch], placing: Placing) -> Pixels:
        """Maps side by side on the canvas, moved as the pixels are."""
        width, height = canvas_size(patches, placing)
        canvas = np.full((height, width), IGNORE, np.uint8)
        for patch in patches:
            paste(canvas, self._map_of(patch), patch.left, patch.top)
        ids = cv2.warpAffine(
            canvas,
            placing.matrix[:2].astype(np.float64),
            (self.imgsz, self.imgsz),
            flags=cv2.INTER_NEAREST,
            borderValue=IGNORE,
        )
        for axis, wanted in enumerate(placing.flip):
            if wanted:
                ids = np.flip(ids, axis)
        return np.asarray(ids, np.uint8)


def canvas_size(patches: list[Patch], placing: Placing) -> tuple[int, int]:
    """Width and height of the canvas: that of the mosaic, or of the single image."""
    if placing.canvas is not None:
        return placing.canvas
    height, width = patches[0].image.shape[:2]
    return width, height


def _sources(scale: float, shift: float, side: int, mirrored: bool) -> Indexes:
    """Canvas pixel nearest to the source of each output pixel along one axis."""
    places = np.floor((np.arange(side) - float(shift)) / float(scale) + 0.5).astype(np.int64)
    return places[::-1] if mirrored else places


def _within(places: Indexes, low: int, high: int) -> slice:
    """The run of monotone places that fall into [low, high)."""
    inside = np.flatnonzero((places >= low) & (places < high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)
