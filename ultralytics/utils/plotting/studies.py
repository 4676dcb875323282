"""Diagrams over several trainings: the search for hyperparameters, and one set of arguments on several data sets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.plotting.figures import new_figure, write_figure

__all__ = ["plot_multitrain_results", "plot_tune_results", "plt_color_scatter"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Record = dict[str, Any]  # Any: numbers, and tables of them

PANEL = 2.5  # inches of a scatter diagram
SMOOTHING = 3.0  # sigma of the line of fitness, in trainings


def plt_color_scatter(
    v: Any,  # Any: sequence or array of numbers
    f: Any,
    bins: int = 20,
    cmap: str = "viridis",
    alpha: float = 0.8,
    edgecolors: str = "none",
    axes: Any = None,  # Any: matplotlib is untyped
) -> None:
    """Scatter points, coloured by how many share their cell of a grid.

    Args:
        v: x values.
        f: y values.
        bins: cells along each axis.
        cmap: colour map of matplotlib.
        alpha: opacity.
        edgecolors: of the points.
        axes: where to draw; matplotlib's current axes when not given.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.gca()
    x, y = np.asarray(v, dtype=float), np.asarray(f, dtype=float)
    axes.scatter(x, y, c=_crowd(x, y, bins), cmap=cmap, alpha=alpha, edgecolors=edgecolors)


def _crowd(x: Floats, y: Floats, bins: int) -> Floats:
    """Number of points in the grid cell of every point."""
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins)
    cells = [
        np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
        for edges, values in ((x_edges, x), (y_edges, y))
    ]
    crowd: Floats = counts[cells[0], cells[1]]
    return crowd


def plot_tune_results(
    results_file: str | Path = "tune_results.ndjson", exclude_zero_fitness_points: bool = True
) -> None:
    """Write tune_scatter_plots.png and tune_fitness.png beside the records of a search.

    Args:
        results_file: one JSON object per line, with `fitness` and `hyperparameters`.
        exclude_zero_fitness_points: leave out trainings that failed or learned nothing.

    Raises:
        FileNotFoundError: there is no such file.
    """
    file = Path(results_file)
    lines = file.read_text(encoding="utf-8").splitlines()
    records: list[Record] = [json.loads(line) for line in lines if line.strip()]
    if exclude_zero_fitness_points:
        records = [record for record in records if record["fitness"] > 0]
    if not records:
        LOGGER.warning(f"No training with fitness in {file}; nothing to plot.")
        return
    fitness = np.array([record["fitness"] for record in records], dtype=float)
    _draw_parameters(records, fitness, file.with_name("tune_scatter_plots.png"))
    _draw_fitness(fitness, file.with_name("tune_fitness.png"))


def _draw_parameters(records: Sequence[Record], fitness: Floats, file: Path) -> None:
    """One panel per hyperparameter; the best value is marked and written above."""
    best = int(fitness.argmax())
    names = list(records[best]["hyperparameters"])
    across = max(math.ceil(math.sqrt(len(names))), 1)
    figure = new_figure(PANEL * across, PANEL * math.ceil(len(names) / across))
    for position, name in enumerate(names):
        axes = figure.add_subplot(math.ceil(len(names) / across), across, position + 1)
        known = [i for i, record in enumerate(records) if name in record["hyperparameters"]]
        values = np.array([records[i]["hyperparameters"][name] for i in known], dtype=float)
        plt_color_scatter(values, fitness[known], edgecolors="none", axes=axes)
        chosen = records[best]["hyperparameters"][name]
        axes.plot(chosen, fitness[best], "k+", markersize=12, markeredgewidth=1.5)
        axes.set_title(f"{name} = {chosen:.3g}", fontsize=9)
        axes.tick_params(labelsize=8)
        if position % across:
            axes.set_yticks([])
    _announce(write_figure(figure, file, dpi=200))


def _draw_fitness(fitness: Floats, file: Path) -> None:
    from scipy.ndimage import gaussian_filter1d

    steps = np.arange(1, len(fitness) + 1)
    figure = new_figure(10, 6)
    axes = figure.add_subplot()
    axes.plot(steps, fitness, "o", label="training")
    axes.plot(steps, gaussian_filter1d(fitness, SMOOTHING), ":", linewidth=2, label="smoothed")
    axes.step(steps, np.maximum.accumulate(fitness), where="post", linewidth=1, label="best so far")
    axes.set(title="Fitness over trainings", xlabel="training", ylabel="fitness")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    _announce(write_figure(figure, file, dpi=200))


def plot_multitrain_results(
    scores: Mapping[str, float | Mapping[str, float] | None],
    key: str = "fitness",
    save_dir: str | Path = "",
) -> None:
    """Write multitrain_results.png: a bar per run and a line at their mean.

    Args:
        scores: run -> its score or its metrics; runs that failed have None and no bar.
        key: which of the metrics is drawn.
        save_dir: folder of the file.
    """
    values = {run: _score(given, key) for run, given in scores.items()}
    done = [value for value in values.values() if math.isfinite(value)]
    figure = new_figure(max(6.0, 0.5 * len(values) + 2), 5)
    axes = figure.add_subplot()
    bars = axes.bar(range(len(values)), [0.0 if math.isnan(v) else v for v in values.values()])
    texts = ["failed" if math.isnan(v) else f"{v:.3f}" for v in values.values()]
    axes.bar_label(bars, texts, fontsize=9)
    if done:
        mean = sum(done) / len(done)
        axes.axhline(mean, color="black", linestyle="--", label=f"mean {mean:.3f}")
        axes.legend()
    axes.set_xticks(range(len(values)), list(values), rotation=45, ha="right")
    axes.set(title=f"{key} by data set", ylabel=key)
    _announce(write_figure(figure, Path(save_dir) / "multitrain_results.png", dpi=200))


def _score(given: float | Mapping[str, float] | None, key: str) -> float:
    value = given.get(key) if isinstance(given, Mapping) else given
    return math.nan if value is None else float(value)


def _announce(file: Path) -> None:
    LOGGER.info(f"Saved {file}")
