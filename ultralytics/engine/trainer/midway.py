"""Checkpoints within an epoch, and going on from one.

With `save_steps=N` every N-th optimiser step writes weights/step.pt: the exact state of the run, and which batches of
the epoch are done. It stands beside last.pt, which always holds the end of an epoch, and is of use until the next
last.pt. A loader takes part when it can start within an epoch (`can_start_within`, `start_at`), as those of
`ultralytics.data.build` can.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics.cfg.load import own_setting
from ultralytics.engine.trainer import checkpoint, exact
from ultralytics.errors import ConfigValueError
from ultralytics.nn.tasks.checkpoint import read_exact_state, write_checkpoint
from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.logging import LOGGER

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["begin", "clear", "enter", "keep", "restore", "step_file"]

FILE = "step.pt"


def step_file(trainer: BaseTrainer) -> Path:
    """Where the checkpoint within an epoch is."""
    return trainer.wdir / FILE


def clear(trainer: BaseTrainer) -> None:
    """Remove the checkpoint within an epoch, which a later one of a whole epoch has overtaken."""
    if is_first_rank():
        step_file(trainer).unlink(missing_ok=True)


def begin(trainer: BaseTrainer) -> None:
    """Look at `save_steps` before the first epoch.

    Raises:
        ConfigValueError: checkpoints are wanted within epochs, but not at their ends.
    """
    trainer.save_steps = int(own_setting(trainer.args, "save_steps"))
    if not trainer.save_steps:
        return
    if not trainer.args.save:
        raise ConfigValueError(
            f"save_steps={trainer.save_steps} with save=False: leave one of them out"
        )
    if not getattr(trainer.train_loader, "can_start_within", False):
        LOGGER.warning(
            f"save_steps={trainer.save_steps} is not used: {type(trainer.train_loader).__name__} cannot start "
            "within an epoch (it has no start_at), so the run goes on from the ends of its epochs only."
        )
        trainer.save_steps = 0


def restore(trainer: BaseTrainer, state: exact.State) -> None:
    """Remember where in its epoch a continued run starts; parts of the trainer are restored already."""
    where = state.get("midway")
    if where is None:
        return
    loader = trainer.train_loader
    is_same = (state["batches_per_epoch"], state["batch_size"]) == (
        len(loader),
        trainer.batch_size,
    )
    if is_same and getattr(loader, "can_start_within", False):
        trainer.midway = {**where, "optimizer": state["optimizer"]["param_groups"]}
    else:
        reason = "cannot start within an epoch" if is_same else "has other batches now"
        LOGGER.warning(
            f"{step_file(trainer)} stands after {where['batches']} batches of epoch {trainer.start_epoch + 1}, but "
            f"the loader {reason}: with these weights the epoch starts from its first batch."
        )
    trainer.snapshot = read_exact_state(trainer.last) if trainer.last.is_file() else None


def enter(trainer: BaseTrainer) -> int:
    """Put the loader at the start of an epoch, or where a continued run left it; returns the batches already done."""
    where, trainer.midway = trainer.midway, None
    loader = trainer.train_loader
    if where is not None:
        trainer.nan_recovery_attempts = where["nan_recovery_attempts"]
    # An epoch that diverged is repeated with other draws: the same ones would end the same way.
    epoch = trainer.epoch + trainer.nan_recovery_attempts * trainer.epochs
    trainer.tloss = {}
    if where is None:
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(epoch)
        return 0
    loader.start_at(epoch, where["batches"])
    _restore_rates(trainer, where["optimizer"])
    losses = where["losses"]
    mine = losses[trainer.ranks.rank if len(losses) == trainer.ranks.count else 0]
    trainer.tloss = {name: value.to(trainer.device) for name, value in mine.items()}
    trainer.loss_names = tuple(trainer.tloss)
    trainer.loss = where["loss"].to(trainer.device)
    point = trainer._resume_point
    if point is not None and point.exact is not None:
        exact.restore_rng(exact.rng_of_rank(trainer, point.exact))
    return int(where["batches"])


def _restore_rates(trainer: BaseTrainer, groups: list[dict[str, Any]]) -> None:
    """Rates as warm-up left them; those of the start of the epoch were set again meanwhile."""
    for group, stored in zip(trainer.optimizer.param_groups, groups, strict=True):
        group["lr"] = stored["lr"]


def keep(trainer: BaseTrainer, done: int) -> None:
    """Write step.pt when the batch just finished made the last of `save_steps` optimiser steps.

    Args:
        trainer: in an epoch.
        done: batches of the epoch that are done.
    """
    if not trainer.save_steps or trainer.last_opt_step != trainer.batches_done - 1:
        return
    trainer.steps_unsaved += 1
    if trainer.steps_unsaved < trainer.save_steps:
        return
    trainer.steps_unsaved = 0
    losses = {name: value.detach().cpu() for name, value in trainer.tloss.items()}
    given = trainer.ranks.exchange((exact.capture_rng(), losses), "the checkpoint within an epoch")
    trainer.rngs = [rng for rng, _ in given]
    if not is_first_rank():
        return
    where = {
        "batches": done,
        "losses": [losses for _, losses in given],
        "loss": trainer.loss.detach().cpu(),
        "nan_recovery_attempts": trainer.nan_recovery_attempts,
    }
    state = {**exact.capture(trainer), "epoch": trainer.epoch - 1, "midway": where}
    write_checkpoint(
        {**checkpoint.build(trainer), "epoch": trainer.epoch - 1}, step_file(trainer), exact=state
    )
