"""Precision, recall, F1 and average precision of one kind of prediction (boxes, masks or poses).

C = classes that have targets, `nc` = classes of the model. P, R and F1 hold at one confidence for all classes, the one
where the smoothed mean F1 peaks (`best_conf`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ultralytics.utils.metrics.average_precision import Floats, best_f1_index
from ultralytics.utils.simple_class import SimpleClass

__all__ = ["Metric"]

_IOU_75 = 5  # column of IoU 0.75 among 0.50, 0.55 ... 0.95


class Metric(SimpleClass):
    """Numbers of one kind of prediction, filled by `update` from the values of `ap_per_class`.

    Averages run over classes that have targets; false positives of other classes do not enter them, as in COCO.
    """

    def __init__(self) -> None:
        self.p: Any = []  # lists before the first update, (C,) arrays afterwards
        self.r: Any = []
        self.f1: Any = []
        self.all_ap: Any = []  # (C, 10)
        self.ap_class_index: Any = []
        self.nc = 0
        self.image_metrics: dict[str, dict[str, float]] = {}
        self.p_curve: Any = []  # curves are (C, 1000) over `px`
        self.r_curve: Any = []
        self.f1_curve: Any = []
        self.px: Any = []
        self.prec_values: Any = []

    @property
    def ap50(self) -> Any:  # list or array, as `all_ap`
        """Average precision at IoU 0.5 per class."""
        return self.all_ap[:, 0] if len(self.all_ap) else []

    @property
    def ap(self) -> Any:  # list or array, as `all_ap`
        """Average precision over IoU 0.5 to 0.95 per class."""
        return self.all_ap.mean(1) if len(self.all_ap) else []

    @property
    def mp(self) -> float:
        """Mean precision."""
        return _mean(self.p)

    @property
    def mr(self) -> float:
        """Mean recall."""
        return _mean(self.r)

    @property
    def map50(self) -> float:
        """Mean average precision at IoU 0.5."""
        return _mean(self.ap50)

    @property
    def map75(self) -> float:
        """Mean average precision at IoU 0.75."""
        return _mean(self.all_ap[:, _IOU_75]) if len(self.all_ap) else 0.0

    @property
    def map(self) -> float:
        """Mean average precision over IoU 0.5 to 0.95."""
        return _mean(self.all_ap)

    @property
    def maps(self) -> Floats:
        """Average precision of all `nc` classes; classes without targets hold the mean."""
        filled = np.full(self.nc, self.map)
        if len(self.ap_class_index):
            filled[self.ap_class_index] = self.ap
        return filled

    @property
    def best_conf(self) -> float | None:
        """Confidence at which `p`, `r` and `f1` are given; None before the first update."""
        if not len(self.f1_curve):
            return None
        return float(self.px[best_f1_index(self.f1_curve)])

    def mean_results(self) -> list[float]:
        """Mean precision, mean recall, mAP50 and mAP50-95."""
        return [self.mp, self.mr, self.map50, self.map]

    def class_result(self, i: int) -> tuple[float, float, float, float]:
        """Precision, recall, AP50 and AP50-95 of the i-th class that has targets."""
        return self.p[i], self.r[i], self.ap50[i], self.ap[i]

    def fitness(self) -> float:
        """The number that model selection maximises: mAP50-95."""
        return float(np.nan_to_num(self.map))

    def update(self, results: tuple[Any, ...]) -> None:  # the last ten of `ap_per_class`
        """Take over p, r, f1, all_ap, ap_class_index, p_curve, r_curve, f1_curve, px and prec_values."""
        self.p, self.r, self.f1, self.all_ap, self.ap_class_index, *curves = results
        self.p_curve, self.r_curve, self.f1_curve, self.px, self.prec_values = curves

    def update_image_metrics(
        self, tp: NDArray[np.bool_], target_cls: Floats, pred_cls: Floats, im_name: str
    ) -> None:
        """Keep precision, recall, F1 and counts of one image at IoU 0.5.

        An image with neither targets nor predictions scores 1 throughout.
        """
        found, wanted = len(pred_cls), len(target_cls)
        hits = int(tp[:, 0].sum())
        if not found and not wanted:
            precision = recall = f1 = 1.0
        else:
            precision = hits / found if found else 0.0
            recall = hits / wanted if wanted else 0.0
            total = precision + recall
            f1 = 2 * precision * recall / total if total else 0.0
        self.image_metrics[im_name] = {
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "tp": hits,
            "fp": found - hits,
            "fn": wanted - hits,
        }

    def clear_image_metrics(self) -> None:
        """Forget the numbers of single images."""
        self.image_metrics.clear()

    @property
    def curves(self) -> list[str]:
        """Names of `curves_results`; the task's metric object gives them."""
        return []

    @property
    def curves_results(self) -> list[list[Any]]:
        """[x, y, x label, y label] of the precision-recall, F1, precision and recall curves."""
        return [
            [self.px, self.prec_values, "Recall", "Precision"],
            [self.px, self.f1_curve, "Confidence", "F1"],
            [self.px, self.p_curve, "Confidence", "Precision"],
            [self.px, self.r_curve, "Confidence", "Recall"],
        ]


def _mean(values: Any) -> float:  # list or array
    return float(np.mean(values)) if len(values) else 0.0
