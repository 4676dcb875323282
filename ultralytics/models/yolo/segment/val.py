"""Validator of instance segmentation."""

from __future__ import annotations

from typing import Any

from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.val import Prediction

__all__ = ["SegmentationValidator"]


class SegmentationValidator(DetectionValidator):
    """Measures the boxes of a segmentation network. Arguments are those of the base class."""

    task = "segment"
    has_columns = True

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 4) xyxy, conf, cls and mask coefficients of every image, best first."""
        return super().postprocess(preds[0])
