"""Detection: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.detect.predict import DetectionPredictor as DetectionPredictor
    from ultralytics.models.yolo.detect.train import DetectionTrainer as DetectionTrainer
    from ultralytics.models.yolo.detect.val import DetectionValidator as DetectionValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DetectionPredictor": "ultralytics.models.yolo.detect.predict",
        "DetectionTrainer": "ultralytics.models.yolo.detect.train",
        "DetectionValidator": "ultralytics.models.yolo.detect.val",
    },
)
