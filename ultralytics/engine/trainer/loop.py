"""The training loop, top to bottom: run, epoch, batch.

The trainer holds the state; the functions here say in which order its methods are called. Specification chapter 40,
sections 3, 10, 12 and 15.
"""

from __future__ import annotations

import math
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch

from ultralytics.data.side_copy import on_device
from ultralytics.engine.trainer import (
    determinism,
    exact,
    midway,
    monitor,
    nonfinite,
    own_transforms,
    parallel,
    recovery,
    streams,
)
from ultralytics.engine.trainer.forward import losses_of
from ultralytics.engine.trainer.hooks import copies_beside
from ultralytics.engine.trainer.layer_rates import shown_rates
from ultralytics.engine.trainer.progress import LateValues, report_batch
from ultralytics.engine.trainer.rehearsal import rehearse
from ultralytics.engine.trainer.report import report_run
from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.logging import LOGGER, colorstr
from ultralytics.utils.torch_utils.wrapping import unwrap_model
from ultralytics.utils.tqdm import TQDM

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["run"]

AGREE_EVERY = 10  # batches between two questions of the ranks whether one of them wants to stop
FEW_STEPS = 10  # fewer optimiser steps than this in a whole run deserve a warning
AVERAGE_ATTRIBUTES = ("yaml", "nc", "args", "names", "stride", "class_weights")


def run(trainer: BaseTrainer) -> None:
    """Set up, train every epoch, evaluate the best weights.

    Raises:
        NondeterministicError: an operator that deterministic="strict" refuses.
        DivergedError: losses that are not finite, again and again.
    """
    try:
        run_all(trainer)
    except RuntimeError as error:
        determinism.refuse(trainer, error)
        raise


def run_all(trainer: BaseTrainer) -> None:
    """The parts of a run in their order."""
    trainer._setup_train()
    midway.begin(trainer)
    rehearse(trainer)
    start_clock(trainer)
    trainer.run_callbacks("on_train_start")
    announce(trainer)
    point = trainer._resume_point
    if point is None or point.exact is None:
        streams.begin_steps(trainer)
        trainer.optimizer.zero_grad()
    else:
        exact.restore_rng(exact.rng_of_rank(trainer, point.exact))
    trainer.epoch = trainer.start_epoch
    if point is not None and point.is_over:
        trainer.epoch -= 1
    else:
        run_epochs(trainer)
    midway.clear(trainer)
    finish(trainer)


def run_epochs(trainer: BaseTrainer) -> None:
    """Epoch after epoch, until the run stops."""
    while True:
        with determinism.collecting(trainer):
            is_done = run_epoch(trainer)
        if not is_done:
            continue  # the epoch is repeated: a smaller batch, or recovered weights
        if trainer.stop:
            return
        trainer.epoch += 1


def start_clock(trainer: BaseTrainer) -> None:
    """Begin to measure; a continued run counts the time it has already taken."""
    now = trainer.clock()
    point = trainer._resume_point
    spent = float(point.exact["elapsed"]) if point is not None and point.exact else 0.0
    is_timed_from_zero = point is None or point.exact is not None
    trainer.first_timed_epoch = 0 if is_timed_from_zero else trainer.start_epoch
    trainer.epoch_time_start = now
    trainer.train_time_start = now - spent
    trainer.batches_done = trainer.start_epoch * len(trainer.train_loader)


def announce(trainer: BaseTrainer) -> None:
    """Log what is about to happen, and warn when too few steps are planned to learn anything."""
    args, train, val = trainer.args, trainer.train_loader, trainer.test_loader
    length = f"{args.time} hours" if args.time else f"{trainer.epochs} epochs"
    LOGGER.info(
        f"Images: {len(train.dataset)} train, {len(val.dataset)} val; fraction={args.fraction}, "
        f"imgsz={args.imgsz}\n"
        f"Loading with {getattr(train, 'num_workers', 0)} worker processes\n"
        f"Results go to {colorstr('bold', trainer.save_dir)}\n"
        f"Training for {length}..."
    )
    steps = trainer.epochs * len(train) / max(trainer.accumulate, 1)
    if steps < FEW_STEPS and not args.time:
        LOGGER.warning(
            f"This run makes about {max(1, round(steps))} optimizer steps in all; nbs={args.nbs} "
            f"gathers {trainer.accumulate} batches for each. Lower nbs or raise epochs."
        )
    if trainer.epochs <= args.close_mosaic and getattr(train.dataset, "mosaic", False):
        LOGGER.warning(
            f"close_mosaic={args.close_mosaic} covers all {trainer.epochs} epochs, so mosaic is "
            "never used; lower it to train with mosaic."
        )
    if args.close_mosaic:
        base = (trainer.epochs - args.close_mosaic) * len(train)
        trainer.plot_idx.extend([base, base + 1, base + 2])


def run_epoch(trainer: BaseTrainer) -> bool:
    """Train, validate and save one epoch; False when it has to be repeated."""
    trainer.run_callbacks("on_train_epoch_start")
    step_scheduler(trainer)
    trainer._model_train()
    close_mosaic(trainer)
    is_out_of_memory = False
    try:
        run_batches(trainer)
    except RuntimeError as error:
        parallel.refuse_unused_weights(error)
        if not recovery.can_shrink_batch(trainer, error):
            raise
        is_out_of_memory = True
        trainer.batch = None
    if is_out_of_memory:  # handled out here: the exception keeps the tensors of the batch alive
        recovery.shrink_batch(trainer)
        return False
    criterion = getattr(unwrap_model(trainer.model), "criterion", None)
    if criterion is not None and hasattr(criterion, "update"):
        criterion.update()
    trainer.lr = shown_rates(trainer.optimizer)
    trainer.run_callbacks("on_train_epoch_end")
    return conclude_epoch(trainer)


def close_mosaic(trainer: BaseTrainer) -> None:
    """End the mixing of images, once, when the last `close_mosaic` epochs begin."""
    last = trainer.args.close_mosaic
    is_due = bool(last) and trainer.epoch >= trainer.epochs - last
    if is_due and not trainer.is_mosaic_closed:
        trainer.is_mosaic_closed = True
        trainer._close_dataloader_mosaic()


def step_scheduler(trainer: BaseTrainer) -> None:
    """Set the rates of this epoch."""
    with warnings.catch_warnings():
        # The rate of an epoch is set before its first optimiser step, which torch warns about.
        warnings.simplefilter("ignore")
        trainer.scheduler.step()


def run_batches(trainer: BaseTrainer) -> None:
    """One pass over the training set, or less when the time limit strikes."""
    own_transforms.renew_workers(trainer)
    loader, batches = trainer.train_loader, len(trainer.train_loader)
    done = midway.enter(trainer)
    trainer.nonfinite = None
    trainer.late_losses = LateValues()
    if trainer.loss_names:
        LOGGER.info(trainer.progress_string())
    source = on_device(loader, trainer.device) if copies_beside(trainer) else loader
    numbered, hidden = enumerate(source, done), not is_first_rank() or None
    with TQDM(numbered, total=batches, initial=done, disable=hidden) as bar:
        for i, batch in bar:
            trainer.run_callbacks("on_train_batch_start")
            ni = i + batches * trainer.epoch
            run_batch(trainer, batch, i, ni)
            if is_first_rank():
                report_batch(trainer, bar, batch, is_last=i + 1 == batches)
            if trainer.args.plots and ni in trainer.plot_idx and is_first_rank():
                trainer.plot_training_samples(batch, ni)
            trainer.run_callbacks("on_train_batch_end")
            midway.keep(trainer, i + 1)
            if is_stopped(trainer, i):
                break
    trainer.batch = None
    share_losses(trainer)


def is_stopped(trainer: BaseTrainer, i: int) -> bool:
    """Whether the epoch ends after this batch. Ranks ask one another every few batches, and stop together."""
    if not trainer.is_shared:
        return trainer.stop
    if (i + 1) % AGREE_EVERY:
        return False
    trainer.stop = any(trainer.ranks.exchange(trainer.stop, "the wish to stop"))
    return trainer.stop


def share_losses(trainer: BaseTrainer) -> None:
    """Make losses and the wish to stop those of all ranks, at the end of the batches of an epoch."""
    if trainer.is_shared:
        mine = (trainer.stop, {name: float(value) for name, value in trainer.tloss.items()})
        given = trainer.ranks.exchange(mine, "the end of the batches")
        trainer.stop = any(stop for stop, _ in given)
        means = parallel.mean_losses([losses for _, losses in given])
        trainer.tloss = {name: torch.tensor(value) for name, value in means.items()}


def run_batch(trainer: BaseTrainer, batch: dict[str, Any], i: int, ni: int) -> None:
    """Forward, backward, and an optimiser step when enough batches are gathered."""
    if trainer.schedule.is_warming(ni):
        trainer.accumulate = trainer.schedule.warm(trainer.optimizer, ni, trainer.epoch)
    with trainer.precision.autocast():
        prepared = trainer.preprocess_batch(batch)
        batch.update(prepared)
        trainer.batch, trainer.batches_done = batch, ni + 1
        loss, items = losses_of(trainer, prepared)
        trainer.loss = loss.sum()
    trainer.loss_items = items
    if trainer.loss_names != tuple(items):
        trainer.loss_names = tuple(items)
        monitor.check(trainer)
    nonfinite.check_loss(trainer)
    trainer.tloss = {k: (trainer.tloss[k] * i + v) / (i + 1) if i else v for k, v in items.items()}
    trainer.scaler.scale(trainer.loss * parallel.loss_factor(trainer)).backward()
    if ni - trainer.last_opt_step >= trainer.accumulate:
        trainer.optimizer_step()
        trainer.last_opt_step = ni
        if trainer.args.time and _is_out_of_time(trainer):
            trainer.stop = True


def conclude_epoch(trainer: BaseTrainer) -> bool:
    """Validate, recover from NaN, write the row and the checkpoint, decide whether to go on."""
    is_last = trainer.epoch + 1 >= trainer.epochs
    trainer.ema.update_attr(trainer.model, include=AVERAGE_ATTRIBUTES)
    validated = bool(trainer.args.val or is_last or trainer.stopper.possible_stop or trainer.stop)
    if validated:
        trainer._clear_memory(threshold=0.5)
        trainer.metrics, trainer.fitness = trainer.validate()
    if recovery.recover_from_nan(trainer):
        return False
    trainer.nan_recovery_attempts = 0
    shown = trainer.metrics if validated else dict.fromkeys(trainer.metrics)
    losses = trainer.label_loss_items(trainer.tloss)
    if is_first_rank():
        trainer.save_metrics(metrics={**losses, **shown, **trainer.lr})
    trainer.stop |= trainer.stopper(trainer.epoch + 1, trainer.fitness) or is_last
    now = trainer.clock()
    trainer.epoch_time, trainer.epoch_time_start = now - trainer.epoch_time_start, now
    if trainer.args.time:
        plan_by_time(trainer)
    keep(trainer)
    trainer.run_callbacks("on_fit_epoch_end")
    trainer.stop = any(trainer.ranks.exchange(trainer.stop, "the end of the epoch"))
    if trainer.stop and not trainer.is_saved:  # a handler ended a run that keeps only its end
        keep(trainer)
    trainer._clear_memory(threshold=0.5)
    return True


def keep(trainer: BaseTrainer) -> None:
    """Write the checkpoint of an epoch; without `save` only the last, else in memory."""
    trainer.is_saved = bool(trainer.args.save or trainer.stop)
    if trainer.is_saved:
        trainer.snapshot = None
        trainer.rngs = trainer.ranks.exchange(exact.capture_rng(), "the checkpoint")
        if is_first_rank():
            trainer.save_model()
            midway.clear(trainer)
            trainer.run_callbacks("on_model_save")
    else:
        trainer.snapshot = deepcopy(exact.capture(trainer))


def _is_out_of_time(trainer: BaseTrainer) -> bool:
    return trainer.clock() - trainer.train_time_start > trainer.args.time * 3600


def plan_by_time(trainer: BaseTrainer) -> None:
    """Fit the number of epochs to the time limit, from the mean length of the epochs so far."""
    limit, mine = trainer.args.time * 3600, trainer.clock() - trainer.train_time_start
    elapsed = trainer.ranks.exchange(mine, "the time taken")[0]
    epochs = trainer.epoch + 1 - trainer.first_timed_epoch
    if elapsed <= 0:
        return
    more = max(0, math.ceil((limit - elapsed) / elapsed * epochs))
    trainer.epochs = trainer.args.epochs = trainer.epoch + 1 + more
    trainer._setup_scheduler()
    trainer.scheduler.last_epoch = trainer.epoch
    trainer.stop |= more == 0


def finish(trainer: BaseTrainer) -> None:
    """Report, evaluate the best weights, draw the results."""
    seconds = trainer.clock() - trainer.train_time_start
    done = trainer.epoch - trainer.start_epoch + 1
    LOGGER.info(f"\n{done} epochs completed in {seconds / 3600:.3f} hours.")
    trainer.final_eval()
    if is_first_rank():
        if trainer.args.plots:
            trainer.plot_metrics()
            report_run(trainer, seconds)
        trainer.run_callbacks("on_train_end")
    trainer._clear_memory()
