"""Binary cross-entropy of many entries of which few have a target.

The sum over all entries is sum(softplus(x)) - sum(target * x over the positives), exactly; no tensor of
targets is formed, and the gradient is written once: weight * sigmoid(x), less weight * target.
Shape suffixes: B = images, C = classes, A = anchors, P = positives.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["sparse_binary_cross_entropy"]


def sparse_binary_cross_entropy(
    logits_BCA: Tensor,
    index: tuple[Tensor, Tensor, Tensor],
    target_P: Tensor,
    weight_C: Tensor | None = None,
    repeats: bool = False,
) -> Tensor:
    """Sum of the cross-entropies of all entries; targets are zero except at the given places.

    Args:
        logits_BCA: float32 logits.
        index: image, class and anchor of each positive.
        target_P: their targets.
        weight_C: weight of each class.
        repeats: a place may occur several times; its targets add up.
    """
    return _SparseEntropy.apply(logits_BCA, *index, target_P, weight_C, repeats)


class _SparseEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # Any: autograd's context
        logits_BCA: Tensor,
        image_P: Tensor,
        class_P: Tensor,
        anchor_P: Tensor,
        target_P: Tensor,
        weight_C: Tensor | None,
        repeats: bool,
    ) -> Tensor:
        ctx.repeats = repeats
        if weight_C is not None:
            target_P = target_P * weight_C[class_P]
        ctx.save_for_backward(logits_BCA, image_P, class_P, anchor_P, target_P, weight_C)
        share = 1 if logits_BCA.device.type == "cpu" else max(len(logits_BCA), 1)
        sums_C = [F.softplus(part).sum(dim=(0, 2)) for part in logits_BCA.split(share)]
        sum_C = torch.stack(sums_C).sum(dim=0)
        total = sum_C.sum() if weight_C is None else (sum_C * weight_C).sum()
        return total - (logits_BCA[image_P, class_P, anchor_P] * target_P).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits_BCA, image_P, class_P, anchor_P, target_P, weight_C = ctx.saved_tensors
        scale = grad if weight_C is None else (grad * weight_C)[:, None]
        slope_BCA = torch.ops.aten.softplus_backward(
            scale.expand_as(logits_BCA), logits_BCA, beta=1, threshold=20
        )
        if ctx.repeats:
            slope_BCA.index_put_((image_P, class_P, anchor_P), -grad * target_P, accumulate=True)
        else:
            slope_BCA[image_P, class_P, anchor_P] -= grad * target_P
        return slope_BCA, None, None, None, None, None, None
