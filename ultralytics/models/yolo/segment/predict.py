"""Prediction of instances: boxes, and a mask in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.geometry.masks import masks_with_pixels, process_mask, process_mask_native
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.segment.masks import split_outputs
from ultralytics.utils import ops

__all__ = ["SegmentationPredictor"]


class SegmentationPredictor(DetectionPredictor):
    """Predictor of the segment task.

    Masks have the size of the network input, or with `retina_masks` that of the picture. Detections whose mask has no
    pixel are left out; a picture without detections has no masks at all.
    """

    has_columns = True
    recovers_suppressed = False  # a removed box would come without the rest of its result

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        """Results of a batch; see the base class."""
        rows, protos = split_outputs(preds)
        return super().postprocess(rows, img, orig_imgs, protos=protos, **kwargs)

    def construct_results(
        self, preds: list[Tensor], img: Tensor, orig_imgs: Any, **kwargs: Any
    ) -> list[Results]:
        """One result per picture of a batch, from its rows and its entry of `protos`."""
        protos, paths = kwargs["protos"], self.batch[0]
        return [
            self.construct_result(pred, img, picture, path, proto)
            for pred, picture, path, proto in zip(preds, orig_imgs, paths, protos, strict=True)
        ]

    def construct_result(
        self,
        pred: Tensor,
        img: Tensor,
        orig_img: np.ndarray[Any, Any],
        img_path: str,
        proto: Tensor | None = None,
    ) -> Results:
        """The result of one picture; the rows are moved to its pixels in place.

        Args:
            pred: (N, 6 + nm) rows [x1, y1, x2, y2, confidence, class, coefficients] in pixels of the network input.
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
            proto: (nm, mh, mw) prototypes.
        """
        network_hw, picture_hw = tuple(img.shape[2:]), orig_img.shape[:2]
        masks = None
        native = bool(self.args.retina_masks)
        if not native and len(pred) and proto is not None:
            masks, pred = self._masks(pred, proto, network_hw)
        pred[:, :4] = ops.scale_boxes(network_hw, pred[:, :4], orig_img.shape)
        if native and len(pred) and proto is not None:
            masks, pred = self._masks(pred, proto, picture_hw)
        boxes = pred[:, :6]
        return Results(orig_img, path=img_path, names=self.model.names, boxes=boxes, masks=masks)

    def _masks(self, pred: Tensor, proto: Tensor, size_hw: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Masks of one picture, and the rows they belong to."""
        maps = (proto, pred[:, 6:], pred[:, :4], size_hw)
        native = bool(self.args.retina_masks)
        if self.observer is not None and self.observer.looks:  # has a feature for every row
            return process_mask_native(*maps) if native else process_mask(
                *maps, upsample=True
            ), pred
        masks, kept = masks_with_pixels(*maps, native=native)
        return masks, pred[kept]
