"""Exponential moving average of a network: the weights that are validated, saved and shipped.

The decay ramps up as `decay * (1 - exp(-updates / tau))`, so early averages follow the live weights closely.
Specification chapter 40, section 11.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from ultralytics.utils.torch_utils.wrapping import copy_attr, unwrap_model

__all__ = ["ModelEMA"]


class ModelEMA:
    """Average of every floating-point entry of a network's state, buffers included.

    Args:
        model: network to follow; a parallel or compiled wrapper is taken off. The average is a deep
            copy in evaluation mode without gradients.
        decay: limit of the decay.
        tau: number of updates after which the decay has reached 63 percent of its limit.
        updates: updates already made, when a run is continued.
    """

    def __init__(
        self, model: nn.Module, decay: float = 0.9999, tau: float = 2000, updates: int = 0
    ) -> None:
        self.ema = deepcopy(unwrap_model(model)).eval()
        self.updates = updates
        self.limit, self.tau = decay, tau
        self.enabled = True
        for parameter in self.ema.parameters():
            parameter.requires_grad_(False)
        self._pairs: tuple[int, list[Tensor], list[Tensor]] | None = None

    def decay(self, updates: float) -> float:
        """Share of the old average that is kept at a given number of updates."""
        return self.limit * (1 - math.exp(-updates / self.tau))

    def update(self, model: nn.Module) -> None:
        """Move the average towards the live weights. Integer buffers are left alone."""
        if not self.enabled:
            return
        self.updates += 1
        averages, live = self._tensors(unwrap_model(model))
        with torch.no_grad():
            torch._foreach_lerp_(averages, live, 1 - self.decay(self.updates))

    def _tensors(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        """Matching lists of averaged and live tensors, looked up once per network object."""
        if self._pairs is None or self._pairs[0] != id(model):
            source = model.state_dict()
            names = [k for k, v in self.ema.state_dict().items() if v.dtype.is_floating_point]
            mine = self.ema.state_dict()
            self._pairs = (id(model), [mine[k] for k in names], [source[k] for k in names])
        return self._pairs[1], self._pairs[2]

    def forget_tensors(self) -> None:
        """Look the tensors up again at the next update (after the network was moved or reloaded)."""
        self._pairs = None

    def update_attr(
        self,
        model: nn.Module,
        include: Iterable[str] = (),
        exclude: Iterable[str] = ("process_group", "reducer"),
    ) -> None:
        """Copy public plain attributes of the network onto the average."""
        if self.enabled:
            copy_attr(self.ema, unwrap_model(model), tuple(include), tuple(exclude))
