"""Predictor of the count task."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.models.yolo.detect.predict import pictures_of


class CountResults(Results):
    """A result with a number.

    Attributes:
        count: objects on the picture.
    """

    count: float = 0.0

    def verbose(self) -> str:
        return f"{self.count:.1f} objects, "


class CountPredictor(BasePredictor):
    """Counts the objects of pictures."""

    def postprocess(self, preds: Tensor, img: Tensor, orig_imgs: Any) -> list[CountResults]:
        found = []
        for value, picture, path in zip(
            preds.tolist(), pictures_of(orig_imgs), self.batch[0], strict=True
        ):
            result = CountResults(picture, path=path, names=self.model.names)
            result.count = value
            found.append(result)
        return found
