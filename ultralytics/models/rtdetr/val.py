"""Validation of RT-DETR on images that are stretched to the input."""

from __future__ import annotations

from typing import Any

from ultralytics.data import build_yolo_dataset
from ultralytics.data.dataset import YOLODataset
from ultralytics.models.rtdetr.predict import RTDETRPredictor
from ultralytics.models.rtdetr.rows import select_rows
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.val import Prediction

__all__ = ["RTDETRDataset", "RTDETRValidator"]


class RTDETRDataset(YOLODataset):
    """Detection data whose images are stretched to a square; there are no rectangular batches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as the base class
        super().__init__(*args, **{**kwargs, "rect": False})

    def load_image(self, i: int, rect_mode: bool = False, resize_short: bool = False) -> Any:
        """Image i stretched to imgsz x imgsz, with its original and its new (height, width)."""
        return super().load_image(i, rect_mode=rect_mode, resize_short=resize_short)

    def _loading_mode(self) -> tuple[bool, bool]:
        return False, False


class RTDETRValidator(DetectionValidator):
    """Measures an RT-DETR network. Arguments are those of the base class."""

    tile_predictor = RTDETRPredictor

    def build_dataset(self, img_path: Any, mode: str = "val", batch: int | None = None) -> Any:
        """Data set of a split, without augmentation."""
        return build_yolo_dataset(
            self.args,
            img_path,
            batch or self.args.batch,
            self.data,
            mode=mode,
            stride=self.stride or 32,
            kind=RTDETRDataset,
        )

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 4) xyxy in pixels of the input, conf and cls of every image, best first."""
        rows, _ = select_rows(preds, self.args.conf, self.args.classes, self.args.max_det)
        side = self.args.imgsz
        return [
            {"bboxes": x[:, :4] * side, "conf": x[:, 4], "cls": x[:, 5], "extra": x[:, 6:]}
            for x in rows
        ]
