"""A normalising flow over two coordinates (RealNVP, arXiv 1605.08803): the density of keypoint errors in training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["RealNVP"]

HIDDEN = 64
COUPLINGS = 6
GAIN = 0.01  # of the initial weights: the flow starts as an almost affine map
LOG_PEAK = -math.log(2 * math.pi)  # log density of a standard normal at its centre


def _network(last: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Linear(2, HIDDEN),
        nn.SiLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.SiLU(),
        nn.Linear(HIDDEN, 2),
    ]
    return nn.Sequential(*layers, *([last] if last is not None else []))


class RealNVP(nn.Module):
    """Six coupling layers; each scales and shifts one coordinate by functions of the other.

    `s` and `t` give scale and shift, `mask` which coordinate a layer leaves alone. `loc` and `cov` describe the
    standard normal behind the flow.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        self.register_buffer("mask", pair.repeat(COUPLINGS // 2, 1))
        self.s = nn.ModuleList(_network(nn.Tanh()) for _ in range(COUPLINGS))
        self.t = nn.ModuleList(_network() for _ in range(COUPLINGS))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=GAIN)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density (N,) of points (N, 2), in float32 also under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            z, log_det = x.to(self.mask.dtype), x.new_zeros(len(x), dtype=self.mask.dtype)
            for mask, scale, shift in zip(
                self.mask.flip(0), reversed(self.s), reversed(self.t), strict=True
            ):
                kept, moved = mask * z, 1 - mask
                s, t = scale(kept) * moved, shift(kept) * moved
                z = moved * (z - t) * (-s).exp() + kept
                log_det = log_det - s.sum(dim=1)
            return -0.5 * z.square().sum(dim=1) + LOG_PEAK + log_det
