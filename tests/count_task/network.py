"""Head, network and loss of the count task. B pictures; the output is one number for each."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ultralytics.nn import tasks
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks.base import BaseModel, Batch
from ultralytics.nn.tasks.layers import Row


class Count(nn.Module):
    """Sum over the map of a density that is never negative."""

    def __init__(self, c1: int, hidden: int = 16) -> None:
        super().__init__()
        self.conv = Conv(c1, hidden, 3)
        self.density = nn.Conv2d(hidden, 1, 1)
        nn.init.constant_(self.density.bias, -4.0)

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(self.density(self.conv(x))).sum((1, 2, 3))


def row_of_count(row: Row) -> list[Any]:
    """`[hidden]` becomes `(c1, hidden)`."""
    row.out = 1
    return [row.input, *row.args]


class CountModel(BaseModel):
    """A backbone and a `Count` head."""

    def __init__(
        self,
        cfg: str | Path | dict[str, Any],
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        self.yaml = cfg if isinstance(cfg, dict) else tasks.yaml_model_load(cfg)
        self.yaml["channels"] = ch
        self.model, self.save = tasks.parse_model(deepcopy(self.yaml), ch=ch, verbose=verbose)
        self.stride = torch.tensor([32.0])
        self.names = {0: "objects"}

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, dict[str, Tensor]]]:
        return CountLoss()


class CountLoss:
    """Smooth absolute difference to the number of labels, times the batch size."""

    loss_names = ("count_loss",)

    def __call__(self, preds: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = F.smooth_l1_loss(preds, batch["count"])
        return loss * len(preds), {"count_loss": loss.detach()}
