"""Prediction of instances."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.models.yolo.detect import DetectionPredictor

__all__ = ["SegmentationPredictor"]


class SegmentationPredictor(DetectionPredictor):
    """Predictor of the segment task."""

    has_columns = True

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        """Results of a batch; see the base class."""
        return super().postprocess(preds[0], img, orig_imgs, **kwargs)
