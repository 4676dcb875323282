"""Measuring a training: the trainer of the task runs its own loop for a few batches, with marks between its stages.

Nothing is left behind: the run lives in a temporary folder, no handler is called, and the weights of the caller are not
touched.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ultralytics.data.side_copy import on_device
from ultralytics.engine.profiling.calls import CallTimes
from ultralytics.engine.profiling.clock import StageClock
from ultralytics.engine.profiling.table import LOADING, STEP, TrainingProfile
from ultralytics.engine.trainer import loop
from ultralytics.engine.trainer.hooks import copies_beside, takes_device_batches
from ultralytics.errors import ConfigValueError
from ultralytics.utils.torch_utils.seeds import unset_deterministic
from ultralytics.utils.torch_utils.wrapping import unwrap_model

__all__ = ["profile_training", "timed_trainer"]

WARM_UP = 2  # batches before the measured ones: first calls choose kernels and reserve memory

# Any below: trainers, networks and batches of every task
Arguments = Mapping[str, Any]


def profile_training(facade: Any, args: Arguments, batches: int) -> TrainingProfile:
    """Train a few batches and say where their time went.

    Args:
        facade: an opened model; it is not changed.
        args: complete arguments of a training; those about files and epochs have no effect.
        batches: how many are measured.

    Raises:
        ConfigValueError: several devices, a run to resume, or fewer than one batch.
    """
    from ultralytics.engine.facade.starting import prepare_trainer

    if isinstance(batches, bool) or not isinstance(batches, int) or batches < 1:
        raise ConfigValueError(f"batches={batches!r}: give the number of batches to measure")
    if args.get("resume"):
        raise ConfigValueError(f"resume={args['resume']}: a profile starts anew; leave it out")
    kind = timed_trainer(facade._smart_load("trainer"))
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        own = {"project": folder, "name": "run", "exist_ok": True, "plots": False, "epochs": 1}
        trainer = prepare_trainer(facade, kind, {**args, **own, "close_mosaic": 0}, callbacks={})
        if trainer.ddp or trainer.is_shared:
            raise ConfigValueError(f"device={trainer.args.device}: a profile is of one device")
        try:
            trainer._setup_train()
            return _measure(trainer, batches)
        finally:
            trainer._close_loaders()
            unset_deterministic()


def timed_trainer(kind: Any) -> Any:
    """A trainer class that marks its stages and calls no handlers."""

    class Timed(kind):
        takes_device_batches = takes_device_batches(kind)
        stage_clock: StageClock | None = None
        steps_made = 0

        def mark(self, stage: str) -> None:
            if self.stage_clock is not None:
                self.stage_clock.mark(stage)

        def run_callbacks(self, event: str) -> None:
            pass

        def preprocess_batch(self, batch: dict[str, Any]) -> Any:
            prepared = super().preprocess_batch(batch)
            self.mark("copy")
            return prepared

        def optimizer_step(self) -> None:
            self.mark("backward")
            super().optimizer_step()
            self.steps_made += 1
            self.mark("step")

    return Timed


class _TimedLoss:
    """A criterion that marks the end of the forward pass and its own."""

    def __init__(self, criterion: Any, mark: Any) -> None:
        self._criterion, self._mark = criterion, mark

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._mark("forward")
        found = self._criterion(*args, **kwargs)
        self._mark("loss")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._criterion, name)


def _measure(trainer: Any, batches: int) -> TrainingProfile:
    network = unwrap_model(trainer.model)
    criterion = getattr(network, "criterion", None)  # that of the user is there already
    if criterion is None and callable(getattr(network, "init_criterion", None)):
        criterion = network.init_criterion()
    if criterion is not None:  # else the loss is part of the forward pass
        network.criterion = _TimedLoss(criterion, trainer.mark)
    trainer._model_train()
    trainer.optimizer.zero_grad()
    loader = trainer.train_loader
    workers = int(getattr(loader, "num_workers", 0))
    calls = CallTimes()
    if not workers:
        loader.collate_fn = calls.timed("collate", loader.collate_fn)
    endless = _endless(loader)
    if copies_beside(trainer):
        endless = on_device(endless, trainer.device)
    for number in range(WARM_UP):
        _step(trainer, next(endless), number)
    clock = trainer.stage_clock = StageClock(trainer.device)
    trainer.steps_made = 0
    calls.milliseconds = dict.fromkeys(calls.milliseconds, 0.0)
    images, start = 0, time.perf_counter()
    clock.mark("start")
    with calls.watching():
        for number in range(WARM_UP, WARM_UP + batches):
            batch = next(endless)
            clock.mark("wait")
            images += len(batch["img"])
            _step(trainer, batch, number)
    sums = clock.totals()
    wall = (time.perf_counter() - start) * 1e3 / images
    step = {name: sums.get(name, 0.0) / images for name in STEP}
    made = calls.milliseconds, images, step["wait"] * images
    if workers:
        made = _load_here(loader, batches)
    return TrainingProfile(_title(trainer, workers, batches), _loading(*made), step, wall, workers)


def _step(trainer: Any, batch: dict[str, Any], number: int) -> None:
    """One batch of the training loop; what follows the last mark belongs to the stage that made it."""
    before = trainer.last_opt_step
    loop.run_batch(trainer, batch, number, number)
    trainer.mark("step" if trainer.last_opt_step != before else "backward")


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _load_here(loader: Any, batches: int) -> tuple[dict[str, float], int, float]:
    """Make samples in this process, as a worker would; times by call, images, and milliseconds in all."""
    calls = CallTimes()
    alone = torch.utils.data.DataLoader(
        loader.dataset,
        batch_size=loader.batch_size or 1,
        shuffle=True,
        generator=torch.Generator(),
        collate_fn=calls.timed("collate", loader.collate_fn),
    )
    images, endless = 0, _endless(alone)
    next(endless)
    calls.milliseconds = dict.fromkeys(calls.milliseconds, 0.0)
    start = time.perf_counter()
    with calls.watching():
        for _ in range(batches):
            images += len(next(endless)["img"])
    return calls.milliseconds, images, (time.perf_counter() - start) * 1e3


def _loading(calls: Mapping[str, float], images: int, total: float) -> dict[str, float]:
    """Milliseconds per image of the stages of loading; what no call accounts for is `assemble`."""
    known = {**calls, "assemble": max(total - sum(calls.values()), 0.0)}
    return {name: known[name] / images for name in LOADING}


def _title(trainer: Any, workers: int, batches: int) -> str:
    args = trainer.args
    layout = "channels last" if trainer.channels_last else "channels first"
    return (
        f"Training {args.model} ({args.task}) on {args.data}\n"
        f"device {trainer.device}, {trainer.precision.kind}, {layout}, compile={args.compile}, "
        f"batch {int(trainer.batch_size)}, imgsz {args.imgsz}, {workers} workers, "
        f"{batches} batches and {trainer.steps_made} optimizer steps measured (one is due every "
        f"{trainer.accumulate})"
    )
