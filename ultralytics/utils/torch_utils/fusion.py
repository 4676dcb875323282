"""Fold batch normalisation into the convolution before it.

W' = W * gamma / sqrt(var + eps) per output channel, b' = beta + (b - mean) * gamma / sqrt(var + eps).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["folded_weights", "fuse_conv_and_bn", "fuse_deconv_and_bn"]


def folded_weights(
    weight: Tensor,
    bias: Tensor | None,
    bn: nn.BatchNorm2d,
    transposed: bool = False,
    groups: int = 1,
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by `bn`, as new detached tensors.

    Args:
        weight: (out, in/groups, kh, kw), or (in, out/groups, kh, kw) when `transposed`.
        bias: (out,) or None for zero.
        bn: normalisation with running statistics.
        transposed: the layer is a transposed convolution.
        groups: groups of a transposed convolution; ignored otherwise.
    """
    mean, var = bn.running_mean, bn.running_var
    if mean is None or var is None:
        raise ValueError("normalisation without running statistics cannot be folded")
    with torch.no_grad():
        gain = torch.rsqrt(var + bn.eps)
        if bn.weight is not None:
            gain = gain * bn.weight
        offset = torch.zeros_like(mean) if bn.bias is None else bn.bias
        shifted = -mean if bias is None else bias - mean
        if transposed:
            # output channels run group by group: input block g feeds outputs [g * n, (g + 1) * n)
            per_input = gain.view(groups, 1, -1).expand(-1, weight.shape[0] // groups, -1)
            scale = per_input.reshape(weight.shape[0], -1, 1, 1)
        else:
            scale = gain.view(-1, 1, 1, 1)
        return (weight * scale).detach(), (offset + shifted * gain).detach()


@torch.no_grad()
def _adopt(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)


def fuse_conv_and_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """Fold `bn` into `conv`, which is changed in place (it gains a bias, nothing is trainable) and returned."""
    _adopt(conv, *folded_weights(conv.weight, conv.bias, bn))
    return conv


def fuse_deconv_and_bn(deconv: nn.ConvTranspose2d, bn: nn.BatchNorm2d) -> nn.ConvTranspose2d:
    """Fold `bn` into a transposed convolution, in place; see `fuse_conv_and_bn`."""
    weight, bias = folded_weights(
        deconv.weight, deconv.bias, bn, transposed=True, groups=deconv.groups
    )
    _adopt(deconv, weight, bias)
    return deconv
