"""Prediction of boxes with keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.utils import ops

__all__ = ["PosePredictor"]


class PosePredictor(DetectionPredictor):
    """Predictor of the pose task; its results hold `boxes` and `keypoints`."""

    has_columns = True
    recovers_suppressed = False  # a removed box would come without the rest of its result

    def construct_result(
        self, pred: Tensor, img: Tensor, orig_img: np.ndarray[Any, Any], img_path: str
    ) -> Results:
        """The result of one picture; keypoints are clipped to it.

        Args:
            pred: (N, 6 + K * D) rows [x1, y1, x2, y2, confidence, class, keypoints] in pixels of the network input.
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        result = super().construct_result(pred, img, orig_img, img_path)
        points = pred[:, 6:].reshape(len(pred), *self.model.kpt_shape)
        points = ops.scale_coords(img.shape[2:], points, orig_img.shape)
        result.update(keypoints=points)
        return result
