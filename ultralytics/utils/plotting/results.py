"""Losses and metrics of a training run over its epochs, from results.csv."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ultralytics.utils.plotting.figures import new_figure, write_figure

__all__ = ["plot_results"]

SMOOTHING = 3.0  # sigma of the dotted line, in epochs


def plot_results(
    file: str | Path = "", dir: str | Path = "", on_plot: Callable[..., None] | None = None
) -> None:
    """Write results.png: one panel per loss and metric, raw and smoothed, in two rows.

    Args:
        file: one results.csv; its folder takes the picture and all its results*.csv are drawn.
        dir: folder to look in when no file is named.
        on_plot: called with the written path.

    Raises:
        AssertionError: there is no results*.csv.
    """
    folder = Path(file).parent if file else Path(dir)
    files = sorted(folder.glob("results*.csv"))
    if not files:
        raise AssertionError(f"No results.csv files found in {folder.resolve()}, nothing to plot.")
    tables = {path: _columns(path) for path in files}
    names = [n for n in next(iter(tables.values())) if "loss" in n or "metric" in n]
    across = max((len(names) + 1) // 2, 1)
    figure = new_figure(3 * across, 6)
    for position, name in enumerate(names):
        axes = figure.add_subplot(2, across, position + 1)
        for path, table in tables.items():
            if name not in table:
                continue
            epochs, values = table["epoch"], table[name]
            known = np.isfinite(values)
            axes.plot(epochs[known], values[known], marker=".", label=path.stem, linewidth=2)
            axes.plot(epochs[known], _smoothed(values[known]), ":", label="smooth", linewidth=2)
        axes.set_title(name, fontsize=12)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        if position >= across or len(names) <= across:
            axes.set_xlabel("epoch")
        if position == min(1, len(names) - 1):
            axes.legend()
    written = write_figure(figure, folder / "results.png", dpi=200)
    if on_plot:
        on_plot(written)


def _columns(path: Path) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Numbers by column; empty cells are NaN."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(stream)]
    names = list(rows[0]) if rows else []
    return {n: np.array([float(row[n] or "nan") for row in rows]) for n in names}


def _smoothed(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from scipy.ndimage import gaussian_filter1d

    if not len(values):
        return values
    smoothed: np.ndarray[tuple[int], np.dtype[np.float64]] = gaussian_filter1d(values, SMOOTHING)
    return smoothed
