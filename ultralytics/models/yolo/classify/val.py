"""Classification validator: accuracy of the best guess and of the best five.

Specification chapter 45, section 5.2.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.data import ClassificationDataset, build_dataloader
from ultralytics.data.utils import check_cls_dataset
from ultralytics.engine.validator import BaseValidator, Batch
from ultralytics.errors import DatasetError
from ultralytics.models.yolo.classify.predict import ClassificationPredictor
from ultralytics.models.yolo.detect.records import label_name
from ultralytics.utils.gather import gather_from_ranks
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.classify import ClassifyMetrics
from ultralytics.utils.metrics.confusion import ConfusionMatrix

__all__ = ["ClassificationValidator"]

GUESSES = 5


class ClassificationValidator(BaseValidator):
    """Measures a classifier. Arguments are those of the base class.

    Attributes:
        targets: true classes, one (B,) tensor per batch.
        pred: guessed classes, best first, one (B, up to 5) tensor per batch.
    """

    tile_predictor = ClassificationPredictor

    def __init__(
        self,
        dataloader: Any = None,  # Any: see BaseValidator
        save_dir: str | Path | None = None,
        args: Any = None,
        _callbacks: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dataloader, save_dir, args, _callbacks)
        self.args.task = "classify"
        self.targets: list[Tensor] = []
        self.pred: list[Tensor] = []
        self.channels = 3
        self._root = ""
        self.metrics = ClassifyMetrics()

    # ---------------------------------------------------------------- data

    def _check_data(self) -> dict[str, Any]:
        data = check_cls_dataset(self.args.data, split=self.args.split)
        return {**data, "channels": self.channels}

    def _open(self, model: Any) -> Any:
        backend = super()._open(model)
        self.names, self.channels = backend.names, backend.channels
        return backend

    def build_dataset(self, img_path: Any) -> ClassificationDataset:
        """Data set of a split, without augmentation; its classes are numbered as the network's."""
        own, theirs = self.names or {}, self.data["names"]
        is_known = not set(own.values()).isdisjoint(theirs.values())
        if not (is_known or self.args.single_cls) and len(own) < len(theirs):
            raise DatasetError(
                f"data={self.args.data} has {len(theirs)} classes, none of which is among the {len(own)} "
                "of the network"
            )
        return ClassificationDataset(
            root=img_path,
            args=self.args,
            augment=False,
            prefix=self.args.split,
            names=own if is_known else theirs,
            channels=self.data["channels"],
        )

    def get_dataloader(self, dataset_path: Any, batch_size: int) -> Any:
        """Loader of a split in fixed order."""
        return build_dataloader(
            self.build_dataset(dataset_path),
            batch_size,
            self.args.workers,
            shuffle=False,
            rank=-1,
            device=self.device.type,
        )

    # ---------------------------------------------------------------- one batch

    def preprocess(self, batch: Batch) -> Batch:
        """Pictures and classes on the device."""
        for key in ("img", "cls"):
            batch[key] = batch[key].to(self.device, non_blocking=self.device.type == "cuda")
        batch["img"] = batch["img"].float()
        return batch

    def postprocess(self, preds: Any) -> Tensor:
        """(B, classes) probabilities."""
        probs: Tensor = preds[0] if isinstance(preds, (list, tuple)) else preds
        return probs

    def with_tiles(self, preds: Tensor, tiled: Mapping[int, Any], batch: Batch) -> Tensor:
        """Probabilities of a batch, those of some images the means over their tiles."""
        preds = preds.clone()
        for place, result in tiled.items():
            preds[place] = result.probs.data
        return preds

    def init_metrics(self, model: Any) -> None:
        """Names of a network; metrics start empty."""
        self.names = model.names
        self.nc = len(self.names)
        self.targets, self.pred = [], []
        self._root = str(getattr(self.dataloader.dataset, "root", ""))
        self.confusion_matrix = ConfusionMatrix(self.names, self.args.task)

    def update_metrics(self, preds: Tensor, batch: Batch) -> None:
        """Keep the best guesses of a batch; of equal ones the lower class comes first."""
        ranking = preds.argsort(dim=1, descending=True, stable=True)
        self.pred.append(ranking[:, : min(GUESSES, len(self.names))].int().cpu())
        self.targets.append(batch["cls"].int().cpu())
        self.seen += len(preds)
        if (self.args.save_json or self.args.save_txt) and "im_file" in batch:
            self._keep(preds.cpu(), self.pred[-1], batch["im_file"])

    def _keep(self, preds: Tensor, ranking: Tensor, files: Sequence[str]) -> None:
        """Write label files and JSON rows of a batch."""
        from ultralytics.engine.results import Results

        blank = np.zeros((1, 1, 3), dtype=np.uint8)
        for probs, guesses, file in zip(preds, ranking.tolist(), files, strict=True):
            if self.args.save_txt:
                result = Results(blank, path=file, names=self.names, probs=probs)
                result.save_txt(self.save_dir / "labels" / label_name(file, self._root))
            if self.args.save_json:
                self.jdict += self._json_rows(file, guesses, probs)

    def _json_rows(self, file: str, guesses: Sequence[int], probs: Tensor) -> list[dict[str, Any]]:
        """One row per guess, best first; images are called by their path below the split."""
        name = Path(os.path.relpath(file, self._root)).as_posix()
        return [
            {
                "image_id": name.rpartition(".")[0],
                "file_name": name,
                "category_id": guess,
                "category_name": self.names[guess],
                "score": round(float(probs[guess]), 5),
            }
            for guess in guesses
        ]

    # ---------------------------------------------------------------- results

    def get_stats(self) -> dict[str, float]:
        """Accuracies by key, with "fitness"."""
        if not self.targets:
            raise DatasetError(f"there is nothing to validate in the {self.args.split!r} split")
        self.metrics.process(self.targets, self.pred)
        return self.metrics.results_dict

    def gather_stats(self) -> None:
        """Bring the guesses of all ranks to rank 0."""
        mine = {"targets": self.targets, "pred": self.pred, "jdict": self.jdict, "seen": self.seen}
        for other in gather_from_ranks(mine):
            self.targets.extend(other["targets"])
            self.pred.extend(other["pred"])
            self.jdict.extend(other["jdict"])
            self.seen += other["seen"]

    def finalize_metrics(self) -> None:
        """Count the confusion matrix and draw it; hand matrix, speed and folder to the metric object."""
        self.confusion_matrix.process_cls_preds(self.pred, self.targets)
        if self._draws:
            for normalize in (True, False):
                self.confusion_matrix.plot(
                    normalize=normalize, save_dir=self.save_dir, on_plot=self.on_plot
                )
        self.metrics.speed = self.speed
        self.metrics.confusion_matrix = self.confusion_matrix
        self.metrics.save_dir = self.save_dir

    @property
    def metric_keys(self) -> list[str]:
        """Names of the metrics."""
        return list(self.metrics.keys)

    def get_desc(self) -> str:
        """Header of the table."""
        return f"{'classes':>22}{'top1_acc':>11}{'top5_acc':>11}"

    def print_results(self) -> None:
        """Log the table."""
        LOGGER.info(f"{'all':>22}{self.metrics.top1:>11.3g}{self.metrics.top5:>11.3g}")

    # ---------------------------------------------------------------- files

    def plot_val_samples(self, batch: Batch, ni: int) -> None:
        """Draw a batch with its true classes as val_batch{ni}_labels.jpg."""
        self._draw_batch(batch, batch["cls"], None, f"val_batch{ni}_labels.jpg")

    def plot_predictions(self, batch: Batch, preds: Tensor, ni: int) -> None:
        """Draw a batch with the best guess for each picture as val_batch{ni}_pred.jpg."""
        conf, cls = preds.max(dim=1)
        self._draw_batch(batch, cls, conf, f"val_batch{ni}_pred.jpg")

    def _draw_batch(self, batch: Batch, cls: Tensor, conf: Tensor | None, name: str) -> None:
        from ultralytics.utils.plotting import plot_images

        labels = {"batch_idx": torch.arange(len(cls)), "cls": cls}
        plot_images(
            labels=labels if conf is None else {**labels, "conf": conf},
            images=batch["img"],
            paths=batch.get("im_file"),
            fname=self.save_dir / name,
            names=self.names,
            on_plot=self.on_plot,
            conf_thres=0.0,
            threaded=False,
        )
