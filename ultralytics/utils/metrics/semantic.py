"""Metric object of semantic segmentation: everything follows from one matrix of pixel counts.

matrix[true, predicted] counts pixels as integers, on the device of the predictions, in a stream: memory does not grow
with the data. A model with one class has two rows, background and the class, and reports the class alone. Target 255
and ids outside the range are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.metrics.average_precision import Floats
from ultralytics.utils.simple_class import SimpleClass

__all__ = ["PixelScores", "SemanticMetrics", "count_pixels"]

_EPS = 1e-10


def count_pixels(preds: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Pixel counts (B, true, predicted) of every image, int64 on the device of `preds`.

    Args:
        preds: class maps (B, H, W).
        targets: true maps of the same shape; ids from `classes` on are not counted.
        classes: rows and columns.
    """
    images = len(targets)
    truth, guess = targets.to(preds.device).int(), preds.int()
    cells = truth * classes + guess
    rest = classes * classes  # where pixels that are not counted go
    known = (truth >= 0) & (truth < classes) & (guess >= 0) & (guess < classes)
    cells = torch.where(known, cells, rest)
    cells += torch.arange(images, dtype=cells.dtype, device=cells.device)[:, None, None] * (
        rest + 1
    )
    counts = torch.bincount(cells.flatten(), minlength=images * (rest + 1))
    return counts.view(images, rest + 1)[:, :rest].reshape(images, classes, classes)


class PixelScores:
    """Scores of every class and their means over the classes that occur, from a matrix of counts.

    With TP, FP, FN and TN pixels of a class: precision TP / (TP + FP), recall TP / (TP + FN), IoU TP / (TP + FP +
    FN), dice 2 TP / (2 TP + FP + FN), and MCR, the rate of misclassified pixels, (FP + FN) / all. A fraction of
    nothing is 0. A class occurs when it has target pixels.

    Attributes:
        precisions, recalls, ious, dices, mcrs: (classes,) values.
        present: which classes occur.
    """

    def __init__(self, matrix: NDArray[np.int64], shown: slice) -> None:
        hits = matrix.diagonal().astype(float)
        truth, guess = matrix.sum(1).astype(float), matrix.sum(0).astype(float)
        wrong = truth + guess - 2 * hits
        self.precisions = _share(hits, guess)[shown]
        self.recalls = _share(hits, truth)[shown]
        self.ious = _share(hits, truth + guess - hits)[shown]
        self.dices = _share(2 * hits, truth + guess)[shown]
        self.mcrs = _share(wrong, np.full_like(hits, matrix.sum()))[shown]
        self.present: NDArray[np.bool_] = truth[shown] > 0

    def _mean(self, values: Floats) -> float:
        return float(values[self.present].mean()) if self.present.any() else 0.0

    @property
    def precision(self) -> float:
        """Mean precision."""
        return self._mean(self.precisions)

    @property
    def recall(self) -> float:
        """Mean recall."""
        return self._mean(self.recalls)

    @property
    def IoU(self) -> float:
        """Mean intersection over union."""
        return self._mean(self.ious)

    @property
    def DiceScore(self) -> float:
        """Mean dice coefficient."""
        return self._mean(self.dices)

    @property
    def MCR(self) -> float:
        """Mean rate of misclassified pixels."""
        return self._mean(self.mcrs)


class SemanticMetrics(SimpleClass, DataExportMixin):
    """Mean IoU over the classes that have target pixels, and the share of correct pixels.

    `semseg` holds precision, recall, IoU, DiceScore and MCR as well.
    """

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self.names = {} if names is None else names
        self.speed = {"preprocess": 0.0, "inference": 0.0, "loss": 0.0, "postprocess": 0.0}
        self.confusion_matrix: Any = None  # Any: ConfusionMatrix, set by the validator
        self.save_dir: Path | None = None
        self._counts: Tensor | None = None
        self._images: Tensor | None = None
        self._final = np.zeros((self.cm_nc, self.cm_nc), np.int64)
        self._final_images = np.zeros(self.nc, np.int64)

    @property
    def nc(self) -> int:
        """Classes."""
        return len(self.names)

    @property
    def cm_nc(self) -> int:
        """Rows of the matrix: one class has a background beside it."""
        return 2 if self.nc == 1 else self.nc

    @property
    def _shown(self) -> slice:
        return slice(self.cm_nc - self.nc, None)

    def update_stats(self, preds: Tensor, targets: Tensor) -> None:
        """Count a batch of (B, H, W) predicted and true class maps."""
        counts = count_pixels(preds, targets, self.cm_nc)
        self.add_counts(counts.sum(0), (counts.sum(2) > 0).sum(0))

    def add_counts(self, counts: Tensor, images: Tensor) -> None:
        """Add pixel counts (rows, rows) and the number of images in which each row's class occurs."""
        if self._counts is None or self._images is None:
            self._counts, self._images = torch.zeros_like(counts), torch.zeros_like(images)
        self._counts += counts.to(self._counts.device)
        self._images += images.to(self._images.device)

    def counts(self) -> tuple[Tensor, Tensor] | None:
        """What `add_counts` of another object takes, in main memory; None before the first batch."""
        if self._counts is None or self._images is None:
            return None
        return self._counts.cpu(), self._images.cpu()

    def process(
        self,
        save_dir: Path = Path(),
        plot: bool = False,
        on_plot: Callable[..., None] | None = None,
    ) -> None:
        """Take the counts over into the scores; `plot` writes iou_bar_chart.png."""
        found = self.counts()
        if found is None:
            return
        self._final, images = (part.numpy() for part in found)
        self._final_images = images[self._shown]
        self.__dict__.pop("semseg", None)
        if plot:
            from ultralytics.utils.plotting.curves import plot_iou_bars

            file = Path(save_dir) / "iou_bar_chart.png"
            plot_iou_bars(self.per_class_iou, self.names, file, self.miou)
            if on_plot:
                on_plot(file)

    def clear_stats(self) -> None:
        """Forget the counts of the stream; the scores stay."""
        self._counts = self._images = None

    @cached_property
    def semseg(self) -> PixelScores:
        """Precision, recall, IoU, dice score and rate of misclassified pixels."""
        return PixelScores(self._final, self._shown)

    @property
    def matrix(self) -> Floats | None:
        """Pixel counts [true, predicted] of the stream; None before the first batch."""
        found = self.counts()
        return None if found is None else found[0].numpy().astype(float)

    @property
    def nt_per_class(self) -> NDArray[np.int64]:
        """Target pixels of every class."""
        return np.asarray(self._final.sum(1)[self._shown], np.int64)

    @property
    def nt_per_image(self) -> NDArray[np.int64]:
        """Images in which every class has target pixels."""
        return self._final_images

    @property
    def miou(self) -> float:
        """Mean IoU over classes that have target pixels."""
        return self.semseg.IoU

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels that are correct."""
        return float(self._final.trace() / max(self._final.sum(), 1))

    @property
    def per_class_iou(self) -> Floats:
        """IoU of every class; 0 where it never occurs."""
        return self.semseg.ious

    @property
    def per_class_pixel_accuracy(self) -> Floats:
        """Share of each class's target pixels that are correct."""
        return (self._final.diagonal() / (self._final.sum(1) + _EPS))[self._shown]

    @property
    def maps(self) -> Floats:
        """IoU of every class."""
        return self.per_class_iou

    @property
    def fitness(self) -> float:
        """Mean IoU."""
        return self.miou

    @property
    def keys(self) -> list[str]:
        """Names of `mean_results`."""
        return ["metrics/mIoU", "metrics/pixel_acc"]

    def mean_results(self) -> list[float]:
        """Mean IoU and pixel accuracy."""
        return [self.miou, self.pixel_accuracy]

    def class_result(self, i: int) -> list[float]:
        """IoU and pixel accuracy of the i-th class that has target pixels."""
        c = self.ap_class_index[i]
        return [float(self.per_class_iou[c]), float(self.per_class_pixel_accuracy[c])]

    @property
    def ap_class_index(self) -> list[int]:
        """Numbers of the classes that have target pixels."""
        return np.flatnonzero(self.nt_per_class).tolist()

    @property
    def results_dict(self) -> dict[str, float]:
        """Means by key, and "fitness"."""
        values = [*self.mean_results(), self.fitness]
        return dict(zip([*self.keys, "fitness"], values, strict=True))

    @property
    def curves(self) -> list[str]:
        """No curves belong to this task."""
        return []

    @property
    def curves_results(self) -> list[list[Any]]:
        """No curves belong to this task."""
        return []

    def summary(self, normalize: bool = True, decimals: int = 5) -> list[dict[str, Any]]:
        """One row per class that has target pixels."""
        shared = {
            "mIoU": round(self.miou, decimals),
            "pixel_acc": round(self.pixel_accuracy, decimals),
        }
        return [
            {
                "Class": self.names[c],
                "Images": int(self.nt_per_image[c]),
                "Pixels": int(self.nt_per_class[c]),
                "IoU": round(float(self.per_class_iou[c]), decimals),
                **shared,
            }
            for c in self.ap_class_index
        ]


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
