"""Prediction of rotated boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.utils import ops

__all__ = ["OBBPredictor"]


class OBBPredictor(DetectionPredictor):
    """Predictor of the obb task; its results hold `obb`."""

    rotated = True
    has_columns = True

    def construct_result(
        self, pred: Tensor, img: Tensor, orig_img: np.ndarray[Any, Any], img_path: str
    ) -> Results:
        """The result of one picture.

        Args:
            pred: (N, 7) rows [cx, cy, w, h, confidence, class, angle] in pixels of the network input; moved to
                the picture in place. Boxes are not clipped, and angles stay those of the head.
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        pred[:, :4] = ops.scale_boxes(img.shape[2:], pred[:, :4], orig_img.shape, xywh=True)
        obb = torch.cat((pred[:, :4], pred[:, -1:], pred[:, 4:6]), dim=1)
        return Results(orig_img, path=img_path, names=self.model.names, obb=obb)
