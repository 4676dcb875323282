"""Small helpers for layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["bias_init_with_prob", "inverse_sigmoid", "is_recording"]


def is_recording() -> bool:
    """Whether operations are being recorded: traced, exported or compiled. Tensors must not be kept then."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined]


def bias_init_with_prob(prior_prob: float = 0.01) -> float:
    """Bias at which a sigmoid output starts at the given probability."""
    return -math.log((1 - prior_prob) / prior_prob)


def inverse_sigmoid(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Log-odds of probabilities; both they and their complements count as at least `eps`."""
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=eps) / (1 - x).clamp(min=eps))
