"""MLflow: arguments, rates, losses and metrics of each epoch, then the weights and files of the run folder.

A step is the index of the epoch. Names lose their parentheses, which MLflow does not allow. Variables:
MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN, MLFLOW_KEEP_RUN_ACTIVE. The client is the logger's own, so
nothing global changes unless the run is to be kept active.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of
from ultralytics.utils.environment import env_bool
from ultralytics.utils.logging import LOGGER

__all__ = ["MlflowLogger", "handlers"]

MOST_AT_ONCE = 100  # parameters in one request
LONGEST_VALUE = 500  # characters of a parameter, the smallest limit of any store
# A folder of files is what is meant, which MLflow has to be told, and its own reports stay off. The user's values win.
PRESET = ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY")
FILE_SUFFIXES = (".png", ".jpg", ".csv", ".yaml", ".html")


class MlflowLogger(RunLogger):
    """A run of an experiment; one that the user has opened is used and left open."""

    setting = "mlflow"
    package = "mlflow"
    first_step = 0

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        for name in PRESET:
            os.environ.setdefault(name, "true")
        import mlflow

        self.mlflow: Any = mlflow  # Any: an optional package
        opened = mlflow.active_run()
        self.is_ours = opened is None
        if opened is None:
            self.uri = os.environ.get("MLFLOW_TRACKING_URI") or _local_store()
            self.client: Any = mlflow.MlflowClient(tracking_uri=self.uri)
            self.run_id: str = self._create_run()
        else:
            self.uri = mlflow.get_tracking_uri()
            self.client = mlflow.MlflowClient()
            self.run_id = opened.info.run_id
        self._log_arguments()
        LOGGER.info(f"MLflow: run {self.run_id} is kept at {self.uri}")

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """One batch of metrics."""
        metric, now = self.mlflow.entities.Metric, round(time.time() * 1000)
        rows = [metric(clean(k), float(v), now, step) for k, v in values.items()]
        self.client.log_batch(self.run_id, metrics=rows)

    def log_results(self) -> None:
        """The folder of weights, and tables and pictures of the run."""
        folder = Path(self.trainer.save_dir)
        self.client.log_artifacts(self.run_id, str(folder / "weights"), "weights")
        for path in sorted(folder.iterdir()):
            if path.suffix in FILE_SUFFIXES:
                self.client.log_artifact(self.run_id, str(path))

    def close(self) -> None:
        """End the run, or make it the active one of the process where that is asked for."""
        if not self.is_ours:
            return
        if env_bool("MLFLOW_KEEP_RUN_ACTIVE"):
            self.mlflow.set_tracking_uri(self.uri)
            self.mlflow.start_run(run_id=self.run_id)
            return
        self.client.set_terminated(self.run_id, "FINISHED" if self.is_complete else "FAILED")

    def _create_run(self) -> str:
        args = self.trainer.args
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or args.project or "/Shared/Ultralytics"
        known = self.client.get_experiment_by_name(str(name))
        experiment = known.experiment_id if known else self.client.create_experiment(str(name))
        run = self.client.create_run(
            experiment, run_name=os.environ.get("MLFLOW_RUN") or str(args.name)
        )
        return str(run.info.run_id)

    def _log_arguments(self) -> None:
        kind = self.mlflow.entities.Param
        rows = [kind(k, str(v)[:LONGEST_VALUE]) for k, v in vars(self.trainer.args).items()]
        for start in range(0, len(rows), MOST_AT_ONCE):
            self.client.log_batch(self.run_id, params=rows[start : start + MOST_AT_ONCE])


def clean(name: str) -> str:
    """A name without parentheses."""
    return name.replace("(", "").replace(")", "")


def _local_store() -> str:
    """URI of the folder `mlflow` beside the runs."""
    from ultralytics.utils.settings import SETTINGS

    return (Path(SETTINGS["runs_dir"]).absolute() / "mlflow").as_uri()


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(MlflowLogger)
