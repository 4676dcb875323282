"""Semantic segmentation: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.semantic.predict import (
        SemanticSegmentationPredictor as SemanticSegmentationPredictor,
    )
    from ultralytics.models.yolo.semantic.train import (
        SemanticSegmentationTrainer as SemanticSegmentationTrainer,
    )
    from ultralytics.models.yolo.semantic.val import (
        SemanticSegmentationValidator as SemanticSegmentationValidator,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "SemanticSegmentationPredictor": "ultralytics.models.yolo.semantic.predict",
        "SemanticSegmentationTrainer": "ultralytics.models.yolo.semantic.train",
        "SemanticSegmentationValidator": "ultralytics.models.yolo.semantic.val",
    },
)
