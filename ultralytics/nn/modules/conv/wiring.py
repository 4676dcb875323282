"""Rows without weights that join or pick the outputs of other rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Concat", "Index"]


class Concat(nn.Module):
    """Concatenate maps along one dimension."""

    def __init__(self, dimension: int = 1) -> None:
        super().__init__()
        self.d = dimension

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        return torch.cat(tuple(x), self.d)


class Index(nn.Module):
    """Pick one element of a list of maps."""

    def __init__(self, index: int = 0) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        return x[self.index]
