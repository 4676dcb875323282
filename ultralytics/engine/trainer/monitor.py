"""Which number decides about best.pt and about patience.

Without `monitor` it is the fitness of the task. With it, it is one column of results.csv, more being better (`:max`) or
less (`:min`). Inside the trainer a score is always better when larger, so a column to be minimised changes its sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ultralytics.cfg.load import own_setting
from ultralytics.errors import ConfigValueError, nearest

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["check", "score"]

LOSSES = ("train/", "val/")  # how the names of losses begin, of which less is better


def _asked(trainer: BaseTrainer) -> tuple[str, float]:
    """Name of the column, and the sign that makes larger better; an empty name for the fitness."""
    given = own_setting(trainer.args, "monitor") or "fitness"
    name, separator, mode = given.rpartition(":")
    if not separator:
        name = given
        mode = "min" if name.startswith(LOSSES) else "max"
    return ("" if (name, mode) == ("fitness", "max") else name), -1.0 if mode == "min" else 1.0


def check(trainer: BaseTrainer) -> None:
    """Refuse a column that the run will not have.

    Called when the parts are built, when the metrics are known, and after the first batch, when the losses are.

    Raises:
        ConfigValueError: there is no such column.
    """
    name, _ = _asked(trainer)
    if not name:
        return
    metrics = [column for column in trainer.metrics if not column.startswith("val/")]
    losses = [f"{part}/{loss}" for part in ("train", "val") for loss in trainer.loss_names]
    if not losses and name.startswith(LOSSES):
        return
    columns = ["fitness", *metrics, *losses]
    if name not in columns:
        raise ConfigValueError(
            f"monitor={own_setting(trainer.args, 'monitor')}: there is no column {name!r}"
            f"{nearest(name, columns)}; choose one of: {', '.join(columns)}"
        )


def score(trainer: BaseTrainer, metrics: dict[str, float], fitness: float) -> float:
    """The number that decides, larger being better: the fitness, or what `monitor` names."""
    name, sign = _asked(trainer)
    if not name:
        return fitness
    columns = {**trainer.label_loss_items(trainer.tloss), **metrics, "fitness": fitness}
    if name not in columns:
        raise ConfigValueError(
            f"monitor={own_setting(trainer.args, 'monitor')}: this epoch has no {name!r}"
            f"{nearest(name, columns)}; it has: {', '.join(columns)}"
        )
    return sign * float(columns[name])
