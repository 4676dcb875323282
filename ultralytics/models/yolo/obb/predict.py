"""Prediction of rotated boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.geometry.letterbox import scale_rotated
from ultralytics.geometry.rotated import wrap_angles
from ultralytics.models.yolo.detect import DetectionPredictor

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
            pred: (N, 7) rows [cx, cy, w, h, confidence, class, angle] in pixels of the network input. Boxes are
                not clipped to the picture; their angles are brought to [-pi/4, 3 pi/4).
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        boxes = torch.cat((pred[:, :4], pred[:, -1:]), dim=1)
        boxes = wrap_angles(scale_rotated(img.shape[2:], boxes, orig_img.shape))
        obb = torch.cat((boxes, pred[:, 4:6]), dim=1)
        return Results(orig_img, path=img_path, names=self.model.names, obb=obb)
