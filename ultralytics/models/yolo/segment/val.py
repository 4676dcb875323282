"""Validator of instance segmentation: boxes against boxes, and masks against masks.

Masks of predictions are compared on the grid of the prototypes, a quarter of the network input, or in pixels of the
network input where files are written (`save_json`, `save_txt`), as the interface defines it. A validation that stands
alone also evaluates masks in original pixels the COCO way (`metrics.coco_seg`); these masks are also the ones in the
files. Masks finer than the prototypes are runs, of one image at a time, so memory stays flat. Specification chapter 45,
5.2 and 6.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ultralytics.engine.validator import Batch
from ultralytics.geometry.mask_crops import MaskGrid, resize_runs
from ultralytics.geometry.masks import mask_iou, process_mask
from ultralytics.geometry.rle import RunMasks
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.val import MATRIX_CONF, Prediction
from ultralytics.models.yolo.segment.masks import (
    LabelOutlines,
    best_of_each_class,
    masks_of_boxes,
    protos_of_masks,
    split_outputs,
    target_maps,
)
from ultralytics.models.yolo.segment.predict import SegmentationPredictor
from ultralytics.utils.metrics.coco import CocoEvaluator, evaluate_files
from ultralytics.utils.metrics.coco_masks import evaluate_mask_files
from ultralytics.utils.metrics.detection import SegmentMetrics

__all__ = ["SegmentationValidator"]

TEXT_CHUNK = 16  # masks spread out to pixels at once when outlines are written


class SegmentationValidator(DetectionValidator):
    """Measures the boxes and masks of a segmentation network. Arguments are those of the base class."""

    task = "segment"
    has_columns = True
    metric_type = SegmentMetrics
    label_keys = (*DetectionValidator.label_keys, "masks")
    host_keys = (*DetectionValidator.host_keys, "coefficients")
    drawn_keys = (*DetectionValidator.drawn_keys, "masks")
    coco_kinds = {"B": CocoEvaluator, "M": CocoEvaluator}
    tile_predictor = SegmentationPredictor
    file_judges = {"bbox": evaluate_files, "segm": evaluate_mask_files}

    def init_metrics(self, model: Any) -> None:
        """Names and settings of a network and a data set; metrics start empty."""
        super().init_metrics(model)
        self._full_size = bool(self.args.save_json or self.args.save_txt)
        dataset = self.dataloader.dataset
        has_labels = hasattr(dataset, "labels") and "M" in self._coco  # a user's own may have none
        self._outlines = LabelOutlines(dataset) if has_labels else None
        if self._outlines is None:
            self._coco.pop("M", None)

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 4) xyxy, conf, cls, coefficients (N, nm) and prototypes of every image, best first."""
        rows, protos = split_outputs(preds)
        found = super().postprocess(rows)
        for one, proto in zip(found, protos, strict=True):
            one["coefficients"], one["proto"] = one.pop("extra"), proto
        return found

    def _of_result(
        self, result: Any, pred: dict[str, Any], size_hw: Any, ratio_pad: Any
    ) -> dict[str, Any]:
        """Also masks: in original pixels as "runs", and as prototypes of their own on the grid of the network's."""
        found: dict[str, Any] = super()._of_result(result, pred, size_hw, ratio_pad)
        masks = torch.zeros(0, *result.orig_shape) if result.masks is None else result.masks.data
        host = masks.cpu().numpy().astype(np.uint8)
        grid = tuple(size_hw) if self._full_size else tuple(pred["proto"].shape[1:])
        proto = protos_of_masks(host, size_hw, ratio_pad, grid).to(pred["proto"].device)
        if not len(host):
            return {**found, "coefficients": pred["coefficients"][:0], "proto": pred["proto"]}
        eye = torch.eye(len(host), device=proto.device)
        return {**found, "coefficients": eye, "proto": proto, "runs": RunMasks.from_masks(host)}

    # ---------------------------------------------------------------- one image

    def _prepare_batch(self, si: int, batch: Batch) -> Batch:
        """Targets of one image, with masks (G, h, w) as the data set drew them."""
        prepared = super()._prepare_batch(si, batch)
        own = batch["batch_idx"] == si
        prepared["masks"] = target_maps(batch["masks"], si, own, bool(self.args.overlap_mask))
        return prepared

    def _process_batch(self, preds: Prediction, batch: Batch) -> dict[str, Any]:
        """tp and tp_m (N, 10): which boxes and which masks of one image are correct at which overlap."""
        found = super()._process_batch(preds, batch)
        if not len(batch["cls"]) or not len(preds["cls"]):
            return {**found, "tp_m": np.zeros((len(preds["cls"]), self.niou), dtype=bool)}
        measure = self._sharp_overlap if self._full_size else self._coarse_overlap
        overlap = measure(preds, batch)
        matches = self.match_predictions(preds["cls"], batch["cls"], overlap)
        return {**found, "tp_m": matches.numpy()}

    def _coarse_overlap(self, preds: Prediction, batch: Batch) -> Tensor:
        """(G, N) overlap of masks on the grid of the prototypes, on the device of the network."""
        proto, grid = preds["proto"], tuple(preds["proto"].shape[1:])
        coefficients, boxes = (preds[k].to(proto.device) for k in ("coefficients", "bboxes"))
        found = process_mask(proto, coefficients, boxes, batch["imgsz"])
        targets = torch.as_tensor(batch["masks"], dtype=torch.float32, device=proto.device)
        if targets.shape[1:] != grid:
            sized = interpolate(targets[None], grid, mode="bilinear", align_corners=False)[0]
            targets = (sized > 0.5).float()
        return mask_iou(targets.flatten(1), found.flatten(1).float()).cpu()

    def _sharp_overlap(self, preds: Prediction, batch: Batch) -> Tensor:
        """(G, N) overlap of masks in pixels of the network input, as runs; 0 for pairs of different class."""
        height, width = batch["imgsz"]
        grid = MaskGrid.resized(preds["proto"].shape[1:], (height, width))
        found = masks_of_boxes(preds, preds["bboxes"], grid)
        alike = (batch["cls"][:, None] == preds["cls"]).numpy()
        overlap = resize_runs(batch["masks"], (height, width)).overlap(found, alike)
        return torch.from_numpy(overlap).float()

    def scale_preds(self, predn: Prediction, pbatch: Batch) -> Prediction:
        """Predictions in pixels of the original image; where files are written, with their masks as "runs"."""
        scaled: dict[str, Any] = super().scale_preds(predn, pbatch)
        if self._full_size and "runs" not in scaled:
            scaled["runs"] = self._image_masks(scaled, pbatch)
        return scaled

    def _image_masks(self, scaled: Prediction, pbatch: Batch) -> RunMasks:
        proto_hw, image_hw = scaled["proto"].shape[1:], pbatch["ori_shape"][:2]
        grid = MaskGrid.letterboxed(proto_hw, image_hw, pbatch["ratio_pad"])
        return masks_of_boxes(scaled, scaled["bboxes"], grid)

    def _add_to_coco(self, scaled: Prediction, pbatch: Batch) -> None:
        super()._add_to_coco(scaled, pbatch)
        if self._outlines is None:
            return
        judge = self._coco["M"]
        rows = best_of_each_class(scaled["cls"].numpy(), judge.limits[-1])
        kept = {key: scaled[key][rows] for key in self.host_keys}
        runs: Any = scaled.get("runs")  # Any: RunMasks or None
        if runs is None:
            found = self._image_masks({**kept, "proto": scaled["proto"]}, pbatch)
        else:
            found = runs.pick(rows)
        classes, truth = self._outlines.of(pbatch["im_file"], found.size_hw)
        found_classes = kept["cls"].numpy()
        overlap = truth.overlap(found, classes[:, None] == found_classes)
        scores = kept["conf"].numpy()
        judge.add_overlaps(scores, found_classes, found.areas, classes, truth.areas, overlap)

    # ---------------------------------------------------------------- files

    def plot_predictions(
        self, batch: Batch, preds: list[Prediction], ni: int, max_det: int | None = None
    ) -> None:
        """Draw a batch with its predictions as val_batch{ni}_pred.jpg; see the base class."""
        shown = []
        for pred in preds:
            clear = pred["conf"] > MATRIX_CONF  # the picture shows no others
            one = {k: v if k == "proto" else v[clear] for k, v in pred.items() if k != "runs"}
            size_hw = batch["img"].shape[2:]
            masks = process_mask(one.pop("proto"), one["coefficients"], one["bboxes"], size_hw)
            shown.append({**one, "masks": masks})
        super().plot_predictions(batch, shown, ni, max_det)

    def save_one_txt(
        self, predn: Prediction, save_conf: bool, shape: tuple[int, int], file: Path
    ) -> None:
        """Write the label file of one image: class, outline in fractions, and confidence if wanted."""
        for start in range(0, len(predn["cls"]), TEXT_CHUNK):
            rows = slice(start, start + TEXT_CHUNK)
            part = {key: predn[key][rows] for key in ("bboxes", "conf", "cls")}
            runs: Any = predn["runs"]  # Any: RunMasks
            part["masks"] = torch.from_numpy(runs.pick(np.arange(len(runs))[rows]).masks())
            super().save_one_txt(part, save_conf, shape, file)

    def _result_fields(self, predn: Prediction) -> dict[str, Any]:
        return {**super()._result_fields(predn), "masks": predn["masks"]}

    def _json_rows(self, preds: Prediction, batch: Batch) -> list[dict[str, Any]]:
        runs: Any = preds["runs"]  # Any: RunMasks
        size = list(runs.size_hw)
        return [
            {**row, "segmentation": {"size": size, "counts": text}}
            for row, text in zip(super()._json_rows(preds, batch), runs.strings(), strict=True)
        ]
