"""DVCLive: arguments, all metrics of each epoch, pictures, confusion matrix and best.pt as files.

They lie in the folder `dvclive` of the run. A run inside a DVC repository is saved as an experiment of it; DVCLive's
habit of making one out of any git repository is switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of

__all__ = ["DvcliveLogger", "handlers"]

MOST_POINTS = 100_000  # pairs of the confusion matrix that are written one by one


class DvcliveLogger(RunLogger):
    """A folder of files of `dvclive.Live`."""

    setting = "dvc"
    package = "dvclive"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        from dvclive import Live

        folder = Path(trainer.save_dir) / "dvclive"
        root = _repository()
        with _no_new_repository() if root is None else nullcontext():
            self.live: Any = Live(  # Any: an optional package
                dir=str(folder),
                # What lies elsewhere cannot be committed: git's index would be broken by it.
                save_dvc_exp=root is not None and folder.resolve().is_relative_to(root),
                dvcyaml=str(folder / "dvc.yaml"),
                report=None,
                monitor_system=False,
            )
        self.live.log_params({k: _plain(v) for k, v in vars(trainer.args).items()})

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Metrics of a step, as tables and in the summary."""
        self.live.step = step
        for name, value in values.items():
            self.live.log_metric(name, float(value))
        self.live.make_summary()

    def log_picture(self, path: Path, step: int) -> None:
        """A picture; a later one of the same name takes its place."""
        self.live.log_image(path.name, str(path))

    def log_results(self) -> None:
        """Confusion matrix and best.pt."""
        self._log_matrix()
        best = Path(self.trainer.best)
        if (
            best.is_file() and self.live._save_dvc_exp
        ):  # without a repository nothing could track it
            self.live.log_artifact(str(best), type="model", name="best", copy=True)

    def close(self) -> None:
        """Write the summary."""
        self.live.end()

    def _log_matrix(self) -> None:
        """Pairs of true and predicted class, as many as the matrix counts."""
        found = getattr(self.trainer.validator, "confusion_matrix", None)
        if found is None or not 0 < found.matrix.sum() <= MOST_POINTS:
            return
        names = np.array([*found.names.values(), "background"])
        predicted, true = np.nonzero(found.matrix)
        counts = found.matrix[predicted, true].astype(int)
        self.live.log_sklearn_plot(
            "confusion_matrix",
            np.repeat(names[true], counts).tolist(),
            np.repeat(names[predicted], counts).tolist(),
            name="confusion_matrix.json",
        )


def _repository() -> Path | None:
    """Root of the DVC repository around the working directory."""
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)


def _no_new_repository() -> AbstractContextManager[Any]:
    """Keep DVCLive from making a DVC repository of the git repository around the working directory."""
    return patch("dvclive.live.get_dvc_repo", return_value=None)


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float, str, list, dict)) else str(value)


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(DvcliveLogger)
