"""Diagram of a confusion matrix: truth on x, predictions on y."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.utils.metrics.average_precision import Floats
from ultralytics.utils.plotting.figures import new_figure, write_figure

__all__ = ["plot_confusion_matrix"]

SMALLEST_SHOWN = 0.005
NUMBERED_CLASSES = 30  # fewer classes get numbers in the cells
LABELLED_CLASSES = 99  # fewer classes get their names on the axes
SAMPLED_CLASSES = 100  # from here on only every n-th class is drawn
FRAME = "0.85"  # light grey
LIGHT_TEXT_ABOVE = 0.45  # share of the largest value


def plot_confusion_matrix(
    matrix: Floats, names: Sequence[str], file: str | Path, normalized: bool
) -> None:
    """Draw a matrix [predicted, true].

    Args:
        matrix: counts, or shares of every column.
        names: of the rows, the background included where there is one.
        file: picture to write.
        normalized: values are shares, shown with two decimals.
    """
    values, labels = np.array(matrix, dtype=float), list(names)
    if len(labels) >= SAMPLED_CLASSES:
        step = slice(None, None, max(2, len(labels) // 60))
        values, labels = values[step, step], labels[step]
    values[values < SMALLEST_SHOWN] = np.nan
    figure = new_figure(12, 9)
    axes = figure.add_subplot()
    top = np.nanmax(values) if np.isfinite(values).any() else 1.0
    image = axes.imshow(values, cmap="Blues", vmin=0.0, vmax=top, interpolation="none")
    if len(labels) < NUMBERED_CLASSES:
        _write_numbers(axes, values, top * LIGHT_TEXT_ABOVE, normalized)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.05)
    title = "Confusion Matrix" + " Normalized" * normalized
    axes.set_title(title, fontsize=18, pad=12)
    axes.set_xlabel("True", fontsize=14)
    axes.set_ylabel("Predicted", fontsize=14)
    if len(labels) < LABELLED_CLASSES:
        size = max(6, 14 - len(labels) // 10)
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(len(labels)), labels, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    for side in ("left", "right", "bottom", "top"):
        axes.spines[side].set_color(FRAME)
    if len(labels) < NUMBERED_CLASSES:  # empty cells are told apart, too
        axes.set_xticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=FRAME, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    write_figure(figure, file)


def _write_numbers(axes: Any, values: Floats, limit: float, normalized: bool) -> None:
    size = max(7, 15 - len(values) // 3)
    for row, column in zip(*np.nonzero(np.isfinite(values)), strict=True):
        value = values[row, column]
        text = f"{value:.2f}" if normalized else f"{int(value)}"
        color = "white" if value > limit else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size)
