"""What all experiment loggers share: when they are called, with what, and what happens when one fails.

A logger translates arguments, numbers, pictures and files into calls of its package. It is opened when the
set-up of a run ends, lives in `trainer.loggers`, and is closed at teardown. A logger that raises is reported
once and taken out of `trainer.loggers`; the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from ultralytics.errors import MissingExtra
from ultralytics.events import Handler
from ultralytics.utils.logging import LOGGER

__all__ = ["Loggers", "RunLogger", "forward", "handlers_of"]


class RunLogger:
    """One tracker of one run. Subclasses may raise anything: the caller isolates them.

    Args:
        trainer: the run; everything is built when a logger is made.

    Attributes:
        setting: the setting that switches it on; also its key in `trainer.loggers`.
        package: module that has to be installed.
        first_step: step of the first epoch.
        is_complete: the training ended as planned.
    """

    setting: ClassVar[str]
    package: ClassVar[str]
    first_step: ClassVar[int] = 1

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        self.trainer = trainer
        self.is_complete = False
        self._sent: dict[Path, float] = {}

    @classmethod
    def is_wanted(cls, trainer: Any) -> bool:
        """Whether to open one for this run, beyond the setting."""
        return True

    # ------------------------------------------------------------ what a package provides

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Record values of one step."""

    def log_picture(self, path: Path, step: int) -> None:
        """Record a picture file."""

    def log_results(self) -> None:
        """Record what there is at the end: weights, tables, matrices."""

    def close(self) -> None:
        """Let go of the package's run. `is_complete` tells how it ended."""

    # ------------------------------------------------------------ when it is called

    @property
    def step(self) -> int:
        """Step of the epoch that runs."""
        return int(self.trainer.epoch) + self.first_step

    def end_training(self) -> None:
        """An epoch has been trained: its losses and rates, and new pictures."""
        trainer = self.trainer
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        self.log_numbers({**losses, **trainer.lr}, self.step)
        self._log_pictures()

    def end_epoch(self) -> None:
        """An epoch has been validated: its metrics; facts about the network with the first one."""
        trainer = self.trainer
        facts = _network_facts(trainer) if trainer.epoch == trainer.start_epoch else {}
        self.log_numbers({**trainer.metrics, **facts}, self.step)
        self._log_pictures()

    def end_run(self) -> None:
        """The training has ended as planned: the last pictures and the results."""
        self._log_pictures()
        self.log_results()
        self.is_complete = True

    def _log_pictures(self) -> None:
        for path in self._new_pictures():
            self.log_picture(path, self.step)

    def _new_pictures(self) -> Iterator[Path]:
        """Pictures written, or written again, since the last call."""
        plots = {**self.trainer.plots, **getattr(self.trainer.validator, "plots", {})}
        for path, entry in plots.items():
            if self._sent.get(path) != entry["timestamp"] and path.is_file():
                self._sent[path] = entry["timestamp"]
                yield path


Loggers = dict[str, RunLogger]


def forward(loggers: Loggers, values: Mapping[str, float]) -> None:
    """Hand values of the user's own to every active logger, at the step of the running epoch."""
    for name, logger in tuple(loggers.items()):
        _isolate(loggers, name, partial(_log_now, logger, values))


def _log_now(logger: RunLogger, values: Mapping[str, float]) -> None:
    logger.log_numbers(values, logger.step)


def handlers_of(kind: type[RunLogger]) -> Mapping[str, Handler]:
    """Handlers of a logger by event; those of two calls are equal.

    Raises:
        MissingExtra: its package is not installed.
    """
    name = kind.package
    if find_spec(name) is None:
        raise MissingExtra(f"{name} is not installed: pip install {name}")
    return {event: LoggerHandler(kind, event) for event in STEPS}


@dataclass(frozen=True)
class LoggerHandler:
    """Handler of one event that calls the logger of one kind, if the run has one."""

    kind: type[RunLogger]
    event: str

    def __call__(self, trainer: Any) -> None:  # Any: a trainer of any task
        """Take the step of this event; errors switch the logger off and go no further."""
        act = partial(STEPS[self.event], self.kind, trainer)
        _isolate(trainer.loggers, self.kind.setting, act)


def _open(kind: type[RunLogger], trainer: Any) -> None:
    if kind.is_wanted(trainer):
        trainer.loggers[kind.setting] = kind(trainer)


def _close(kind: type[RunLogger], trainer: Any) -> None:
    logger: RunLogger | None = trainer.loggers.pop(kind.setting, None)
    if logger is not None:
        logger.close()


def _calling(method: str) -> Callable[[type[RunLogger], Any], None]:
    def call(kind: type[RunLogger], trainer: Any) -> None:
        logger = trainer.loggers.get(kind.setting)
        if logger is not None:
            getattr(logger, method)()

    return call


STEPS: Mapping[str, Callable[[type[RunLogger], Any], None]] = {
    "on_pretrain_routine_end": _open,
    "on_train_epoch_end": _calling("end_training"),
    "on_fit_epoch_end": _calling("end_epoch"),
    "on_train_end": _calling("end_run"),
    "teardown": _close,
}


def _isolate(loggers: Loggers, name: str, act: Callable[[], None]) -> None:
    """Run a call into a foreign package; whatever it raises ends the logger, not the training."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - packages and their servers fail in every way
        text = str(error).strip().partition("\n")[0]
        LOGGER.warning(
            f"Logger {name} failed and is off for the rest of this run: "
            f"{type(error).__name__}: {text}"
        )
        broken = loggers.pop(name, None)
        if broken is not None:
            with suppress(Exception):
                broken.close()


def _network_facts(trainer: Any) -> dict[str, float]:
    from ultralytics.utils.torch_utils.info import model_info_for_loggers

    return model_info_for_loggers(trainer)
