"""Validator of rotated boxes: probiou in place of IoU, and the files of the DOTA benchmark.

Boxes are xywhr in pixels of the network input, angle in radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.validator import Batch
from ultralytics.geometry.letterbox import scale_boxes
from ultralytics.geometry.rotated import batch_probiou, xywhr2xyxyxyxy
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.records import image_id
from ultralytics.models.yolo.detect.val import Prediction
from ultralytics.utils.metrics.detection import OBBMetrics

__all__ = ["OBBValidator"]


class OBBValidator(DetectionValidator):
    """Measures a network of rotated boxes. Arguments are those of the base class."""

    rotated = True
    has_columns = True
    measures_coco = False
    lowest_conf = 0.01

    def __init__(
        self,
        dataloader: Any = None,  # Any: see BaseValidator
        save_dir: str | Path | None = None,
        args: Any = None,
        _callbacks: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dataloader, save_dir, args, _callbacks)
        self.args.task = "obb"
        self.metrics = OBBMetrics()

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 5) xywhr, conf and cls of every image, best first."""
        found = super().postprocess(preds)
        return [{**x, "bboxes": torch.cat((x["bboxes"], x.pop("extra")), dim=1)} for x in found]

    def _target_boxes(self, boxes: Tensor, height: int, width: int) -> Tensor:
        return boxes * torch.tensor([width, height, width, height, 1])

    def _overlap(self, targets: Tensor, found: Tensor) -> Tensor:
        return batch_probiou(targets, found)

    def scale_preds(self, predn: Prediction, pbatch: Batch) -> Prediction:
        """Predictions in pixels of the original image, not clipped to it; the given ones are left alone."""
        boxes = predn["bboxes"].clone()
        ratio_pad = pbatch["ratio_pad"]
        scale_boxes(pbatch["imgsz"], boxes, pbatch["ori_shape"], ratio_pad=ratio_pad, xywh=True)
        return {**predn, "bboxes": boxes}

    def save_one_txt(
        self, predn: Prediction, save_conf: bool, shape: tuple[int, int], file: Path
    ) -> None:
        """Write the label file of one image: class, four normalised corners, and confidence if wanted."""
        from ultralytics.engine.results import Results

        rows = [predn["bboxes"], predn["conf"][:, None], predn["cls"][:, None]]
        blank = np.zeros((int(shape[0]), int(shape[1])), dtype=np.uint8)
        result = Results(blank, path="", names=self.names, obb=torch.cat(rows, dim=1))
        result.save_txt(file, save_conf=save_conf)

    def pred_to_json(self, preds: Prediction, batch: Batch) -> None:
        """Add the scaled predictions of one image to `jdict`: `rbox` is xywhr, `poly` its corners x1, y1 ... y4."""
        path = Path(batch["im_file"])
        boxes = preds["bboxes"].double()
        corners = xywhr2xyxyxyxy(boxes).flatten(1)
        found = zip(
            boxes.tolist(),
            corners.tolist(),
            preds["conf"].tolist(),
            preds["cls"].tolist(),
            strict=True,
        )
        for box, poly, score, cls in found:
            self.jdict.append(
                {
                    "image_id": image_id(path),
                    "file_name": path.name,
                    "category_id": self.class_map[int(cls)],
                    "score": round(score, 5),
                    "rbox": [round(value, 3) for value in box],
                    "poly": [round(value, 3) for value in poly],
                }
            )
