"""Validator of boxes with keypoints: keypoint similarity (OKS) beside box overlap.

Objects count as filling 0.53 of their box, here in pixels of the network input as the interface defines it, and in the
COCO evaluation in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.keypoints import check_keypoints, keypoint_shape
from ultralytics.engine.tiled_validation import from_original
from ultralytics.engine.validator import Batch
from ultralytics.errors import DatasetError
from ultralytics.geometry.keypoints import AREA_SHARE, coco_oks, kpt_iou, oks_sigmas
from ultralytics.geometry.letterbox import scale_boxes, scale_coords
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.val import Prediction
from ultralytics.models.yolo.pose.predict import PosePredictor
from ultralytics.utils.metrics.coco import (
    CocoEvaluator,
    CocoNumbers,
    CocoPoseEvaluator,
    OverlapEvaluator,
    evaluate_files,
)
from ultralytics.utils.metrics.coco_pose import evaluate_pose_files, point_areas
from ultralytics.utils.metrics.detection import DetMetrics, PoseMetrics

__all__ = ["PoseValidator"]


class PoseValidator(DetectionValidator):
    """Measures a pose network. Arguments are those of the base class.

    `kpt_shape` and `sigma` (K,) are those of the data set.

    Raises:
        DescriptionKeyError, DescriptionValueError: what the data set says about keypoints is unusable.
        DatasetError: its keypoints are not those of the network.
    """

    task = "pose"
    has_columns = True
    metric_type: type[DetMetrics] = PoseMetrics
    label_keys = (*DetectionValidator.label_keys, "keypoints")
    host_keys = (*DetectionValidator.host_keys, "keypoints")
    drawn_keys = (*DetectionValidator.drawn_keys, "keypoints")
    coco_kinds: ClassVar[Mapping[str, type[OverlapEvaluator]]] = {
        "B": CocoEvaluator,
        "P": CocoPoseEvaluator,
    }
    file_judges: ClassVar[Mapping[str, Callable[..., CocoNumbers]]] = {
        "bbox": evaluate_files,
        "keypoints": evaluate_pose_files,
    }
    tile_predictor = PosePredictor
    annotation_file = "person_keypoints_val2017.json"

    def _check_data(self) -> Any:
        data = super()._check_data()
        check_keypoints(data)
        return data

    def init_metrics(self, model: Any) -> None:
        """Also shape and tolerances of the keypoints."""
        super().init_metrics(model)
        self.kpt_shape = keypoint_shape(self.data)
        own = getattr(model, "kpt_shape", None)
        if own is not None and tuple(own) != self.kpt_shape:
            raise DatasetError(
                f"{self.args.data} has keypoints of shape {list(self.kpt_shape)}, the network of shape {list(own)}"
            )
        self.sigma = oks_sigmas(self.kpt_shape, self.data.get("kpt_oks_sigmas"))

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 4) xyxy, conf, cls and keypoints (N, K, D) of every image, best first."""
        found = super().postprocess(preds)
        return [
            {**x, "keypoints": x.pop("extra").reshape(len(x["conf"]), *self.kpt_shape)}
            for x in found
        ]

    def _of_result(self, result: Any, pred: Prediction, size_hw: Any, ratio_pad: Any) -> Prediction:
        found = super()._of_result(result, pred, size_hw, ratio_pad)
        points = result.keypoints.data.clone()
        moved = scale_coords(result.orig_shape, points, size_hw, from_original(ratio_pad))
        return {**found, "keypoints": moved}

    def _prepare_batch(self, si: int, batch: Batch) -> Batch:
        """Also labelled keypoints (G, K, 3) in pixels of the network input."""
        prepared = super()._prepare_batch(si, batch)
        height, width = prepared["imgsz"]
        points = batch["keypoints"][batch["batch_idx"] == si].clone()
        points[..., :2] *= torch.tensor([width, height], dtype=points.dtype)
        return {**prepared, "keypoints": points}

    def _process_batch(self, preds: Prediction, batch: Batch) -> dict[str, Any]:
        """tp (N, 10) by boxes and tp_p (N, 10) by keypoints."""
        matches = super()._process_batch(preds, batch)
        if not len(batch["cls"]) or not len(preds["cls"]):
            return {**matches, "tp_p": np.zeros((len(preds["cls"]), self.niou), dtype=bool)}
        size = batch["bboxes"][:, 2:] - batch["bboxes"][:, :2]
        area = AREA_SHARE * size.prod(dim=1)
        overlap = kpt_iou(batch["keypoints"], preds["keypoints"], area, self.sigma)
        found = self.match_predictions(preds["cls"], batch["cls"], overlap)
        return {**matches, "tp_p": found.numpy()}

    def scale_preds(self, predn: Prediction, pbatch: Batch) -> Prediction:
        """Predictions in pixels of the original image; the given ones are left alone."""
        scaled = super().scale_preds(predn, pbatch)
        return {**scaled, "keypoints": self._on_original(predn["keypoints"], pbatch)}

    @staticmethod
    def _on_original(points: Tensor, pbatch: Batch) -> Tensor:
        moved = points.clone()
        scale_coords(pbatch["imgsz"], moved, pbatch["ori_shape"], ratio_pad=pbatch["ratio_pad"])
        return moved

    def _add_to_coco(self, scaled: Prediction, pbatch: Batch) -> None:
        super()._add_to_coco(scaled, pbatch)
        geometry = (pbatch["imgsz"], pbatch["bboxes"].clone(), pbatch["ori_shape"])
        boxes = scale_boxes(*geometry, ratio_pad=pbatch["ratio_pad"]).double().numpy()
        known = self._on_original(pbatch["keypoints"], pbatch).double().numpy()
        found = scaled["keypoints"].double().numpy()
        areas = AREA_SHARE * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        self._coco["P"].add_overlaps(
            scaled["conf"].numpy(),
            scaled["cls"].numpy(),
            point_areas(found),
            pbatch["cls"].numpy(),
            areas,
            coco_oks(known, boxes, areas, found, self.sigma),
            ignore_G=~(known[..., 2] > 0).any(axis=1),
        )

    def _result_fields(self, predn: Prediction) -> dict[str, Any]:
        return {**super()._result_fields(predn), "keypoints": predn["keypoints"]}

    def _json_rows(self, preds: Prediction, batch: Batch) -> list[dict[str, Any]]:
        rows = super()._json_rows(preds, batch)
        points = preds["keypoints"].flatten(1).tolist()
        return [{**row, "keypoints": flat} for row, flat in zip(rows, points, strict=True)]
