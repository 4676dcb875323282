"""Activations that torch does not have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AGLU"]

FLOOR = 1e-4


class AGLU(nn.Module):
    """Adaptive gated activation with two learned numbers: exp(softplus_{-1}(kappa x - ln lambda) / lambda)."""

    def __init__(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.act = nn.Softplus(beta=-1.0)
        self.lambd = nn.Parameter(torch.rand(1, device=device, dtype=dtype))
        self.kappa = nn.Parameter(torch.rand(1, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        lam = self.lambd.clamp(min=FLOOR)
        return torch.exp(self.act(self.kappa * x - lam.log()) / lam)
