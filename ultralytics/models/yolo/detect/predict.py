"""Prediction of boxes: suppression, then back to the pixels of each picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.utils import nms, ops

__all__ = ["DetectionPredictor"]


class DetectionPredictor(BasePredictor):
    """Predictor of the detect task.

    Tasks built on it set `rotated` when boxes have an angle, and `has_columns` when something follows the class
    scores of a prediction.
    """

    rotated = False
    has_columns = False

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        """Results of a batch.

        Args:
            preds: output of the network.
            img: network input.
            orig_imgs: list of (h, w, c) BGR pictures, or the NCHW tensor that was the source.
            **kwargs: passed to `construct_results`.
        """
        args = self.args
        kept = nms.non_max_suppression(
            preds,
            args.conf,
            args.iou,
            args.classes,
            args.agnostic_nms,
            max_det=args.max_det,
            nc=len(self.model.names) if self.has_columns else 0,
            end2end=self.model.end2end,
            rotated=self.rotated,
        )
        assert isinstance(kept, list)  # indexes were not asked for
        return self.construct_results(kept, img, pictures_of(orig_imgs), **kwargs)

    def construct_results(
        self, preds: list[Tensor], img: Tensor, orig_imgs: Any, **kwargs: Any
    ) -> list[Results]:
        """One result per picture of a batch."""
        paths = self.batch[0]
        return [
            self.construct_result(pred, img, picture, path, **kwargs)
            for pred, picture, path in zip(preds, orig_imgs, paths, strict=True)
        ]

    def construct_result(
        self, pred: Tensor, img: Tensor, orig_img: np.ndarray[Any, Any], img_path: str
    ) -> Results:
        """The result of one picture; the rows are moved to its pixels in place.

        Args:
            pred: (N, 6 or more) rows [x1, y1, x2, y2, confidence, class] in pixels of the network input.
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        pred[:, :4] = ops.scale_boxes(img.shape[2:], pred[:, :4], orig_img.shape)
        return Results(orig_img, path=img_path, names=self.model.names, boxes=pred[:, :6])


def pictures_of(orig_imgs: Any) -> Any:
    """Pictures as (h, w, c) BGR uint8; those of a tensor source are converted."""
    if not isinstance(orig_imgs, Tensor):
        return orig_imgs
    return [
        np.ascontiguousarray(rgb[..., ::-1]) for rgb in ops.convert_torch2numpy_batch(orig_imgs)
    ]
