"""YOLOE: facade, predictors with visual prompts, and validators."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.yoloe.model import YOLOE as YOLOE
    from ultralytics.models.yolo.yoloe.predict import (
        YOLOEVPDetectPredictor as YOLOEVPDetectPredictor,
    )
    from ultralytics.models.yolo.yoloe.predict import YOLOEVPSegPredictor as YOLOEVPSegPredictor
    from ultralytics.models.yolo.yoloe.val import YOLOEDetectValidator as YOLOEDetectValidator
    from ultralytics.models.yolo.yoloe.val import YOLOESegValidator as YOLOESegValidator

_TRAINERS = (
    "YOLOEPEFreeTrainer",
    "YOLOEPESegTrainer",
    "YOLOEPETrainer",
    "YOLOESegTrainer",
    "YOLOESegTrainerFromScratch",
    "YOLOESegVPTrainer",
    "YOLOETrainer",
    "YOLOETrainerFromScratch",
    "YOLOEVPTrainer",
)

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "YOLOE": "ultralytics.models.yolo.yoloe.model",
        "YOLOEDetectValidator": "ultralytics.models.yolo.yoloe.val",
        "YOLOESegValidator": "ultralytics.models.yolo.yoloe.val",
        "YOLOEVPDetectPredictor": "ultralytics.models.yolo.yoloe.predict",
        "YOLOEVPSegPredictor": "ultralytics.models.yolo.yoloe.predict",
    },
    later=dict.fromkeys(_TRAINERS, "training of YOLOE models is"),
)
