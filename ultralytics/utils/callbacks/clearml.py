"""ClearML: arguments, scalars, pictures, final values and best.pt of a run as a task.

The package's own settings hold: CLEARML_OFFLINE_MODE=1 keeps the task in a local folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of

__all__ = ["ClearmlLogger", "handlers"]


class ClearmlLogger(RunLogger):
    """A task; one that the user has opened is used and left open."""

    setting = "clearml"
    package = "clearml"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        from clearml import Task

        opened = Task.current_task()
        self.is_ours = opened is None
        self.task: Any = opened or Task.init(  # Any: an optional package
            project_name=str(trainer.args.project or "Ultralytics"),
            task_name=str(trainer.args.name),
            tags=["Ultralytics"],
            output_uri=False,
            reuse_last_task_id=False,
            auto_connect_frameworks=False,
            auto_connect_arg_parser=False,
            auto_resource_monitoring=False,
            auto_connect_streams=False,
        )
        self.task.connect(dict(vars(trainer.args)), name="General")

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Scalars; the part of a name before the slash is the chart."""
        logger = self.task.get_logger()
        for name, value in values.items():
            title, _, series = name.partition("/")
            logger.report_scalar(title, series or title, value=float(value), iteration=step)

    def log_picture(self, path: Path, step: int) -> None:
        """A picture as a debug sample."""
        title = path.stem.rstrip("0123456789")
        logger = self.task.get_logger()
        logger.report_image(title, path.stem, iteration=step, local_path=str(path))

    def log_results(self) -> None:
        """Final values and best.pt."""
        for name, value in self.trainer.metrics.items():
            self.task.get_logger().report_single_value(name, float(value))
        best = Path(self.trainer.best)
        if best.is_file() and not self.task.is_offline():  # an offline task cannot hold a model
            self.task.update_output_model(
                model_path=str(best), model_name=str(self.trainer.args.name), auto_delete_file=False
            )

    def close(self) -> None:
        """End the task if it is ours."""
        if not self.is_ours:
            return
        if not self.is_complete:
            self.task.mark_failed(status_reason="the training did not finish")
        self.task.close()


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(ClearmlLogger)
