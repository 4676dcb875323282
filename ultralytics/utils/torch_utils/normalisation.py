"""Batch normalisation of channels-last maps on processors, with statistics as exact as those of the other layout.

torch adds up all pixels of a channel one after the other there: a variance over a million values is off by up to 1e-3.
Runs of pixels are treated as further channels instead, and their statistics are joined in double precision; the time is
the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ChannelsLastBatchNorm2d", "to_channels_last"]

ROW_VALUES = 4096  # most values that count as one pixel
LEAST_ROWS = 256  # pixels that are added up in any case


def channel_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,) of a channels-last map (N, C, H, W), to single precision."""
    pixels, channels = x.numel() // x.shape[1], x.shape[1]
    runs = 1
    while (
        pixels % (2 * runs) == 0
        and pixels // runs > LEAST_ROWS
        and 2 * runs * channels <= ROW_VALUES
    ):
        runs *= 2
    wide = x.permute(0, 2, 3, 1).reshape(1, pixels // runs, 1, runs * channels)
    found = torch.ops.aten.batch_norm_update_stats(wide.permute(0, 3, 1, 2), None, None, 0.0)
    means, variances = (values.view(runs, channels).double() for values in found)
    mean = means.mean(0)
    return mean.float(), (variances.mean(0) + (means - mean).square().mean(0)).float()


class _Normalise(torch.autograd.Function):
    """Normalise with given statistics of the same map, and differentiate through them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, eps: float
    ) -> Tensor:  # Any: torch's context
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt())
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # Any: as above
        x, weight, mean, scale = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        grads = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, scale, True, ctx.eps, wanted
        )
        return (*(g if w else None for g, w in zip(grads, wanted, strict=True)), None, None, None)


class ChannelsLastBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with exact statistics while training on a processor; copies and files hold the plain layer."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise maps (N, C, H, W)."""
        if not self._applies_to(input):
            return super().forward(input)
        with torch.no_grad():
            mean, var = channel_statistics(input)
            self._follow(mean, var, input.numel() // input.shape[1])
        return _Normalise.apply(input, self.weight, self.bias, mean, var, self.eps)

    def _applies_to(self, x: Tensor) -> bool:
        return (
            self.training
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and self.running_mean is not None
            and x.ndim == 4
            and x.numel() > x.shape[1]
            and not x.is_contiguous()
            and x.is_contiguous(memory_format=torch.channels_last)
            and not torch.compiler.is_compiling()
            and not torch.is_autocast_enabled("cpu")
        )

    def _follow(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.mul_(1 - share).add_(mean, alpha=share)
        self.running_var.mul_(1 - share).add_(var, alpha=share * count / (count - 1))

    def __reduce_ex__(self, protocol: Any) -> Any:  # Any: pickle's interface
        return nn.BatchNorm2d, (self.num_features,), dict(self.__dict__)


def to_channels_last(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with the channel axis of its weights last in memory, ready for training on a device."""
    if device.type == "cpu":
        for module in model.modules():
            if type(module) is nn.BatchNorm2d and module.affine:
                module.__class__ = ChannelsLastBatchNorm2d
    return model.to(memory_format=torch.channels_last)
