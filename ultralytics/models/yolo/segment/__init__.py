"""Instance segmentation: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.segment.predict import (
        SegmentationPredictor as SegmentationPredictor,
    )
    from ultralytics.models.yolo.segment.train import SegmentationTrainer as SegmentationTrainer
    from ultralytics.models.yolo.segment.val import SegmentationValidator as SegmentationValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "SegmentationPredictor": "ultralytics.models.yolo.segment.predict",
        "SegmentationTrainer": "ultralytics.models.yolo.segment.train",
        "SegmentationValidator": "ultralytics.models.yolo.segment.val",
    },
)
