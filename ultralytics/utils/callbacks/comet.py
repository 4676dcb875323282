"""Comet: arguments, metrics, pictures, predictions, confusion matrix, the table of results and the weights.

Without a key, or with COMET_START_ONLINE=false or COMET_MODE=offline, the experiment is a zip file in the run folder.
Further variables: COMET_PROJECT_NAME, COMET_MODEL_NAME, COMET_EVAL_BATCH_LOGGING_INTERVAL,
COMET_MAX_IMAGE_PREDICTIONS, COMET_EVAL_LOG_CONFUSION_MATRIX, COMET_EVAL_LOG_IMAGE_PREDICTIONS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of
from ultralytics.utils.environment import env_bool
from ultralytics.utils.logging import LOGGER

__all__ = ["CometLogger", "handlers"]

PREDICTIONS = re.compile(r"val_batch(\d+)_(?:pred|labels)")
# What the package would gather by itself, besides what is logged here.
QUIET = {
    "auto_metric_logging": False,
    "auto_param_logging": False,
    "auto_output_logging": False,
    "auto_histogram_weight_logging": False,
    "auto_log_co2": False,
    "log_code": False,
    "log_graph": False,
    "log_git_metadata": False,
    "log_git_patch": False,
    "log_env_details": False,
    "parse_args": False,
    "display_summary_level": 0,
}


class CometLogger(RunLogger):
    """An experiment, on the server or in a file."""

    setting = "comet"
    package = "comet_ml"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        import comet_ml

        name = os.environ.get("COMET_PROJECT_NAME") or str(trainer.args.project or "Ultralytics")
        project = re.sub(r"[/\\]", "-", name)
        self.experiment: Any  # Any: an optional package
        if is_online(comet_ml):
            self.experiment = comet_ml.Experiment(project_name=project, **QUIET)
        else:
            self.experiment = comet_ml.OfflineExperiment(
                project_name=project, offline_directory=str(trainer.save_dir), **QUIET
            )
        self.experiment.set_name(str(trainer.args.name))
        self.experiment.log_parameters(dict(vars(trainer.args)))
        self.pictures_left = int(os.environ.get("COMET_MAX_IMAGE_PREDICTIONS") or 100)

    @classmethod
    def is_wanted(cls, trainer: Any) -> bool:
        """Not where COMET_MODE says disabled."""
        return os.environ.get("COMET_MODE", "").lower() != "disabled"

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Metrics of a step, which is also their epoch."""
        self.experiment.log_metrics(dict(values), step=step, epoch=step)

    def end_epoch(self) -> None:
        """Also the confusion matrix of every epoch, where that is asked for."""
        super().end_epoch()
        if env_bool("COMET_EVAL_LOG_CONFUSION_MATRIX"):
            self._log_matrix()

    def log_picture(self, path: Path, step: int) -> None:
        """A picture; those of predictions as far as the variables allow."""
        match = PREDICTIONS.fullmatch(path.stem)
        if match:
            interval = int(os.environ.get("COMET_EVAL_BATCH_LOGGING_INTERVAL") or 1)
            is_due = not interval or (int(match[1]) + 1) % interval == 0
            wanted = env_bool("COMET_EVAL_LOG_IMAGE_PREDICTIONS", True)
            if not wanted or not is_due or self.pictures_left <= 0:
                return
            self.pictures_left -= 1
        self.experiment.log_image(str(path), name=path.stem, step=step)

    def log_results(self) -> None:
        """Confusion matrix, table of results, file of arguments, weights."""
        folder, best = Path(self.trainer.save_dir), Path(self.trainer.best)
        self._log_matrix()
        for name in ("results.csv", "args.yaml"):
            if (folder / name).is_file():
                self.experiment.log_asset(str(folder / name), file_name=name)
        if best.is_file():
            model = os.environ.get("COMET_MODEL_NAME") or "Ultralytics"
            self.experiment.log_model(model, str(best), file_name="best.pt", overwrite=True)

    def close(self) -> None:
        """Send or write what is pending."""
        self.experiment.end()
        LOGGER.info(f"Comet: experiment {self.experiment.get_key()} is closed")

    def _log_matrix(self) -> None:
        matrix = getattr(self.trainer.validator, "confusion_matrix", None)
        if matrix is None:
            return
        rows = matrix.matrix.T.astype(int)  # ours has predictions in its rows, theirs has the truth
        names = [*matrix.names.values()]
        labels = [*names, "background"][: len(rows)]
        self.experiment.log_confusion_matrix(matrix=rows, labels=labels, step=self.step)


def is_online(comet_ml: Any) -> bool:  # Any: the package
    """Whether to send to the server: as the variables say, else only with a key."""
    if os.environ.get("COMET_START_ONLINE"):
        return env_bool("COMET_START_ONLINE")
    mode = os.environ.get("COMET_MODE", "").lower()
    return mode == "online" or (mode != "offline" and bool(comet_ml.get_config("comet.api_key")))


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(CometLogger)
