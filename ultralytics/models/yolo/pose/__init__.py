"""Pose: trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.pose.predict import PosePredictor as PosePredictor
    from ultralytics.models.yolo.pose.train import PoseTrainer as PoseTrainer
    from ultralytics.models.yolo.pose.val import PoseValidator as PoseValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "PosePredictor": "ultralytics.models.yolo.pose.predict",
        "PoseTrainer": "ultralytics.models.yolo.pose.train",
        "PoseValidator": "ultralytics.models.yolo.pose.val",
    },
)
