"""What the labels of a data set look like: counts by class, places, sizes and shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.plotting.colors import colors
from ultralytics.utils.plotting.figures import new_figure, write_figure

__all__ = ["plot_labels", "plot_pixel_counts"]

DRAWN_BOXES = 500
NAMED_CLASSES = 30
BINS = 50
OUTLINE = "0.35"  # grey


def plot_labels(
    boxes: np.ndarray[Any, Any],
    cls: np.ndarray[Any, Any],
    names: Mapping[int, str] | tuple[str, ...] = (),
    save_dir: str | Path = "",
    on_plot: Callable[..., None] | None = None,
) -> None:
    """Write labels.jpg.

    Args:
        boxes: (n, 4) normalised centre, width, height; further columns are disregarded.
        cls: (n,) class of each.
        names: class names.
        save_dir: folder of the file.
        on_plot: called with the written path.
    """
    LOGGER.info(f"Plotting labels to {Path(save_dir) / 'labels.jpg'}... ")
    boxes = (
        np.asarray(boxes, dtype=float).reshape(len(boxes), -1) if len(boxes) else np.empty((0, 4))
    )
    boxes = boxes[:1_000_000, :4]
    classes = np.asarray(cls).reshape(-1).astype(int)[: len(boxes)]
    figure = new_figure(8, 8)
    axes = figure.subplots(2, 2)
    _draw_counts(axes[0, 0], classes, names)
    _draw_boxes(axes[0, 1], boxes, classes)
    for ax, columns, titles in (
        (axes[1, 0], boxes[:, :2], ("x", "y")),
        (axes[1, 1], boxes[:, 2:], ("width", "height")),
    ):
        counts, _, _, mesh = ax.hist2d(*columns.T, bins=BINS, cmap="Blues", cmin=1)
        most = float(np.nanmax(counts, initial=1))
        mesh.set_clim(-most / 2, most)  # single counts must be seen too
        ax.set(xlabel=titles[0], ylabel=titles[1])
    for ax in axes.flat:
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    file = write_figure(figure, Path(save_dir) / "labels.jpg", dpi=200)
    if on_plot:
        on_plot(file)


def plot_pixel_counts(
    counts: np.ndarray[Any, Any],
    names: Mapping[int, str],
    save_dir: str | Path = "",
    on_plot: Callable[..., None] | None = None,
) -> None:
    """Write labels.jpg for class maps: the pixels of every class.

    Args:
        counts: (classes,) numbers of pixels.
        names: class names.
        save_dir: folder of the file.
        on_plot: called with the written path.
    """
    figure = new_figure(max(6.0, 0.3 * len(counts) + 2), 6)
    ax = figure.add_subplot()
    _draw_bars(ax, np.asarray(counts), names)
    ax.set_ylabel("pixels")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    file = write_figure(figure, Path(save_dir) / "labels.jpg", dpi=200)
    if on_plot:
        on_plot(file)


def _draw_counts(
    ax: Any, classes: np.ndarray[Any, Any], names: Mapping[int, str] | tuple[str, ...]
) -> None:
    count = max(len(names), int(classes.max(initial=-1)) + 1, 1)
    _draw_bars(ax, np.bincount(classes, minlength=count), names)
    ax.set_ylabel("instances")


def _draw_bars(
    ax: Any, counts: np.ndarray[Any, Any], names: Mapping[int, str] | tuple[str, ...]
) -> None:
    bars = ax.bar(range(len(counts)), counts, linewidth=0.5 if len(counts) <= NAMED_CLASSES else 0)
    for i, bar in enumerate(bars):
        bar.set_facecolor([channel / 255 for channel in colors(i)])
        bar.set_edgecolor(OUTLINE)  # the palette has colours close to the paper's
    ax.yaxis.get_major_locator().set_params(integer=True)
    if 0 < len(names) < NAMED_CLASSES:
        ax.set_xticks(range(len(names)), [names[i] for i in range(len(names))], rotation=90)
    else:
        ax.set_xlabel("classes")


def _draw_boxes(ax: Any, boxes: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]) -> None:
    """The first boxes, all moved to the centre."""
    from matplotlib.patches import Rectangle

    for (_, _, width, height), c in zip(boxes[:DRAWN_BOXES], classes, strict=False):
        corner = (0.5 - width / 2, 0.5 - height / 2)
        edge = [channel / 255 for channel in colors(c)]
        ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=edge, linewidth=0.6))
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=[], yticks=[])
    ax.set_facecolor("0.85")  # every colour of the palette is seen on it
