"""Smaller learning rates for earlier layers (setting `layer_decay`).

Layer i of a network whose head is layer H learns at `layer_decay ** (H - i)` times the rate. The groups of the head
keep their places, so that `lr/pg0` and its neighbours stay the columns they are; groups of earlier layers follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ultralytics.errors import ConfigValueError

__all__ = ["FACTOR", "by_layer", "layer_of", "shown_rates"]

FACTOR = "layer_factor"  # key of groups of earlier layers
LAYER = re.compile(r"(?:^|\.)model\.(\d+)\.")

Group = dict[str, Any]  # Any: parameters and options of an optimiser


def layer_of(name: str) -> int | None:
    """Number of the layer that a parameter belongs to; None outside of numbered layers."""
    found = LAYER.search(name)
    return int(found[1]) if found else None


def by_layer(groups: Sequence[Group], model: nn.Module, lr: float, decay: float) -> list[Group]:
    """Split parameter groups by layer.

    Args:
        groups: groups of an optimiser to be made.
        model: network that all parameters belong to.
        lr: rate of groups that name none.
        decay: factor from each layer to the one before it; 1 leaves the groups as they are.

    Returns:
        The given groups with the parameters of the head and those outside of layers, then one group for each of
        them and each earlier layer.

    Raises:
        ConfigValueError: a decay of 0.
    """
    if decay == 0:
        raise ConfigValueError(
            "layer_decay=0 would stop all layers but the last; freeze them, or give a share above 0"
        )
    if decay == 1:
        return list(groups)
    layers = {id(p): layer_of(name) for name, p in model.named_parameters()}
    head = max((layer for layer in layers.values() if layer is not None), default=0)
    first: list[Group] = []
    lower: list[Group] = []
    for group in groups:
        parts = _by_depth(group["params"], layers, head)
        first.append({**group, "params": parts.pop(0, [])})
        rate = group.get("lr", lr)
        lower += [
            {**group, "params": part, "lr": rate * decay**depth, FACTOR: decay**depth}
            for depth, part in sorted(parts.items())
        ]
    return [*first, *lower]


def _by_depth(
    parameters: Sequence[nn.Parameter], layers: Mapping[int, int | None], head: int
) -> dict[int, list[nn.Parameter]]:
    parts: dict[int, list[nn.Parameter]] = {}
    for parameter in parameters:
        layer = layers[id(parameter)]
        parts.setdefault(0 if layer is None else head - layer, []).append(parameter)
    return parts


def shown_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The columns lr/pg0, lr/pg1, ... of results.csv: rates of the groups of the head."""
    groups = [group for group in optimizer.param_groups if FACTOR not in group]
    return {f"lr/pg{i}": group["lr"] for i, group in enumerate(groups)}
