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
from ultralytics.utils.torch_utils.wrapping import unwrap_model

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["DivergedError", "recover_from_nan", "shrink_batch"]

MAX_ATTEMPTS = 3
MEMORY_MESSAGES = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class DivergedError(UltralyticsError, RuntimeError):
    """A run whose losses are not finite and that cannot be recovered."""


def recover_from_nan(trainer: BaseTrainer) -> bool:
    """Go back to the last checkpoint when the loss or the fitness is not finite.

    Returns:
        True when the weights were restored and the epoch has to be repeated.

    Raises:
        DivergedError: there is no usable checkpoint, or it has been tried too often.
    """
    is_sound = bool(torch.isfinite(trainer.loss)) and math.isfinite(trainer.fitness or 0.0)
    if is_sound:
        return False
    if trainer.epoch == trainer.start_epoch:
        LOGGER.warning("The loss is not finite in the first epoch; training goes on as it is.")
        return False
    trainer.nan_recovery_attempts += 1
    if trainer.nan_recovery_attempts > MAX_ATTEMPTS:
        raise DivergedError(
            f"epoch {trainer.epoch + 1} diverged {MAX_ATTEMPTS} times in a row; lower lr0"
        )
    state = read_exact_state(trainer.last) if trainer.last.is_file() else None
    if state is None:
        raise DivergedError(
            f"epoch {trainer.epoch + 1} diverged and there is no {trainer.last} to go back to; "
            "train with save=True"
        )
    if not all(v.isfinite().all() for v in state["model"].values() if v.is_floating_point()):
        raise DivergedError(f"epoch {trainer.epoch + 1} diverged and {trainer.last} is not finite")
    LOGGER.warning(
        f"Epoch {trainer.epoch + 1} diverged; going back to {trainer.last} "
        f"(attempt {trainer.nan_recovery_attempts} of {MAX_ATTEMPTS})."
    )
    exact.restore(trainer, state)
    trainer.optimizer.zero_grad()
    trainer.scheduler.last_epoch = trainer.epoch - 1
    return True


def shrink_batch(trainer: BaseTrainer, error: Exception) -> bool:
    """Halve the batch after a lack of device memory in the first epoch of a run.

    The nominal batch stays: twice as many batches are gathered for each optimiser step.

    Returns:
        True when the epoch has to be repeated, False when the error is another one.
    """
    is_memory = isinstance(error, torch.OutOfMemoryError) or any(
        text in str(error) for text in MEMORY_MESSAGES
    )
    tries = trainer.memory_retries
    can_retry = trainer.epoch == trainer.start_epoch and tries < MAX_ATTEMPTS
    if not (is_memory and can_retry and trainer.device.type != "cpu" and trainer.batch_size > 1):
        return False
    trainer.memory_retries = tries + 1
    old, trainer.batch_size = trainer.batch_size, max(1, int(trainer.batch_size) // 2)
    trainer.args.batch = trainer.batch_size
    LOGGER.warning(f"Out of device memory with batch={old}; trying batch={trainer.batch_size}.")
    trainer.optimizer.zero_grad()
    trainer._clear_memory()
    optimizer = trainer.optimizer
    trainer._build_train_pipeline()
    trainer.optimizer = optimizer
    trainer._setup_scheduler()
    trainer.scheduler.last_epoch = trainer.start_epoch - 1
    unwrap_model(trainer.model).criterion = None
    trainer.last_opt_step = -1
    return True
