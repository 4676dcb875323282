"""Model families and their facades."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo.model import YOLO as YOLO

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"YOLO": "ultralytics.models.yolo.model"},
    later={
        "FastSAM": "SAM models are",
        "NAS": "YOLO-NAS models are",
        "RTDETR": "RT-DETR models are",
        "SAM": "SAM models are",
        "YOLOE": "open-vocabulary models are",
        "YOLOWorld": "open-vocabulary models are",
    },
)
