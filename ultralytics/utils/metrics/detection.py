"""Metric objects of the detection family: detect, obb, segment and pose.

Each collects per-image matches with `update_stats`, turns them into averages with `process`, and then answers
questions about them. Key letters: B boxes, M masks, P poses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.metrics.average_precision import Floats, ap_per_class
from ultralytics.utils.metrics.metric import Metric
from ultralytics.utils.simple_class import SimpleClass

if TYPE_CHECKING:
    from ultralytics.utils.metrics.coco import CocoNumbers, CocoPoseSummary, CocoSummary

__all__ = ["DetMetrics", "Kind", "OBBMetrics", "PoseMetrics", "SegmentMetrics"]

_SHARED_STATS = ("conf", "pred_cls", "target_cls", "target_img")
_CURVES = ("Precision-Recall", "F1-Confidence", "Precision-Confidence", "Recall-Confidence")


class Kind(NamedTuple):
    """One thing that is measured: where its numbers are, and how it is called."""

    attribute: str  # of the averages
    matches: str  # key of its matches in the statistics
    letter: str  # in the keys of results
    title: str  # in files and tables
    coco: str  # attribute of its COCO numbers
    plural: str  # in sentences


BOX = Kind("box", "tp", "B", "Box", "coco", "boxes")


class DetMetrics(SimpleClass, DataExportMixin):
    """Metrics of box detection.

    `box` holds the averages, `stats` the matches collected so far, `nt_per_class` and `nt_per_image` the targets and
    the images with targets of every class, `speed` milliseconds per image. After a stand-alone validation `coco`
    holds the twelve COCO numbers; `confusion_matrix` and `save_dir` are set by the validator.
    """

    box: Metric
    coco: CocoSummary | None
    kinds: ClassVar[tuple[Kind, ...]] = (BOX,)

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self.names = {} if names is None else names
        self.speed = {"preprocess": 0.0, "inference": 0.0, "loss": 0.0, "postprocess": 0.0}
        for kind in self.kinds:
            setattr(self, kind.attribute, Metric())
            setattr(self, kind.coco, None)
        # values are arrays of every image, in order
        self.stats: dict[str, list[Any]] = {
            key: [] for key in (*(kind.matches for kind in self.kinds), *_SHARED_STATS)
        }
        self.nt_per_class: Any = None  # integer array after `process`
        self.nt_per_image: Any = None

    @property
    def parts(self) -> list[Metric]:
        """Averages of each kind."""
        return [getattr(self, kind.attribute) for kind in self.kinds]

    @property
    def coco_numbers(self) -> dict[str, CocoNumbers]:
        """COCO numbers by letter of the kind, as far as they were computed."""
        found = {kind.letter: getattr(self, kind.coco) for kind in self.kinds}
        return {letter: numbers for letter, numbers in found.items() if numbers is not None}

    def set_coco(self, letter: str, numbers: CocoNumbers | None) -> None:
        """Keep the COCO numbers of a kind, under the attribute of that kind."""
        kind = next(kind for kind in self.kinds if kind.letter == letter)
        setattr(self, kind.coco, numbers)

    def update_stats(self, stat: dict[str, Any]) -> None:  # arrays, and the name of the image
        """Add one image: tp (N, 10), conf, pred_cls, target_cls, target_img (its classes once each), im_name."""
        for key, collected in self.stats.items():
            collected.append(stat[key])
        for part, kind in zip(self.parts, self.kinds, strict=True):
            part.update_image_metrics(
                stat[kind.matches], stat["target_cls"], stat["pred_cls"], stat["im_name"]
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
        for part, kind in zip(self.parts, self.kinds, strict=True):
            results = ap_per_class(
                stats[kind.matches],
                *shared,
                plot=plot,
                on_plot=on_plot,
                save_dir=save_dir,
                names=self.names,
                prefix=kind.title,
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
        for part in self.parts:
            part.clear_image_metrics()

    @property
    def keys(self) -> list[str]:
        """Names of `mean_results`."""
        return [
            f"metrics/{name}({kind.letter})"
            for kind in self.kinds
            for name in ("precision", "recall", "mAP50", "mAP50-95")
        ]

    def mean_results(self) -> list[float]:
        """Mean precision, recall, mAP50 and mAP50-95 of each kind."""
        return [value for part in self.parts for value in part.mean_results()]

    def class_result(self, i: int) -> Any:  # a tuple for one kind, longer for more
        """Precision, recall, AP50 and AP50-95 of the i-th class that has targets, per kind."""
        return tuple(value for part in self.parts for value in part.class_result(i))

    @property
    def maps(self) -> Floats:
        """Average precision of every class of the model; with two kinds their sum (see `.seg`, `.pose`)."""
        return np.sum([part.maps for part in self.parts], axis=0)

    @property
    def fitness(self) -> float:
        """Sum of the kinds' mAP50-95."""
        return float(sum(part.fitness() for part in self.parts))

    @property
    def ap_class_index(self) -> Any:  # list before the first `process`, array afterwards
        """Numbers of the classes that have targets."""
        return self.parts[0].ap_class_index

    @property
    def results_dict(self) -> dict[str, float]:
        """Means by key, and "fitness"."""
        values = [float(v) for v in (*self.mean_results(), self.fitness)]
        return dict(zip([*self.keys, "fitness"], values, strict=True))

    @property
    def curves(self) -> list[str]:
        """Names of `curves_results`."""
        return [f"{curve}({kind.letter})" for kind in self.kinds for curve in _CURVES]

    @property
    def curves_results(self) -> list[list[Any]]:
        """[x, y, x label, y label] of every curve."""
        return [curve for part in self.parts for curve in part.curves_results]

    def summary(self, normalize: bool = True, decimals: int = 5) -> list[dict[str, Any]]:
        """One row per class that has targets. `normalize` changes nothing; values are always in [0, 1]."""
        rows = []
        for i, c in enumerate(self.ap_class_index):
            row: dict[str, Any] = {
                "Class": self.names[int(c)],
                "Images": self.nt_per_image[c],
                "Instances": self.nt_per_class[c],
            }
            for part, kind in zip(self.parts, self.kinds, strict=True):
                title = kind.title
                row |= {
                    f"{title}-P": round(float(part.p[i]), decimals),
                    f"{title}-R": round(float(part.r[i]), decimals),
                    f"{title}-F1": round(float(part.f1[i]), decimals),
                }
                if kind is BOX:
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
    """Metrics of boxes (`box`, `coco`) and masks (`seg`, `coco_seg`)."""

    seg: Metric
    coco_seg: CocoSummary | None
    kinds = (BOX, Kind("seg", "tp_m", "M", "Mask", "coco_seg", "masks"))


class PoseMetrics(DetMetrics):
    """Metrics of boxes (`box`, `coco`) and poses (`pose`, `coco_pose`)."""

    pose: Metric
    coco_pose: CocoPoseSummary | None
    kinds = (BOX, Kind("pose", "tp_p", "P", "Pose", "coco_pose", "poses"))
