"""Cross-entropy of instance masks, evaluated inside the labelled boxes only.

A mask is coefficients . prototypes; nothing outside a label's box counts, and all positives of a label share box and
pixels. Loss and gradient are computed together, part by part, so no logits are kept.
Shape suffixes: B = images, C = coefficients, N = labels, K = positives of a label, P = positives; T = pixels of a box.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ultralytics.geometry.windows import LabelMasks, in_groups, pixel_corners, pixel_parts

__all__ = ["mask_cross_entropy"]

VALUES_AT_ONCE = 2**22  # prototype values read at once


def mask_cross_entropy(
    proto_BCHW: Tensor,
    coefficients_PC: Tensor,
    label_P: Tensor,
    image_N: Tensor,
    boxes_N4: Tensor,
    weight_N: Tensor,
    masks: LabelMasks,
) -> Tensor:
    """Sum over positives of weight times the summed cross-entropy of the pixels in the label's box.

    Args:
        proto_BCHW: prototypes.
        coefficients_PC: coefficients of each positive.
        label_P: its label.
        image_N: image of each label.
        boxes_N4: boxes in pixels of the grid H x W; the pixels are those `crop_mask` keeps.
        weight_N: weight of each label.
        masks: labelled masks on the same grid.
    """
    labels = len(image_N)
    place_P, count_N = in_groups(label_P, labels)
    most = int(count_N.max()) if labels else 0
    table = coefficients_PC.new_zeros((labels, most, coefficients_PC.shape[1]))
    table_NKC = table.index_put((label_P, place_P), coefficients_PC)
    used_NK = torch.arange(most, device=count_N.device) < count_N[:, None]
    corners_N4 = pixel_corners(boxes_N4, *proto_BCHW.shape[2:])
    corners_N4[count_N == 0] = 0
    rows_RC = proto_BCHW.permute(0, 2, 3, 1).flatten(0, 2)
    scale_NK = used_NK * weight_N[:, None]
    return _MaskEntropy.apply(
        rows_RC, table_NKC, proto_BCHW.shape[2:], image_N, corners_N4, scale_NK, masks
    )


class _MaskEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # Any: autograd's context
        rows_RC: Tensor,
        table_NKC: Tensor,
        size_hw: tuple[int, int],
        image_N: Tensor,
        corners_N4: Tensor,
        scale_NK: Tensor,
        masks: LabelMasks,
    ) -> Tensor:
        learns = any(ctx.needs_input_grad[:2])
        slope_RC, slope_NKC = torch.zeros_like(rows_RC), torch.zeros_like(table_NKC)
        total = rows_RC.new_zeros(())
        pixels = size_hw[0] * size_hw[1]
        for part in pixel_parts(corners_N4, size_hw[1], VALUES_AT_ONCE // rows_RC.shape[1]):
            row_nT = image_N[part.members][:, None] * pixels + part.pixels
            read_nTC, mix_nKC = rows_RC[row_nT], table_NKC[part.members]
            logit_nKT = mix_nKC @ read_nTC.transpose(1, 2)
            known_n1T = masks.at(part.members, part.pixels)[:, None].to(logit_nKT.dtype)
            weight_nKT = scale_NK[part.members][:, :, None] * part.valid[:, None]
            total += ((F.softplus(logit_nKT) - logit_nKT * known_n1T) * weight_nKT).sum()
            if learns:
                slope_nKT = (logit_nKT.sigmoid() - known_n1T) * weight_nKT
                slope_NKC[part.members] = slope_nKT @ read_nTC
                spread_nTC = slope_nKT.transpose(1, 2) @ mix_nKC
                slope_RC.index_add_(0, row_nT.flatten(), spread_nTC.flatten(0, 1))
        ctx.save_for_backward(slope_RC, slope_NKC)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        slope_RC, slope_NKC = ctx.saved_tensors
        return slope_RC * grad, slope_NKC * grad, None, None, None, None, None
