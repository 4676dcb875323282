"""Prediction with RT-DETR: pictures are stretched to the input, and nothing is suppressed."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.models.rtdetr.rows import select_rows
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.utils import ops

__all__ = ["RTDETRPredictor"]


class RTDETRPredictor(DetectionPredictor):
    """Predictor of RT-DETR; `iou` and `agnostic_nms` have no effect."""

    scale_fill = True
    recovers_suppressed = False

    def _suppressed(self, preds: Any, iou: float) -> tuple[list[Tensor], list[Tensor]]:
        return select_rows(preds, self.args.conf, self.args.classes, self.args.max_det)

    def construct_result(
        self, pred: Tensor, img: Tensor, orig_img: np.ndarray[Any, Any], img_path: str
    ) -> Results:
        """The result of one picture.

        Args:
            pred: (N, 6) rows [x1, y1, x2, y2 as fractions, confidence, class].
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        height, width = orig_img.shape[:2]
        boxes = pred.clone()
        boxes[:, :4] *= boxes.new_tensor([width, height, width, height])
        ops.clip_boxes(boxes[:, :4], (height, width))
        return Results(orig_img, path=img_path, names=self.model.names, boxes=boxes)
