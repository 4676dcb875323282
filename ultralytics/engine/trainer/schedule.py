"""Learning rate by epoch, warm-up by batch, and gradient accumulation.

`e` counts epochs from zero, `ni` counts batches over the whole run. The rate of epoch e is `initial_lr * lf(e)`;
during warm-up each group moves from its start value to that rate. Specification chapter 40, sections 7 and 9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ultralytics.engine.trainer.layer_rates import FACTOR
from ultralytics.utils.torch_utils.rates import one_cycle

__all__ = ["Schedule", "decay_function", "nominal_accumulation"]


def decay_function(epochs: int, lrf: float, cosine: bool) -> Callable[[int], float]:
    """Share of the initial rate at a given epoch: 1 at the start, towards `lrf` at the end."""
    if cosine:
        return one_cycle(1.0, lrf, epochs)
    return lambda e: max(1 - e / epochs, 0) * (1.0 - lrf) + lrf


def nominal_accumulation(nominal_batch: int, batch: int) -> int:
    """Batches per optimiser step that come closest to the nominal batch size; halves go to even."""
    return max(round(nominal_batch / batch), 1)


@dataclass
class Schedule:
    """Rates and accumulation of one run.

    Attributes:
        epochs: planned epochs.
        batches: batches per epoch.
        warmup_epochs: length of the warm-up, cut so that the last epoch is never warm-up.
        accumulate: batches per optimiser step once warm.
        lf: rate factor by epoch.
        warmup_momentum: momentum at the first batch.
        momentum: momentum once warm.
        warmup_bias_lr: rate of the bias group at the first batch.
    """

    epochs: int
    batches: int
    warmup_epochs: float
    accumulate: int
    lf: Callable[[int], float]
    warmup_momentum: float
    momentum: float
    warmup_bias_lr: float

    @property
    def warmup_batches(self) -> int:
        """Length of the warm-up in batches; 0 when there is none."""
        length = min(self.warmup_epochs, max(self.epochs - 1, 0))
        return round(length * self.batches) if length > 0 else 0

    def is_warming(self, ni: int) -> bool:
        """Whether batch `ni` still belongs to the warm-up; its end is inclusive."""
        return self.warmup_batches > 0 and ni <= self.warmup_batches

    def warm(self, optimizer: torch.optim.Optimizer, ni: int, e: int) -> int:
        """Set the rates and momenta of a warm-up batch; returns its accumulation."""
        end = [0, self.warmup_batches]
        for group in optimizer.param_groups:
            start = self.warmup_bias_lr if group.get("param_group") == "bias" else 0.0
            start *= group.get(FACTOR, 1.0)
            group["lr"] = float(np.interp(ni, end, [start, group["initial_lr"] * self.lf(e)]))
            if "momentum" in group:
                ramp = [self.warmup_momentum, self.momentum]
                group["momentum"] = float(np.interp(ni, end, ramp))
        return max(1, int(np.interp(ni, end, [1, self.accumulate]).round()))
