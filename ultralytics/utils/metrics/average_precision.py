"""Average precision, and the precision, recall and F1 curves over confidence.

N = detections, C = classes that have targets, T = IoU thresholds. Curves have 1000 points on
[0, 1]. Detections of equal confidence keep the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "ap_per_class", "best_f1_index", "compute_ap", "smooth"]

Floats = NDArray[np.floating[Any]]  # float32 and float64 both occur

_RECALLS = np.linspace(0, 1, 101)
_CONFIDENCES = np.linspace(0, 1, 1000)


def compute_ap(recall: ArrayLike, precision: ArrayLike) -> tuple[float, Floats, Floats]:
    """Area under a precision-recall curve, by the trapezoid rule over 101 interpolated recalls.

    A perfect detector scores 0.995 because the curve is closed with precision 0 at recall 1; the COCO average, which
    has no such gap, is in `ultralytics.utils.metrics.coco`.

    Returns:
        The area, then the precision envelope and the recall it belongs to, each three points longer than the input.
    """
    recall, precision = np.asarray(recall, dtype=float), np.asarray(precision, dtype=float)
    last = recall[-1] if recall.size else 1.0
    mrec = np.concatenate(([0.0], recall, [last, 1.0]))
    mpre = np.concatenate(([1.0], precision, [0.0, 0.0]))
    mpre = np.maximum.accumulate(mpre[::-1])[::-1]
    return _trapezoid(np.interp(_RECALLS, mrec, mpre)), mpre, mrec


def smooth(y: Floats, f: float = 0.05) -> Floats:
    """Moving average over a share `f` of the points, the ends continued with their own value.

    The result has the length of `y`, or one more when the window of a short input comes out even.
    """
    window = round(len(y) * f * 2) // 2 + 1
    padded = np.pad(np.asarray(y, dtype=float), window // 2, mode="edge")
    return np.convolve(padded, np.full(window, 1 / window), mode="valid")


def best_f1_index(f1_curves: Floats) -> int:
    """Index of the confidence at which the smoothed mean F1 of the (C, 1000) curves peaks; 0 without classes."""
    return int(smooth(f1_curves.mean(0), 0.1).argmax()) if len(f1_curves) else 0


def ap_per_class(
    tp: NDArray[np.bool_],
    conf: Floats,
    pred_cls: Floats,
    target_cls: Floats,
    plot: bool = False,
    on_plot: Callable[..., None] | None = None,
    save_dir: Path = Path(),
    names: Mapping[int, str] | None = None,
    eps: float = 1e-16,
    prefix: str = "",
) -> tuple[Any, ...]:  # eleven arrays of different types and one more; see Returns
    """Average precision of every class that has targets, and its curves over confidence.

    Args:
        tp: (N, T) whether a detection is correct at each threshold; column 0 is IoU 0.5.
        conf: (N,) confidence.
        pred_cls: (N,) predicted class.
        target_cls: class of every target of the data set.
        plot: write `<prefix>{PR,F1,P,R}_curve.png` into `save_dir`.
        on_plot: called with each written path and its data.
        names: class names for the legends.
        eps: keeps ratios finite.

    Returns:
        tp, fp, p, r and f1, each (C,) at the one confidence where the smoothed mean F1 peaks; ap (C, T); the class
        numbers (C,); p, r and f1 curves (C, 1000); the confidence axis (1000,); precision over recall (C, 1000).
    """
    classes, counts = np.unique(target_cls, return_counts=True)
    shape = (len(classes), len(_CONFIDENCES))
    p_curve, r_curve, envelope = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    ap = np.zeros((len(classes), tp.shape[1]))
    for i, rows in enumerate(_rows_by_class(np.asarray(pred_cls), classes)):
        if not len(rows):
            continue
        rows = rows[np.argsort(-conf[rows], kind="stable")]
        hits = np.cumsum(tp[rows], axis=0, dtype=np.int32)
        recall = hits / (counts[i] + eps)
        precision = hits / np.arange(1, len(rows) + 1)[:, None]
        falling = -conf[rows]
        r_curve[i] = np.interp(-_CONFIDENCES, falling, recall[:, 0], left=0)
        p_curve[i] = np.interp(-_CONFIDENCES, falling, precision[:, 0], left=1)
        ap[i], envelope[i] = _areas(recall, precision)
    f1_curve = 2 * p_curve * r_curve / (p_curve + r_curve + eps)
    if plot:
        _plot_curves(
            p_curve, r_curve, f1_curve, envelope, ap, classes, names, save_dir, prefix, on_plot
        )
    best = best_f1_index(f1_curve)
    p, r, f1 = p_curve[:, best], r_curve[:, best], f1_curve[:, best]
    true = (r * counts).round()
    false = (true / (p + eps) - true).round()
    kept = (p_curve, r_curve, f1_curve, _CONFIDENCES.copy(), envelope)
    return true, false, p, r, f1, ap, classes.astype(int), *kept


def _rows_by_class(pred_cls: Floats, classes: Floats) -> list[NDArray[np.intp]]:
    """Row numbers of the detections of each class, in arrival order."""
    if not len(classes):
        return []
    slot = np.searchsorted(classes, pred_cls)
    slot[slot == len(classes)] = 0
    slot[classes[slot] != pred_cls] = len(classes)
    narrow = np.int16 if len(classes) < np.iinfo(np.int16).max else np.int64  # 16 bits: radix sort
    order = np.argsort(slot.astype(narrow), kind="stable")
    bounds = np.searchsorted(slot[order], np.arange(len(classes) + 1))
    return [order[a:b] for a, b in pairwise(bounds.tolist())]


def _areas(recall: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """`compute_ap` of every column at once, and the envelope of column 0 over 1000 recalls."""
    count, columns = recall.shape
    mrec = np.empty((columns, count + 3))
    mrec[:, 0], mrec[:, 1:-2], mrec[:, -2], mrec[:, -1] = 0, recall.T, recall[-1], 1
    mpre = np.empty_like(mrec)
    mpre[:, 0], mpre[:, 1:-2], mpre[:, -2:] = 1, precision.T, 0
    mpre = np.maximum.accumulate(mpre[:, ::-1], axis=1)[:, ::-1]
    area = [_trapezoid(np.interp(_RECALLS, x, y)) for x, y in zip(mrec, mpre, strict=True)]
    return np.array(area), np.interp(_CONFIDENCES, mrec[0], mpre[0])


def _trapezoid(values: Floats) -> float:
    """Integral over [0, 1] of values at evenly spaced points, the ends included."""
    return float((values.sum() - (values[0] + values[-1]) / 2) / (len(values) - 1))


def _plot_curves(
    p_curve: Floats,
    r_curve: Floats,
    f1_curve: Floats,
    envelope: Floats,
    ap: Floats,
    classes: Sequence[int] | Floats,
    names: Mapping[int, str] | None,
    save_dir: Path,
    prefix: str,
    on_plot: Callable[..., None] | None,
) -> None:
    from ultralytics.utils.plotting.curves import plot_mc_curve, plot_pr_curve

    shown = {i: names[int(c)] for i, c in enumerate(classes) if names and int(c) in names}
    folder = Path(save_dir)
    x = _CONFIDENCES
    plot_pr_curve(x, envelope, ap, folder / f"{prefix}PR_curve.png", shown, on_plot=on_plot)
    for short, label, curve in (
        ("F1", "F1", f1_curve),
        ("P", "Precision", p_curve),
        ("R", "Recall", r_curve),
    ):
        file = folder / f"{prefix}{short}_curve.png"
        plot_mc_curve(x, curve, file, shown, ylabel=label, on_plot=on_plot)
