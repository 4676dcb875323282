"""Validator of semantic segmentation: class maps against class maps, at the size of the network input.

Everything follows from one matrix of pixel counts that is summed up on the device, batch by batch. Specification
chapter 45, sections 5.2 and 7.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.dataset.semantic import add_polygon_background, has_mask_files
from ultralytics.data.masks import inverse_table, resize_map
from ultralytics.engine.validator import Batch
from ultralytics.geometry.class_maps import class_maps, scale_class_map
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.detect.records import common_folder
from ultralytics.models.yolo.semantic.predict import SemanticSegmentationPredictor
from ultralytics.utils.environment import rank
from ultralytics.utils.gather import gather_from_ranks
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.confusion import ConfusionMatrix
from ultralytics.utils.metrics.semantic import SemanticMetrics

__all__ = ["SemanticSegmentationValidator"]

BACKGROUND = "background"
COLUMNS = ("Images", "Pixels", "mIoU", "PixAcc")


class SemanticSegmentationValidator(DetectionValidator):
    """Measures a network of semantic segmentation. Arguments are those of the base class.

    `metrics` is a `SemanticMetrics`; `save_json` writes the predicted maps as PNG files of the ids of the data set.
    """

    task = "semantic"
    metric_type: Any = SemanticMetrics  # Any: not a kind of DetMetrics
    tile_predictor = SemanticSegmentationPredictor
    coco_kinds: ClassVar[Mapping[str, Any]] = {}
    _size_hw: tuple[int, int] = (0, 0)  # of the targets of the batch
    _tiled: Mapping[int, Any] = MappingProxyType({})  # results of tiles by place in the batch
    _raw: Any = None  # Any: the network's output of the batch, kept where maps are written

    def _check_data(self) -> Any:
        data = super()._check_data()
        return data if has_mask_files(data) else add_polygon_background(data)

    # ---------------------------------------------------------------- one batch

    def preprocess(self, batch: Batch) -> Batch:
        """Pixels in [0, 1] and class maps on the device."""
        non_blocking = self.device.type == "cuda"
        for key in ("img", "semantic_mask"):
            batch[key] = batch[key].to(self.device, non_blocking=non_blocking)
        batch["img"] = batch["img"].float() / 255
        height, width = batch["semantic_mask"].shape[1:]
        self._size_hw = (height, width)
        return batch

    def postprocess(self, preds: Any) -> Any:  # Any: a tensor, where detection has lists
        """Class maps (B, H, W) at the size of the targets."""
        found = preds[0] if isinstance(preds, (list, tuple)) else preds
        self._raw = found if self.args.save_json and not self.training else None
        return class_maps(found, self._size_hw)

    def with_tiles(self, preds: Any, tiled: Mapping[int, Any], batch: Batch) -> Any:
        """Class maps of a batch, those of some images put together from tiles and placed like their targets."""
        self._tiled = tiled
        preds = preds.clone()
        for place, result in tiled.items():
            (gain_y, gain_x), (left, top) = batch["ratio_pad"][place]
            height, width = (
                round(result.orig_shape[0] * gain_y),
                round(result.orig_shape[1] * gain_x),
            )
            ids = resize_map(result.semantic_mask.data.cpu().numpy(), (height, width))
            rows, columns = slice(int(top), int(top) + height), slice(int(left), int(left) + width)
            preds[place][rows, columns] = torch.from_numpy(ids).to(preds)
        return preds

    def init_metrics(self, model: Any) -> None:
        """Names of a network; metrics start empty."""
        self.names = model.names
        self.nc = len(self.names)
        self._tiled = {}
        self.metrics.names = self.names
        self.metrics.clear_stats()
        self._image_root = common_folder(self.dataloader.dataset.im_files)

    def update_metrics(self, preds: Any, batch: Batch) -> None:
        """Count the pixels of a batch, and write its maps if asked for."""
        self.seen += len(preds)
        self.metrics.update_stats(preds, batch["semantic_mask"])
        if self._raw is not None:
            self._save_maps(self._raw, batch)

    # ---------------------------------------------------------------- results

    def get_stats(self) -> dict[str, Any]:
        """Metrics by key with "fitness"."""
        self.confusion_matrix = self._confusion()
        self.metrics.process(save_dir=self.save_dir, plot=self._draws, on_plot=self.on_plot)
        self.metrics.clear_stats()
        return self.metrics.results_dict

    def _confusion(self) -> ConfusionMatrix:
        """The counts as the matrix of the interface: [predicted, true]; a single class has a background beside it."""
        names = self.names if self.nc != 1 else {0: BACKGROUND, 1: self.names[0]}
        matrix = ConfusionMatrix(names, self.args.task)
        if self.metrics.matrix is not None:
            matrix.matrix = self.metrics.matrix.T.copy()
        return matrix

    def gather_stats(self) -> None:
        """Add the counts of all ranks on rank 0."""
        for other in gather_from_ranks({"counts": self.metrics.counts(), "seen": self.seen}):
            self.seen += other["seen"]
            if other["counts"] is not None:
                self.metrics.add_counts(*other["counts"])
        if rank() > 0:
            self.metrics.clear_stats()

    def get_desc(self) -> str:
        """Header of the table."""
        return f"{'Class':>22}" + "".join(f"{column:>11}" for column in COLUMNS)

    def print_results(self) -> None:
        """Log the table, and the further means of a validation that stands alone."""
        metrics = self.metrics
        pixels = int(metrics.nt_per_class.sum())
        self._print_row("all", self.seen, pixels, metrics.mean_results())
        if not pixels:
            LOGGER.warning(f"No pixel of the {self.args.split!r} split has a class.")
        if self.training or not self.args.verbose:
            return
        if self.nc and self.nc > 1:
            for i, c in enumerate(metrics.ap_class_index):
                counts = (int(metrics.nt_per_image[c]), int(metrics.nt_per_class[c]))
                self._print_row(self.names[c], *counts, metrics.class_result(i))
        scores = metrics.semseg
        LOGGER.info(
            f"Means over classes: precision {scores.precision:.3f}, recall {scores.recall:.3f}, dice "
            f"{scores.DiceScore:.3f}, misclassified pixels {scores.MCR:.3f}"
        )
        self._warn_of_strangers()

    def _warn_of_strangers(self) -> None:
        """Name the classes that were predicted though no image has them: mean IoU does not show them."""
        found = self.confusion_matrix.matrix.sum(1)
        if self.nc == 1 or not len(found):
            return
        absent = np.flatnonzero((found > 0) & (self.metrics.nt_per_class == 0))
        if len(absent):
            shown = ", ".join(f"{self.names[c]} ({int(found[c])} pixels)" for c in absent.tolist())
            LOGGER.info(f"Predicted, but in no image of the split: {shown}")

    # ---------------------------------------------------------------- files

    def plot_val_samples(self, batch: Batch, ni: int) -> None:
        """Draw a batch with its class maps as val_batch{ni}_labels.jpg."""
        labels = {"semantic_mask": batch["semantic_mask"]}
        self._draw_batch(batch, labels, f"val_batch{ni}_labels.jpg")

    def plot_predictions(
        self, batch: Batch, preds: Any, ni: int, max_det: int | None = None
    ) -> None:
        """Draw a batch with its predicted class maps as val_batch{ni}_pred.jpg."""
        self._draw_batch(batch, {"semantic_mask": preds}, f"val_batch{ni}_pred.jpg")

    def _save_maps(self, preds: Tensor, batch: Batch) -> None:
        """Write the maps of a batch at the size of their images, in the ids of the data set's files."""
        from ultralytics.engine.results.dense import write_map

        table = inverse_table(self.data.get("label_mapping"))
        for i, im_file in enumerate(batch["im_file"]):
            found = (
                self._tiled[i].semantic_mask.data
                if i in self._tiled
                else scale_class_map(preds[i], self._size_hw, batch["ori_shape"][i])
            )
            ids = found.cpu().numpy()
            ids = table[ids] if ids.dtype == np.uint8 else ids
            place = Path(im_file).relative_to(self._image_root).with_suffix(".png")
            write_map(self.save_dir / "results" / place, ids)

    def _report(self, stats: dict[str, float] | None) -> dict[str, float] | None:
        result = super()._report(stats)
        if self.args.save_json:
            LOGGER.info(f"Class maps saved to {self.save_dir / 'results'}")
        return result
