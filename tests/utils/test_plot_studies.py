"""Diagrams over several trainings and of depth: crowds are counted, failures are left out, files have the content."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from ultralytics.utils.plotting import (
    plot_depth_panels,
    plot_multitrain_results,
    plot_tune_results,
    plt_color_scatter,
)


def records(folder: Path, fitness: list[float]) -> Path:
    file = folder / "tune_results.ndjson"
    lines = [
        {"iteration": i + 1, "fitness": f, "hyperparameters": {"lr0": 0.01 * (i + 1), "box": 7.5}}
        for i, f in enumerate(fitness)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_points_are_coloured_by_their_crowd() -> None:
    axes = Figure().add_subplot()
    plt_color_scatter([0, 0, 0, 1], [0, 0, 0, 1], bins=2, axes=axes)
    assert list(axes.collections[0].get_array()) == [3, 3, 3, 1]


def test_a_search_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records(tmp_path, [0.1, 0.4, 0.0, 0.3])
    plot_tune_results()
    for name in ("tune_scatter_plots.png", "tune_fitness.png"):
        assert cv2.imread(str(tmp_path / name)).std() > 0


def test_a_search_without_fitness_is_not_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = records(tmp_path, [0.0, 0.0])
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        plot_tune_results(file)
    assert "nothing to plot" in caplog.text
    assert not list(tmp_path.glob("*.png"))
    plot_tune_results(file, exclude_zero_fitness_points=False)
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_runs_on_several_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: seen.append(self))
    scores = {"a": {"fitness": 0.5}, "b": None, "c": 0.25}
    plot_multitrain_results(scores, save_dir=tmp_path)
    axes = seen[0].axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.0, 0.25]
    assert [t.get_text() for t in axes.texts] == ["0.500", "failed", "0.250"]
    assert axes.get_legend().get_texts()[0].get_text() == "mean 0.375"


def test_depth_panels(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    depth = torch.linspace(1, 9, 2 * 40 * 60).reshape(2, 40, 60)
    plot_depth_panels(torch.ones(2, 3, 40, 60), depth[:, None], file, gt=depth)
    picture = cv2.imread(str(file))
    strip = picture.shape[0] - 80
    assert picture.shape[1] == 3 * 60
    body = picture[strip:]
    assert (body[:, :60] == 255).all()
    assert np.array_equal(body[:, 60:120], body[:, 120:])  # equal depths, equal colours
    assert body[:, 60:120].std() > 0
