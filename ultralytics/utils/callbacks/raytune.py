"""Ray Tune: the metrics of every epoch are reported to the trial that the training runs in, if it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of

__all__ = ["RayTuneLogger", "handlers"]


class RayTuneLogger(RunLogger):
    """Reports of one trial: one for each validation, which is what the scheduler counts."""

    setting = "raytune"
    package = "ray"

    @classmethod
    def is_wanted(cls, trainer: Any) -> bool:  # Any: a trainer of any task
        """Only inside a trial."""
        from ray import tune

        context = tune.get_context()
        return context is not None and context.get_trial_id() is not None

    def end_training(self) -> None:
        """Nothing: a report here would count as an epoch."""

    def end_epoch(self) -> None:
        """Metrics with the number of the epoch."""
        from ray import tune

        tune.report({**self.trainer.metrics, "epoch": self.step})

    def end_run(self) -> None:
        """Nothing is left to report."""
        self.is_complete = True

    def log_picture(self, path: Path, step: int) -> None:
        """A trial has no pictures."""


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(RayTuneLogger)
