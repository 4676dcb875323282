"""Weights & Biases: arguments, losses, rates, metrics, facts about the network, pictures, curves and best.pt.

A step is the number of finished epochs. The package's own variables hold: WANDB_MODE=offline keeps all on disk, in
the run folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of

__all__ = ["WandbLogger", "handlers"]

LONGEST_PROJECT = 128
CURVE_POINTS = 100


class WandbLogger(RunLogger):
    """A run; one that the user has opened is used and left open."""

    setting = "wandb"
    package = "wandb"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        import wandb

        self.wandb: Any = wandb  # Any: an optional package
        self.is_ours = self.wandb.run is None
        self.last_step = 0
        self.run: Any = self._start() if self.is_ours else self.wandb.run
        if not self.is_ours:
            self.run.config.update(dict(vars(trainer.args)), allow_val_change=True)

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Values of a step. A run of the user's counts its steps by itself and gets the epoch."""
        self._log(dict(values), step)

    def log_picture(self, path: Path, step: int) -> None:
        """A picture under the name of its file."""
        self._log({path.stem: self.wandb.Image(str(path))}, step)

    def log_results(self) -> None:
        """best.pt as a model artifact and the curves of the last validation."""
        best = Path(self.trainer.best)
        if best.is_file():
            artifact = self.wandb.Artifact(name=f"run_{self.run.id}_model", type="model")
            artifact.add_file(str(best), name="best.pt")
            self.run.log_artifact(artifact, aliases=["best"])
        for title, chart in self._charts().items():
            self._log({f"curves/{title}": chart}, self.step)

    def close(self) -> None:
        """End the run if it is ours."""
        if self.is_ours:
            self.run.finish(exit_code=0 if self.is_complete else 1)

    def _start(self) -> Any:
        trainer = self.trainer
        folder = Path(trainer.save_dir)
        continued = newest_id(folder) if trainer.resume else None
        return self.wandb.init(
            project=project_name(trainer.args.project),
            name=str(trainer.args.name),
            config=dict(vars(trainer.args)),
            dir=str(folder),
            id=continued,
            resume="allow" if continued else None,
        )

    def _log(self, values: dict[str, Any], step: int) -> None:
        if self.is_ours:  # values of a step before the last one would be dropped
            self.last_step = max(self.last_step, step)
            self.run.log(values, step=self.last_step)
        else:
            self.run.log({"epoch": step, **values})

    def _charts(self) -> dict[str, Any]:
        """Line charts by name, one line per class."""
        metrics = getattr(self.trainer.validator, "metrics", None)
        titles = list(getattr(metrics, "curves", []))
        results = getattr(metrics, "curves_results", []) if titles else []
        names = getattr(metrics, "names", {})
        charts = {}
        for title, (x, y, x_label, y_label) in zip(titles, results, strict=True):
            if not len(y):
                continue
            chosen = np.linspace(0, len(x) - 1, CURVE_POINTS).astype(int)
            lines = np.atleast_2d(np.asarray(y))[:, chosen]
            keys = _line_names(names, metrics, len(lines))
            table = self.wandb.Table(
                columns=[x_label, y_label, "class"],
                data=[
                    [float(px), float(py), key]
                    for key, line in zip(keys, lines, strict=True)
                    for px, py in zip(np.asarray(x)[chosen], line, strict=True)
                ],
            )
            charts[title] = table
        return charts


def _line_names(names: Mapping[int, str], metrics: Any, count: int) -> list[str]:
    """Class names of the lines of a curve, or their numbers."""
    indexes = list(getattr(metrics, "ap_class_index", []))
    indexes = indexes if len(indexes) == count else list(range(count))
    return [str(names.get(int(i), i)) for i in indexes]


def project_name(project: object) -> str:
    """Name of the project for an argument `project`, which may be a path."""
    return re.sub(r"[/\\#?%:]", "-", str(project or "Ultralytics"))[-LONGEST_PROJECT:]


def newest_id(folder: Path) -> str | None:
    """Id of the newest run stored in a run folder."""
    files = sorted(folder.glob("wandb/*run-*/run-*.wandb"), key=lambda p: p.stat().st_mtime)
    return files[-1].stem.removeprefix("run-") if files else None


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(WandbLogger)
