"""Classification: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.classify.predict import (
        ClassificationPredictor as ClassificationPredictor,
    )
    from ultralytics.models.yolo.classify.train import (
        ClassificationTrainer as ClassificationTrainer,
    )
    from ultralytics.models.yolo.classify.val import (
        ClassificationValidator as ClassificationValidator,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ClassificationPredictor": "ultralytics.models.yolo.classify.predict",
        "ClassificationTrainer": "ultralytics.models.yolo.classify.train",
        "ClassificationValidator": "ultralytics.models.yolo.classify.val",
    },
)
