"""Neptune: arguments, losses, rates, metrics, pictures and best.pt.

The package's own variables hold: NEPTUNE_MODE=offline keeps the run in a local folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of

__all__ = ["NeptuneLogger", "handlers"]


class NeptuneLogger(RunLogger):
    """A run."""

    setting = "neptune"
    package = "neptune"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        import neptune
        from neptune.types import File

        self.file: Any = File  # Any: an optional package
        self.run: Any = neptune.init_run(
            project=str(trainer.args.project) if trainer.args.project else None,
            name=str(trainer.args.name),
            tags=["Ultralytics"],
            capture_stdout=False,
            capture_stderr=False,
            capture_hardware_metrics=False,
            source_files=[],
        )
        self.run["parameters"] = {k: str(v) for k, v in vars(trainer.args).items()}

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """One series per name."""
        for name, value in values.items():
            self.run[name].append(float(value), step=step)

    def log_picture(self, path: Path, step: int) -> None:
        """A picture under the name of its file."""
        self.run[f"pictures/{path.stem}"].upload(self.file(str(path)))

    def log_results(self) -> None:
        """best.pt."""
        best = Path(self.trainer.best)
        if best.is_file():
            self.run["weights/best.pt"].upload(self.file(str(best)))

    def close(self) -> None:
        """Send or write what is pending."""
        self.run.stop()


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(NeptuneLogger)
