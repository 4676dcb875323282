"""Going on after a failure: not-a-number losses and running out of device memory.

Specification chapter 40, sections 7 and 12.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ultralytics.engine.trainer import exact
from ultralytics.errors import UltralyticsError
from ultralytics.nn.tasks.checkpoint import read_exact_state
from ultralytics.utils.logging import LOGGER

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["DivergedError", "can_shrink_batch", "recover_from_nan", "shrink_batch"]

MAX_ATTEMPTS = 3
MEMORY_MESSAGES = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class DivergedError(UltralyticsError, RuntimeError):
    """A run whose losses are not finite and that cannot be recovered."""


def recover_from_nan(trainer: BaseTrainer) -> bool:
    """Go back to the end of the previous epoch when the loss or the fitness is not finite.

    The state comes from last.pt, or from memory when no files are kept.

    Returns:
        True when the weights were restored and the epoch has to be repeated.

    Raises:
        DivergedError: there is no usable state, or it has been tried too often.
    """
    mine = bool(torch.isfinite(trainer.loss)) and math.isfinite(trainer.fitness or 0.0)
    if all(trainer.ranks.exchange(mine, "the check for finite losses")):
        return False
    if trainer.epoch == trainer.start_epoch and trainer.snapshot is None:
        LOGGER.warning(
            f"The loss is not finite in the first epoch{_cause(trainer)}; training goes on as it is."
        )
        return False
    trainer.nan_recovery_attempts += 1
    if trainer.nan_recovery_attempts > MAX_ATTEMPTS:
        raise DivergedError(
            f"epoch {trainer.epoch + 1} diverged {MAX_ATTEMPTS + 1} times in a row{_cause(trainer)}; lower lr0"
        )
    state = trainer.ranks.first(lambda: _last_state(trainer), "the state to go back to")
    LOGGER.warning(
        f"Epoch {trainer.epoch + 1} diverged{_cause(trainer)}; going back to the end of epoch {trainer.epoch} "
        f"(attempt {trainer.nan_recovery_attempts} of {MAX_ATTEMPTS})."
    )
    trainer.optimizer.zero_grad()
    exact.restore(trainer, state)
    trainer.scheduler.last_epoch = trainer.epoch - 1
    return True


def _cause(trainer: BaseTrainer) -> str:
    return f" (first not finite: {trainer.nonfinite})" if trainer.nonfinite else ""


def _last_state(trainer: BaseTrainer) -> exact.State:
    """State at the end of the previous epoch, all of it finite."""
    state = trainer.snapshot
    if state is None:
        state = read_exact_state(trainer.last) if trainer.last.is_file() else None
    if state is None:
        raise DivergedError(
            f"epoch {trainer.epoch + 1} diverged and {trainer.last} holds no state to go back to"
        )
    if not all(v.isfinite().all() for v in state["model"].values() if v.is_floating_point()):
        raise DivergedError(
            f"epoch {trainer.epoch + 1} diverged, and so had epoch {trainer.epoch}; lower lr0"
        )
    return state


def can_shrink_batch(trainer: BaseTrainer, error: RuntimeError) -> bool:
    """Whether an error is a lack of device memory that a smaller batch may cure.

    Only the first epoch of a run is tried again, at most three times. Several ranks cannot start over together, as
    the others are in the middle of a step.

    Raises:
        RuntimeError: a rank of several ran out of memory; the text says what to change.
    """
    is_memory = isinstance(error, torch.cuda.OutOfMemoryError) or any(
        text in str(error) for text in MEMORY_MESSAGES
    )
    if is_memory and trainer.is_shared:
        share = int(trainer.batch_size) // trainer.ranks.count
        raise RuntimeError(
            f"out of memory with {share} images per rank; lower batch={trainer.batch_size} ({error})"
        ) from error
    can_retry = trainer.epoch == trainer.start_epoch and trainer.memory_retries < MAX_ATTEMPTS
    return is_memory and can_retry and trainer.device.type != "cpu" and trainer.batch_size > 1


def shrink_batch(trainer: BaseTrainer) -> None:
    """Halve the batch and make the trainer ready to repeat its epoch.

    The nominal batch stays: twice as many batches are gathered for each optimiser step. The state
    of the optimiser stays too, only its decay follows the batch.
    """
    trainer.memory_retries += 1
    old, trainer.batch_size = int(trainer.batch_size), max(1, int(trainer.batch_size) // 2)
    trainer.args.batch = trainer.batch_size
    trainer.optimizer.zero_grad()
    trainer.loss = torch.zeros(())
    trainer._close_loaders()
    trainer._clear_memory()
    optimizer = trainer.optimizer
    trainer._build_train_pipeline()
    for group, fresh in zip(optimizer.param_groups, trainer.optimizer.param_groups, strict=True):
        group["weight_decay"] = fresh["weight_decay"]
    trainer.optimizer = optimizer
    trainer._setup_scheduler()
    trainer.scheduler.last_epoch = trainer.start_epoch - 1
    trainer.validator.dataloader = trainer.test_loader
    trainer.is_mosaic_closed = False
    trainer.last_opt_step = -1
    LOGGER.warning(
        f"Out of device memory with batch={old}: going on with batch={trainer.batch_size} (try "
        f"{trainer.memory_retries} of {MAX_ATTEMPTS}). Batches gathered for an optimizer step: "
        f"{trainer.accumulate}; the epoch starts anew, weights and optimizer are kept. Give batch="
        f"{trainer.batch_size} next time, or less imgsz."
    )
