"""The progress row of an epoch. On a GPU its losses are copied while the device works and read one row later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ultralytics.engine.trainer import nonfinite

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["LateValues", "report_batch"]

REPORT_EVERY_S = 0.25  # rows of an accelerator


class LateValues:
    """Values of a device, read when they have arrived instead of being waited for.

    Args:
        streams: module with `Event`, as `torch.cuda` has it.
        is_pinned: whether copies go to page-locked memory, which a GPU writes on its own.
    """

    def __init__(self, streams: Any = torch.cuda, is_pinned: bool = True) -> None:  # Any: a module
        self._streams, self._is_pinned = streams, is_pinned
        self._names: tuple[str, ...] = ()
        self._host: Tensor | None = None
        self._event: Any = None  # Any: an event of the device
        self.latest: dict[str, float] = {}

    def request(self, values: Mapping[str, Tensor]) -> None:
        """Take over what has arrived, and have other values copied unless a copy is under way."""
        if self._event is not None:
            if not self._event.query():
                return
            assert self._host is not None  # made with the event
            self.latest = dict(zip(self._names, self._host.tolist(), strict=True))
        joined = torch.stack([value.detach().float() for value in values.values()])
        if self._host is None or self._host.shape != joined.shape:
            self._host = torch.empty(joined.shape, pin_memory=self._is_pinned)
        self._host.copy_(joined, non_blocking=True)
        self._names = tuple(values)
        self._event = self._streams.Event()
        self._event.record()


def report_batch(trainer: BaseTrainer, bar: Any, batch: dict[str, Any], is_last: bool) -> None:
    """Update the row after a batch: always on a processor and at the end, else when it is due."""
    if trainer.device.type == "cpu" or is_last:
        _show(trainer, bar, batch, {k: float(v) for k, v in trainer.tloss.items()})
        return
    now = trainer.clock()
    if now - trainer.reported_at < REPORT_EVERY_S:
        return
    trainer.reported_at = now
    if trainer.device.type != "cuda":
        _show(trainer, bar, batch, {k: float(v) for k, v in trainer.tloss.items()})
        return
    trainer.late_losses.request(trainer.tloss)
    if trainer.late_losses.latest:
        _show(trainer, bar, batch, trainer.late_losses.latest)


def _show(
    trainer: BaseTrainer, bar: Any, batch: dict[str, Any], losses: Mapping[str, float]
) -> None:
    nonfinite.check_reported(trainer, losses.values())
    memory = f"{trainer._get_memory():.3g}G"
    labels = batch["cls"].shape[0] if "cls" in batch else batch["img"].shape[0]
    row = ("%11s" * 2 + "%11.4g" * (2 + len(losses))) % (
        f"{trainer.epoch + 1}/{trainer.epochs}",
        memory,
        *losses.values(),
        labels,
        batch["img"].shape[-1],
    )
    bar.set_description(row)
