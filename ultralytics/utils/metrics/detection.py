"""Metric objects of the detection family: detect, obb, segment and pose.

Each collects per-image matches with `update_stats`, turns them into averages with `process`, and then answers
questions about them. Key letters: B boxes, M masks, P poses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.metrics.average_precision import Floats, ap_per_class
from ultralytics.utils.metrics.metric import Metric
from ultralytics.utils.simple_class import SimpleClass

if TYPE_CHECKING:
    from ultralytics.utils.metrics.coco import CocoSummary

__all__ = ["DetMetrics", "OBBMetrics", "PoseMetrics", "SegmentMetrics"]

_SHARED_STATS = ("conf", "pred_cls", "target_cls", "target_img")
_CURVES = ("Precision-Recall", "F1-Confidence", "Precision-Confidence", "Recall-Confidence")


class DetMetrics(SimpleClass, DataExportMixin):
    """Metrics of box detection.

    `box` holds the averages, `stats` the matches collected so far, `nt_per_class` and `nt_per_image` the targets and
    the images with targets of every class, `speed` milliseconds per image. After a stand-alone validation `coco`
    holds the twelve COCO numbers; `confusion_matrix` and `save_dir` are set by the validator.
    """

    box: Metric
    # attribute of the averages, key of their matches, letter of their keys, name in files and tables
    _kinds: ClassVar[tuple[tuple[str, str, str, str], ...]] = (("box", "tp", "B", "Box"),)

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self.names = {} if names is None else names
        self.speed = {"preprocess": 0.0, "inference": 0.0, "loss": 0.0, "postprocess": 0.0}
        for attribute, *_ in self._kinds:
            setattr(self, attribute, Metric())
        # values are arrays of every image, in order
        self.stats: dict[str, list[Any]] = {
            key: [] for key in (*(kind[1] for kind in self._kinds), *_SHARED_STATS)
        }
        self.nt_per_class: Any = None  # integer array after `process`
        self.nt_per_image: Any = None
        self.coco: CocoSummary | None = None

    @property
    def _parts(self) -> list[Metric]:
        return [getattr(self, attribute) for attribute, *_ in self._kinds]

    def update_stats(self, stat: dict[str, Any]) -> None:  # arrays, and the name of the image
        """Add one image: tp (N, 10), conf, pred_cls, target_cls, target_img (its classes once each), im_name."""
        for key, collected in self.stats.items():
            collected.append(stat[key])
        for part, (_, matches, *_) in zip(self._parts, self._kinds, strict=True):
            part.update_image_metrics(
                stat[matches], stat["target_cls"], stat["pred_cls"], stat["im_name"]
            )

    def process(
        self,
        save_dir: Path = Path(),
        plot: bool = False,
        on_plot: Callable[..., None] | None = None,
    ) -> dict[str, Floats]:
        """Compute the averages of everything collected, and return the collected arrays joined.

        Raises:
            ValueError: no image was added.
        """
        stats = {key: np.concatenate(parts, 0) for key, parts in self.stats.items()}
        shared = (stats["conf"], stats["pred_cls"], stats["target_cls"])
        for part, (_, matches, _, title) in zip(self._parts, self._kinds, strict=True):
            results = ap_per_class(
                stats[matches],
                *shared,
                plot=plot,
                on_plot=on_plot,
                save_dir=save_dir,
                names=self.names,
                prefix=title,
            )
            part.nc = len(self.names)
            part.update(results[2:])
        count = len(self.names)
        self.nt_per_class = np.bincount(stats["target_cls"].astype(int), minlength=count)
        self.nt_per_image = np.bincount(stats["target_img"].astype(int), minlength=count)
        return stats

    def clear_stats(self) -> None:
        """Forget the collected matches; the averages stay."""
        for collected in self.stats.values():
            collected.clear()

    def clear_image_metrics(self) -> None:
        """Forget the numbers of single images."""
        for part in self._parts:
            part.clear_image_metrics()

    @property
    def keys(self) -> list[str]:
        """Names of `mean_results`."""
        return [
            f"metrics/{name}({letter})"
            for *_, letter, _ in self._kinds
            for name in ("precision", "recall", "mAP50", "mAP50-95")
        ]

    def mean_results(self) -> list[float]:
        """Mean precision, recall, mAP50 and mAP50-95 of each kind."""
        return [value for part in self._parts for value in part.mean_results()]

    def class_result(self, i: int) -> Any:  # a tuple for one kind, longer for more
        """Precision, recall, AP50 and AP50-95 of the i-th class that has targets, per kind."""
        return tuple(value for part in self._parts for value in part.class_result(i))

    @property
    def maps(self) -> Floats:
        """Average precision of every class of the model; with two kinds their sum (see `.seg`, `.pose`)."""
        return np.sum([part.maps for part in self._parts], axis=0)

    @property
    def fitness(self) -> float:
        """Sum of the kinds' mAP50-95."""
        return float(sum(part.fitness() for part in self._parts))

    @property
    def ap_class_index(self) -> Any:  # list before the first `process`, array afterwards
        """Numbers of the classes that have targets."""
        return self._parts[0].ap_class_index

    @property
    def results_dict(self) -> dict[str, float]:
        """Means by key, and "fitness"."""
        values = [float(v) for v in (*self.mean_results(), self.fitness)]
        return dict(zip([*self.keys, "fitness"], values, strict=True))

    @property
    def curves(self) -> list[str]:
        """Names of `curves_results`."""
        return [f"{curve}({letter})" for *_, letter, _ in self._kinds for curve in _CURVES]

    @property
    def curves_results(self) -> list[list[Any]]:
        """[x, y, x label, y label] of every curve."""
        return [curve for part in self._parts for curve in part.curves_results]

    def summary(self, normalize: bool = True, decimals: int = 5) -> list[dict[str, Any]]:
        """One row per class that has targets. `normalize` changes nothing; values are always in [0, 1]."""
        rows = []
        for i, c in enumerate(self.ap_class_index):
            row: dict[str, Any] = {
                "Class": self.names[int(c)],
                "Images": self.nt_per_image[c],
                "Instances": self.nt_per_class[c],
            }
            for part, (*_, title) in zip(self._parts, self._kinds, strict=True):
                row |= {
                    f"{title}-P": round(float(part.p[i]), decimals),
                    f"{title}-R": round(float(part.r[i]), decimals),
                    f"{title}-F1": round(float(part.f1[i]), decimals),
                }
                if title == "Box":
                    row |= {
                        "mAP50": round(float(part.ap50[i]), decimals),
                        "mAP75": round(float(part.all_ap[i, 5]), decimals),
                        "mAP50-95": round(float(part.ap[i]), decimals),
                    }
            rows.append(row)
        return rows


class OBBMetrics(DetMetrics):
    """Metrics of rotated boxes; the same numbers as for upright ones."""


class SegmentMetrics(DetMetrics):
    """Metrics of boxes (`box`) and masks (`seg`)."""

    seg: Metric
    _kinds = (("box", "tp", "B", "Box"), ("seg", "tp_m", "M", "Mask"))


class PoseMetrics(DetMetrics):
    """Metrics of boxes (`box`) and poses (`pose`)."""

    pose: Metric
    _kinds = (("box", "tp", "B", "Box"), ("pose", "tp_p", "P", "Pose"))
