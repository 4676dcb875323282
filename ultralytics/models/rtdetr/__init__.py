"""RT-DETR: facade, trainer, validator and predictor."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.rtdetr.model import RTDETR as RTDETR
    from ultralytics.models.rtdetr.predict import RTDETRPredictor as RTDETRPredictor
    from ultralytics.models.rtdetr.train import RTDETRTrainer as RTDETRTrainer
    from ultralytics.models.rtdetr.val import RTDETRValidator as RTDETRValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "RTDETR": "ultralytics.models.rtdetr.model",
        "RTDETRPredictor": "ultralytics.models.rtdetr.predict",
        "RTDETRTrainer": "ultralytics.models.rtdetr.train",
        "RTDETRValidator": "ultralytics.models.rtdetr.val",
    },
)
