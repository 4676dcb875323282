"""Prediction of one class per picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.augment import classify_transforms
from ultralytics.data.augment.classify import as_picture
from ultralytics.engine.prediction.tile_merge import Piece, merge_probabilities
from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.models.yolo.detect.predict import pictures_of

__all__ = ["ClassificationPredictor"]


class ClassificationPredictor(BasePredictor):
    """Predictor of the classify task. Pictures are resized and cropped, not padded."""

    tileable = True

    def setup_source(self, source: Any, stride: int | None = None) -> None:
        """Open a source; the transforms are those of the network, unless their size differs from `imgsz`."""
        super().setup_source(source, stride)
        stored = getattr(self.model.base_model, "transforms", None) if self.model.pt else None
        if stored is not None and _size_of(stored) in (None, tuple(self.imgsz)):
            self.transforms = stored
        else:
            size = tuple(self.imgsz)
            self.transforms = classify_transforms(size, channels=self.model.channels)

    def preprocess(self, im: Any) -> Tensor:
        """Network input (B, c, h, w) of a list of (h, w, c) BGR pictures, or of a ready tensor."""
        assert self.device is not None  # set with the model
        if not isinstance(im, Tensor):
            im = torch.stack([self.transforms(as_picture(_with_axis(one))) for one in im])
        return im.to(self.device).to(torch.float16 if self.model.fp16 else torch.float32)

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any) -> list[Results]:
        """Results with `probs`, one per picture.

        Args:
            preds: probabilities (B, classes), or these and the logits.
            img: network input.
            orig_imgs: list of (h, w, c) BGR pictures, or the NCHW tensor that was the source.
        """
        rows = preds[0] if isinstance(preds, (list, tuple)) else preds
        names = self.model.names
        return [
            Results(picture, path=path, names=names, probs=row.clone())
            for row, picture, path in zip(rows, pictures_of(orig_imgs), self.batch[0], strict=True)
        ]

    def merge_tiles(
        self, pieces: Sequence[Piece], picture: np.ndarray[Any, Any]
    ) -> tuple[Results, dict[str, Any]]:
        """Result of a picture: the mean of its windows' probabilities."""
        return merge_probabilities(pieces, picture)


def _size_of(transforms: Any) -> tuple[int, int] | None:  # Any: a torchvision pipeline
    """Height and width that the first step resizes to; None when it does not say."""
    steps = getattr(transforms, "transforms", None)
    size = getattr(steps[0], "size", None) if steps else None
    if isinstance(size, int):
        return size, size
    if isinstance(size, (list, tuple)) and len(size) in (1, 2):
        return int(size[0]), int(size[-1])
    return None


def _with_axis(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return picture if picture.ndim == 3 else picture[..., None]
