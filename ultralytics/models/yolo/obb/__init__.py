"""Rotated boxes: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.obb.predict import OBBPredictor as OBBPredictor
    from ultralytics.models.yolo.obb.train import OBBTrainer as OBBTrainer
    from ultralytics.models.yolo.obb.val import OBBValidator as OBBValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "OBBPredictor": "ultralytics.models.yolo.obb.predict",
        "OBBTrainer": "ultralytics.models.yolo.obb.train",
        "OBBValidator": "ultralytics.models.yolo.obb.val",
    },
)
