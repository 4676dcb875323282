"""Model families and their facades."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.rtdetr.model import RTDETR as RTDETR
    from ultralytics.models.yolo.model import YOLO as YOLO
    from ultralytics.models.yolo.world.model import YOLOWorld as YOLOWorld
    from ultralytics.models.yolo.yoloe.model import YOLOE as YOLOE

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "RTDETR": "ultralytics.models.rtdetr.model",
        "YOLO": "ultralytics.models.yolo.model",
        "YOLOE": "ultralytics.models.yolo.yoloe.model",
        "YOLOWorld": "ultralytics.models.yolo.world.model",
    },
    later={
        "FastSAM": "SAM models are",
        "NAS": "YOLO-NAS models are",
        "SAM": "SAM models are",
    },
)
