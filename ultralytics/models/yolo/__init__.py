"""The YOLO family: one package per task, and the facade."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo import detect as detect
    from ultralytics.models.yolo.model import YOLO as YOLO

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "YOLO": "ultralytics.models.yolo.model",
        "detect": "ultralytics.models.yolo.detect:",
    },
)
