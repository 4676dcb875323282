"""Metric object of semantic segmentation: IoU and accuracy over pooled pixel counts.

matrix[true, predicted] counts pixels. A model with one class has two rows, background and the class, and reports the
class alone. Target 255 and ids outside the range are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.metrics.average_precision import Floats
from ultralytics.utils.simple_class import SimpleClass

__all__ = ["SemanticMetrics"]

_EPS = 1e-10


class SemanticMetrics(SimpleClass, DataExportMixin):
    """Mean IoU over the classes that have target pixels, and the share of correct pixels."""

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self.names = {} if names is None else names
        self.nc = len(self.names)
        self.cm_nc = 2 if self.nc == 1 else self.nc
        self.speed = {"preprocess": 0.0, "inference": 0.0, "loss": 0.0, "postprocess": 0.0}
        self._counts: NDArray[np.int64] | None = None
        self.clear_stats()
        self._iou: Floats = np.zeros(self.nc)
        self._accuracy: Floats = np.zeros(self.nc)
        self._pixel_accuracy = 0.0
        self.nt_per_class: NDArray[np.int64] = np.zeros(self.nc, dtype=np.int64)

    def update_stats(self, preds: Tensor, targets: Tensor) -> None:
        """Count a batch of (B, H, W) predicted and true class maps."""
        if self._counts is None:
            self._counts = np.zeros((self.cm_nc, self.cm_nc), dtype=np.int64)
        guess = preds.cpu().numpy().astype(np.int64)
        truth = targets.cpu().numpy().astype(np.int64)
        counted = (truth >= 0) & (truth < self.cm_nc) & (guess >= 0) & (guess < self.cm_nc)
        cells = truth[counted] * self.cm_nc + guess[counted]
        self._counts += np.bincount(cells, minlength=self.cm_nc**2).reshape(self._counts.shape)
        for one, valid in zip(truth, counted, strict=True):
            present = np.bincount(one[valid], minlength=self.cm_nc) > 0
            self.nt_per_image += present[-self.nc :].astype(np.int32)

    def process(
        self,
        save_dir: Path = Path(),
        plot: bool = False,
        on_plot: Callable[..., None] | None = None,
    ) -> None:
        """Turn the counts into IoU and accuracy; `plot` writes iou_bar_chart.png."""
        if self._counts is None:
            return
        hits = self._counts.diagonal().astype(float)
        truth, guess = self._counts.sum(1), self._counts.sum(0)
        union = truth + guess - hits
        iou = np.divide(hits, union, out=np.zeros(self.cm_nc), where=union > 0)
        shown = slice(self.cm_nc - self.nc, None)
        self._iou, self._accuracy = iou[shown], (hits / (truth + _EPS))[shown]
        self.nt_per_class = truth[shown]
        self._pixel_accuracy = float(hits.sum() / max(self._counts.sum(), 1))
        if plot:
            from ultralytics.utils.plotting.curves import plot_iou_bars

            file = Path(save_dir) / "iou_bar_chart.png"
            plot_iou_bars(self._iou, self.names, file, self.miou)
            if on_plot:
                on_plot(file)

    def clear_stats(self) -> None:
        """Forget the counts; the averages stay."""
        self._counts = None
        self.nt_per_image: NDArray[np.int32] = np.zeros(self.nc, dtype=np.int32)

    @property
    def matrix(self) -> Floats | None:
        """Pixel counts [true, predicted]; None before the first batch. Counted as integers inside."""
        return None if self._counts is None else self._counts.astype(float)

    @property
    def miou(self) -> float:
        """Mean IoU over classes that have target pixels."""
        present = self.nt_per_class > 0
        return float(self._iou[present].mean()) if present.any() else 0.0

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels that are correct."""
        return self._pixel_accuracy

    @property
    def per_class_iou(self) -> Floats:
        """IoU of every class; 0 where it never occurs."""
        return self._iou

    @property
    def per_class_pixel_accuracy(self) -> Floats:
        """Share of each class's target pixels that are correct."""
        return self._accuracy

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
        return [float(self._iou[c]), float(self._accuracy[c])]

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
                "IoU": round(float(self._iou[c]), decimals),
                **shared,
            }
            for c in self.ap_class_index
        ]
