"""Object context for semantic heads: every pixel attends to one descriptor per class region.

Region descriptors are averages of the features, weighted by a first guess of the classes (Yuan et al. 2020, "Object-
Contextual Representations", sections 3.1 and 3.2). Class and child names are those of published weights; children
that hold no weights and do nothing are kept because stored models have them. Shape suffixes: B = images, P = pixels,
K = features, C = classes, O = outputs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ultralytics.nn.modules.conv import Conv

__all__ = [
    "ChennelGather",
    "ContextGather",
    "ObjectAttentionBlock2D",
    "SpatialOCR",
    "gated_projection",
]

DROPOUT = 0.05
CLASSES_AT_ONCE = 8  # of the class-gated projection in inference: bounds its memory


class ContextGather(nn.Module):
    """Class region descriptors (B, K, C, 1) from features (B, K, h, w) and class logits (B, C, h, w)."""

    def __init__(self, cls_num: int = 0, scale: int = 1) -> None:
        super().__init__()
        self.cls_num = cls_num
        self.scale = scale
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        shares_BCP = (self.scale * logits.flatten(2)).softmax(dim=2)
        regions_BCK = shares_BCP @ features.flatten(2).transpose(1, 2)
        return regions_BCK.transpose(1, 2).unsqueeze(3)


class ChennelGather(nn.Module):
    """Class probabilities (B, C, h, w) with which features are gated; the name is spelled as in published weights."""

    def __init__(self, cls_num: int = 0, scale: int = 1) -> None:
        super().__init__()
        self.cls_num = cls_num
        self.scale = scale
        self.relu = nn.ReLU(inplace=True)

    def forward(self, logits: Tensor) -> Tensor:
        return (self.scale * logits).softmax(dim=1)


class ObjectAttentionBlock2D(nn.Module):
    """Attention of pixels (B, K, h, w) to class regions (B, K, C, 1); the result has the shape of the pixels."""

    def __init__(
        self,
        in_channels: int,
        key_channels: int,
        scale: int = 1,
        use_gt: bool = False,
        use_bg: bool = False,
        fetch_attention: bool = False,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.in_channels = in_channels
        self.key_channels = key_channels
        self.use_gt = use_gt
        self.use_bg = use_bg
        self.fetch_attention = fetch_attention
        self.pool = nn.MaxPool2d(kernel_size=(scale, scale))
        self.f_pixel = nn.Sequential(
            Conv(in_channels, key_channels, 1, act=False),
            Conv(key_channels, key_channels, 1, act=False),
        )
        self.f_object = nn.Sequential(
            Conv(in_channels, key_channels, 1, act=False),
            Conv(key_channels, key_channels, 1, act=False),
        )
        self.f_down = nn.Sequential(Conv(in_channels, key_channels, 1, act=False))
        self.f_up = nn.Sequential(Conv(key_channels, in_channels, 1, act=False))

    def forward(self, pixels: Tensor, regions: Tensor, gate: Tensor | None = None) -> Tensor:
        """Attend; `gate` (B, key channels, h, w) is multiplied with what every pixel gathered."""
        batch, _, height, width = pixels.shape
        query_BPK = self.f_pixel(pixels).flatten(2).transpose(1, 2)
        key_BKC = self.f_object(regions).flatten(2)
        value_BCK = self.f_down(regions).flatten(2).transpose(1, 2)
        affinity_BPC = (self.key_channels**-0.5 * (query_BPK @ key_BKC)).softmax(dim=-1)
        gathered = (affinity_BPC @ value_BCK).transpose(1, 2)
        gathered = gathered.reshape(batch, self.key_channels, height, width)
        return self.f_up(gathered if gate is None else gathered * gate)


class SpatialOCR(nn.Module):
    """Features joined with their object context: (B, K, h, w) -> (B, out_channels, h, w)."""

    def __init__(
        self,
        in_channels: int,
        key_channels: int,
        out_channels: int,
        scale: int = 1,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        self.use_gt = False
        self.use_bg = False
        self.use_oc = True
        self.fetch_attention = False
        self.object_context_block = ObjectAttentionBlock2D(in_channels, key_channels, scale)
        self.conv_bn_dropout = nn.Sequential(
            Conv(2 * in_channels, out_channels, 1), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, regions: Tensor, gate: Tensor | None = None) -> Tensor:
        context = self.object_context_block(features, regions, gate)
        return self.conv_bn_dropout(torch.cat([context, features], dim=1))


def gated_projection(layer: Conv, features: Tensor, shares: Tensor) -> Tensor:
    """`layer` applied to the outer product of features and class shares, without forming the product.

    A 1x1 kernel on channels (k, c) is a sum over classes of kernels on k, each weighted by its share.

    Args:
        layer: 1x1 layer with K * C inputs, class index inside; may be fused.
        features: (B, K, h, w).
        shares: (B, C, h, w).
    """
    weight_OKC = layer.conv.weight.reshape(layer.conv.weight.shape[0], features.shape[1], -1)
    if torch.is_grad_enabled() and weight_OKC.requires_grad:
        summed: Tensor = _GatedSum.apply(features, shares, weight_OKC.to(features.dtype))
    else:
        summed = _gated_sum(features, shares, weight_OKC)
    if layer.conv.bias is not None:
        summed = summed + layer.conv.bias[:, None, None]
    if "bn" in layer._modules:
        summed = layer.bn(summed)
    return layer.act(summed)


def _gated_sum(features: Tensor, shares: Tensor, weight_OKC: Tensor) -> Tensor:
    """Sum over classes of share * (kernel of the class on the features), some classes at a time."""
    outputs, _, classes = weight_OKC.shape
    total: Any = 0  # Any: a tensor after the first round
    for start in range(0, classes, CLASSES_AT_ONCE):
        kernels = weight_OKC[..., start : start + CLASSES_AT_ONCE].permute(2, 0, 1)
        mapped = F.conv2d(features, kernels.flatten(0, 1)[..., None, None])
        mapped = mapped.unflatten(1, (-1, outputs))
        total = total + (mapped * shares[:, start : start + CLASSES_AT_ONCE, None]).sum(dim=1)
    return total


class _GatedSum(torch.autograd.Function):
    """`_gated_sum` that keeps only its inputs for the way back."""

    @staticmethod
    def forward(
        ctx: Any,  # Any: autograd's context
        features: Tensor,
        shares: Tensor,
        weight_OKC: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(features, shares, weight_OKC)
        return _gated_sum(features, shares, weight_OKC)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, shares, weight_OKC = ctx.saved_tensors
        slope_features, slope_shares = torch.zeros_like(features), torch.empty_like(shares)
        slope_weight = torch.empty_like(weight_OKC)
        flat_BKP = features.flatten(2)
        for c in range(weight_OKC.shape[2]):
            share = shares[:, c : c + 1]
            back = F.conv2d(grad, weight_OKC[..., c].t()[..., None, None])
            slope_shares[:, c] = (back * features).sum(dim=1)
            slope_features.addcmul_(back, share.expand_as(back))
            gated_BOP = (grad * share).flatten(2)
            slope_weight[..., c] = torch.einsum("bop,bkp->ok", gated_BOP, flat_BKP)
        return slope_features, slope_shares, slope_weight
