"""Semantic segmentation under the name of the users' pages; its classes are those of the package `semantic`."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.semantic import (
        SemanticSegmentationPredictor as SemanticSegmentationPredictor,
    )
    from ultralytics.models.yolo.semantic import (
        SemanticSegmentationTrainer as SemanticSegmentationTrainer,
    )
    from ultralytics.models.yolo.semantic import (
        SemanticSegmentationValidator as SemanticSegmentationValidator,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        f"SemanticSegmentation{role}": "ultralytics.models.yolo.semantic"
        for role in ("Predictor", "Trainer", "Validator")
    },
)
