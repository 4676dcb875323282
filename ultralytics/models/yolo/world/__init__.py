"""YOLO-World: facade and validator."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.world.model import YOLOWorld as YOLOWorld
    from ultralytics.models.yolo.world.val import WorldValidator as WorldValidator

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "WorldValidator": "ultralytics.models.yolo.world.val",
        "YOLOWorld": "ultralytics.models.yolo.world.model",
    },
    later={"WorldTrainer": "training of YOLO-World models is"},
)
