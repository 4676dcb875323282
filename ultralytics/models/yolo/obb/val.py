"""Validator of rotated boxes: probiou in place of IoU, and the files of the DOTA benchmark.

Boxes are xywhr in pixels of the network input, angle in radians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ultralytics.engine.tiled_validation import from_original
from ultralytics.engine.validator import Batch
from ultralytics.geometry.letterbox import scale_rotated
from ultralytics.geometry.rotated import batch_probiou, wrap_angles, xywhr2xyxyxyxy
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.records import image_id
from ultralytics.models.yolo.detect.val import Prediction
from ultralytics.models.yolo.obb.merge import merge_tiles, write_dota_files
from ultralytics.models.yolo.obb.predict import OBBPredictor
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.coco import CocoNumbers, OverlapEvaluator
from ultralytics.utils.metrics.detection import DetMetrics, OBBMetrics

__all__ = ["OBBValidator"]


class OBBValidator(DetectionValidator):
    """Measures a network of rotated boxes. Arguments are those of the base class.

    With `save_json`, a split whose path contains "DOTA" also gets the files its benchmark asks for: one per class in
    predictions_txt, and in predictions_merged_txt those of whole images, put together from tiles.
    """

    task = "obb"
    rotated = True
    has_columns = True
    metric_type: type[DetMetrics] = OBBMetrics
    coco_kinds: ClassVar[Mapping[str, type[OverlapEvaluator]]] = {}
    file_judges: ClassVar[Mapping[str, Callable[..., CocoNumbers]]] = {}
    lowest_conf = 0.01
    tile_predictor = OBBPredictor

    def init_metrics(self, model: Any) -> None:
        """As for boxes; sets `is_dota`."""
        super().init_metrics(model)
        folder = self.data.get(self.args.split, "")
        self.is_dota = isinstance(folder, str) and "DOTA" in folder

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 5) xywhr, conf and cls of every image, best first."""
        found = super().postprocess(preds)
        return [{**x, "bboxes": torch.cat((x["bboxes"], x.pop("extra")), dim=1)} for x in found]

    def _of_result(self, result: Any, pred: Prediction, size_hw: Any, ratio_pad: Any) -> Prediction:
        boxes = (result.orig_shape, result.obb.xywhr, size_hw, from_original(ratio_pad))
        moved = wrap_angles(scale_rotated(*boxes))
        return {"bboxes": moved, "conf": result.obb.conf, "cls": result.obb.cls}

    def _target_boxes(self, boxes: Tensor, height: int, width: int) -> Tensor:
        return boxes * torch.tensor([width, height, width, height, 1])

    def _overlap(self, targets: Tensor, found: Tensor) -> Tensor:
        return batch_probiou(targets, found)

    def scale_preds(self, predn: Prediction, pbatch: Batch) -> Prediction:
        """Predictions in pixels of the original image, not clipped to it; the given ones are left alone."""
        geometry = (pbatch["imgsz"], predn["bboxes"], pbatch["ori_shape"], pbatch["ratio_pad"])
        return {**predn, "bboxes": wrap_angles(scale_rotated(*geometry))}

    def _result_fields(self, predn: Prediction) -> dict[str, Any]:
        rows = [predn["bboxes"], predn["conf"][:, None], predn["cls"][:, None]]
        return {"obb": torch.cat(rows, dim=1)}

    def _json_rows(self, preds: Prediction, batch: Batch) -> list[dict[str, Any]]:
        """Rows whose `rbox` is xywhr and whose `poly` holds its corners x1, y1 ... y4."""
        path = Path(batch["im_file"])
        boxes = preds["bboxes"].double()
        corners = xywhr2xyxyxyxy(boxes).flatten(1)
        columns = (boxes, corners, preds["conf"], preds["cls"])
        return [
            {
                "image_id": image_id(path),
                "file_name": path.name,
                "category_id": self.class_map[int(cls)],
                "score": round(score, 5),
                "rbox": [round(value, 3) for value in box],
                "poly": [round(value, 3) for value in poly],
            }
            for box, poly, score, cls in zip(*(c.tolist() for c in columns), strict=True)
        ]

    def eval_json(self, stats: dict[str, Any]) -> dict[str, Any]:
        """Write the DOTA result files; the metrics stay as they are."""
        if self.is_dota:
            folder = self.save_dir / "predictions_txt"
            write_dota_files(self.jdict, self.names, folder)
            whole = self.save_dir / "predictions_merged_txt"
            write_dota_files(merge_tiles(self.jdict), self.names, whole)
            LOGGER.info(f"DOTA result files are in {folder}, those of whole images in {whole}")
        return stats
