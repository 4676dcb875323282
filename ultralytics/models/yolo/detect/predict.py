"""Prediction of boxes: suppression, then back to the pixels of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.prediction.tile_merge import Piece, merge_detections
from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.utils import nms, ops

__all__ = ["DetectionPredictor"]

LOOSE_IOU = 0.95  # overlap that is still allowed when a tracker looks at what suppression removed


class DetectionPredictor(BasePredictor):
    """Predictor of the detect task.

    Tasks built on it set `rotated` when boxes have an angle, `has_columns` when something follows the class scores of
    a prediction, and `recovers_suppressed` when a tracker may be shown what suppression removed.
    """

    rotated = False
    has_columns = False
    trackable = True
    tileable = True
    multi_label = False  # a box may be of several classes, as in a validation
    recovers_suppressed = True

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        """Results of a batch.

        Args:
            preds: output of the network.
            img: network input.
            orig_imgs: list of (h, w, c) BGR pictures, or the NCHW tensor that was the source.
            **kwargs: passed to `construct_results`.
        """
        kept, anchors = self._suppressed(preds, self.args.iou)
        pictures = pictures_of(orig_imgs)
        results = self.construct_results(kept, img, pictures, **kwargs)
        if self.observer is not None:
            loose = None
            if self.observer.recovers and not self.model.end2end:
                more, _ = self._suppressed(preds, LOOSE_IOU)
                loose = self.construct_results(more, img, pictures, **kwargs)
            self.observer.watch(results, anchors, loose)
        return results

    def _suppressed(self, preds: Any, iou: float) -> tuple[list[Tensor], list[Tensor]]:
        """Detections of every image and their anchor numbers."""
        args = self.args
        found: Any = nms.non_max_suppression(  # Any: two lists, as numbers are asked for
            preds,
            args.conf,
            iou,
            args.classes,
            args.agnostic_nms,
            self.multi_label,
            max_det=args.max_det,
            nc=len(self.model.names) if self.has_columns else 0,
            end2end=self.model.end2end,
            rotated=self.rotated,
            return_idxs=True,
        )
        return found

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

    def merge_tiles(
        self, pieces: Sequence[Piece], picture: np.ndarray[Any, Any]
    ) -> tuple[Results, dict[str, Any]]:
        """Result of a picture from those of its windows, and what a tracker wants to know of it."""
        return merge_detections(pieces, picture, self.args.agnostic_nms, self.args.max_det)


def pictures_of(orig_imgs: Any) -> Any:
    """Pictures as (h, w, c) BGR uint8; those of a tensor source are converted."""
    if not isinstance(orig_imgs, Tensor):
        return orig_imgs
    return [
        np.ascontiguousarray(rgb[..., ::-1]) for rgb in ops.convert_torch2numpy_batch(orig_imgs)
    ]
