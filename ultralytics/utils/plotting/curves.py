"""Diagrams of precision, recall and F1, and of IoU by class.

C = classes. Up to 20 classes get a line and a legend entry each, more are grey; the thick line is the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.utils.metrics.average_precision import Floats, smooth
from ultralytics.utils.plotting.figures import new_figure, write_figure

__all__ = ["plot_iou_bars", "plot_mc_curve", "plot_pr_curve"]

LISTED_CLASSES = 20


def plot_pr_curve(
    px: Floats,
    py: Floats,
    ap: Floats,
    save_dir: str | Path = "pr_curve.png",
    names: Mapping[int, str] | None = None,
    on_plot: Callable[..., None] | None = None,
) -> None:
    """Draw precision over recall.

    Args:
        px: (1000,) recalls.
        py: (C, 1000) precision of each class.
        ap: (C, T) average precision; column 0 is IoU 0.5.
        save_dir: the file to write.
        names: class names by row of `py`.
        on_plot: called with the path and the numbers.
    """
    figure, axes = _diagram("Precision-Recall Curve", "Recall", "Precision")
    legend = [f"{name} {ap[i, 0]:.3f}" for i, name in (names or {}).items()]
    _class_lines(axes, px, py, legend)
    mean = py.mean(0) if len(py) else np.zeros_like(px)
    score = ap[:, 0].mean() if len(ap) else 0.0
    axes.plot(px, mean, linewidth=3, color="blue", label=f"all classes {score:.3f} mAP@0.5")
    _finish(figure, axes, save_dir)
    if on_plot:
        on_plot(
            save_dir, {"type": "pr_curve", "x": px.tolist(), "y": py.tolist(), "ap": ap.tolist()}
        )


def plot_mc_curve(
    px: Floats,
    py: Floats,
    save_dir: str | Path = "mc_curve.png",
    names: Mapping[int, str] | None = None,
    xlabel: str = "Confidence",
    ylabel: str = "Metric",
    on_plot: Callable[..., None] | None = None,
) -> None:
    """Draw a metric over confidence; the mean is smoothed over a tenth of the axis.

    Args:
        px: (1000,) confidences.
        py: (C, 1000) metric of each class.
        save_dir: the file to write.
        names: class names by row of `py`.
        xlabel: name of the axis.
        ylabel: name of the metric.
        on_plot: called with the path and the numbers.
    """
    figure, axes = _diagram(f"{ylabel}-Confidence Curve", xlabel, ylabel)
    _class_lines(axes, px, py, list((names or {}).values()))
    mean = smooth(py.mean(0), 0.1) if len(py) else np.zeros_like(px)
    best = f"all classes {mean.max():.2f} at {px[mean.argmax()]:.3f}"
    axes.plot(px, mean, linewidth=3, color="blue", label=best)
    _finish(figure, axes, save_dir)
    if on_plot:
        kind = f"{ylabel.lower()}_curve"
        on_plot(save_dir, {"type": kind, "x": px.tolist(), "y": py.tolist()})


def plot_iou_bars(iou: Floats, names: Mapping[int, str], file: str | Path, mean: float) -> None:
    """Draw the IoU of every class as a bar, and the mean as a line."""
    figure = new_figure(max(6.0, 0.4 * len(iou) + 2), 6)
    axes = figure.add_subplot()
    bars = axes.bar(range(len(iou)), iou)
    if len(iou) <= LISTED_CLASSES:
        axes.bar_label(bars, fmt="%.3f", fontsize=9)
    axes.axhline(mean, color="black", linestyle="--", label=f"mean {mean:.3f}")
    axes.set(title="IoU by class", ylabel="IoU", ylim=(0, 1))
    axes.set_xticks(range(len(iou)), [names[i] for i in range(len(iou))], rotation=90)
    axes.legend()
    write_figure(figure, file)


def _diagram(title: str, xlabel: str, ylabel: str) -> tuple[Any, Any]:  # Any: matplotlib is untyped
    figure = new_figure(9, 6)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.25)
    return figure, axes


def _class_lines(axes: Any, px: Floats, py: Floats, legend: list[str]) -> None:
    if 0 < len(legend) <= LISTED_CLASSES and len(legend) == len(py):
        for label, curve in zip(legend, py, strict=True):
            axes.plot(px, curve, linewidth=1, label=label)
    elif len(py):
        axes.plot(px, py.T, linewidth=1, color="grey")


def _finish(figure: Any, axes: Any, file: str | Path) -> None:
    axes.legend(bbox_to_anchor=(1.04, 1), loc="upper left")
    write_figure(figure, file)
