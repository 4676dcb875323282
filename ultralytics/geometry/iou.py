"""Overlap of axis-aligned boxes: IoU with its variants, and intersection over area.

Formulas: GIoU (Rezatofighi et al. 2019, eq. 3), DIoU and CIoU (Zheng et al. 2020, eqs. 7 and 10).
Shape suffixes: N, M = boxes; 4 = coordinates. Boxes are xyxy unless a flag says xywh.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["bbox_ioa", "bbox_iou", "box_iou", "smooth_bce"]


def bbox_iou(
    box1: Tensor,
    box2: Tensor,
    xywh: bool = True,
    GIoU: bool = False,
    DIoU: bool = False,
    CIoU: bool = False,
    eps: float = 1e-7,
) -> Tensor:
    """Overlap of boxes that broadcast against each other, with a last axis of length 1.

    Args:
        box1: (..., 4) boxes.
        box2: (..., 4) boxes.
        xywh: centre and size instead of corners. Heights of corner boxes get `eps` added.
        GIoU: subtract the empty share of the enclosing box.
        DIoU: subtract the normalised centre distance; wins over GIoU.
        CIoU: subtract the aspect term as well; wins over both. Its weight carries no gradient.
        eps: keeps empty boxes finite.
    """
    ax1, ay1, ax2, ay2, aw, ah = _sides(box1, xywh, eps)
    bx1, by1, bx2, by2, bw, bh = _sides(box2, xywh, eps)
    shared_w = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0)
    shared_h = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp(min=0)
    shared = shared_w * shared_h
    union = aw * ah + bw * bh - shared + eps
    iou = shared / union
    if CIoU or DIoU or GIoU:
        hull_w = torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)
        hull_h = torch.maximum(ay2, by2) - torch.minimum(ay1, by1)
        if CIoU or DIoU:
            gap = ((bx1 + bx2 - ax1 - ax2) ** 2 + (by1 + by2 - ay1 - ay2) ** 2) / 4
            penalty = gap / (hull_w**2 + hull_h**2 + eps)
            if CIoU:
                v = (4 / math.pi**2) * ((bw / bh).atan() - (aw / ah).atan()) ** 2
                with torch.no_grad():
                    weight = v / (v - iou + (1 + eps))
                penalty = penalty + v * weight
        else:
            hull = hull_w * hull_h + eps
            penalty = (hull - union) / hull
        iou = iou - penalty
    return iou.unsqueeze(-1)


def box_iou(box1: Tensor, box2: Tensor, eps: float = 1e-7) -> Tensor:
    """Overlap of every corner box with every other as (N, M), computed in float32.

    Args:
        box1: (N, 4) boxes.
        box2: (M, 4) boxes; either set may be empty.
        eps: keeps two empty boxes at 0 instead of NaN.
    """
    a_N4, b_M4 = box1.float(), box2.float()
    size_NM2 = torch.minimum(a_N4[:, None, 2:], b_M4[None, :, 2:])
    size_NM2 = size_NM2.sub_(torch.maximum(a_N4[:, None, :2], b_M4[None, :, :2])).clamp_(min=0)
    shared_NM = size_NM2[..., 0] * size_NM2[..., 1]
    area_N = (a_N4[:, 2] - a_N4[:, 0]) * (a_N4[:, 3] - a_N4[:, 1])
    area_M = (b_M4[:, 2] - b_M4[:, 0]) * (b_M4[:, 3] - b_M4[:, 1])
    return shared_NM / (area_N[:, None] + area_M - shared_NM + eps)


def bbox_ioa(
    box1: np.ndarray[Any, Any],  # Any: every float dtype
    box2: np.ndarray[Any, Any],
    iou: bool = False,
    eps: float = 1e-7,
) -> np.ndarray[Any, Any]:
    """Shared area of corner boxes over the area of the second, as (N, M).

    Args:
        box1: (N, 4) boxes.
        box2: (M, 4) boxes.
        iou: divide by the union instead.
        eps: keeps empty boxes at 0.
    """
    low_NM2 = np.maximum(box1[:, None, :2], box2[None, :, :2])
    high_NM2 = np.minimum(box1[:, None, 2:], box2[None, :, 2:])
    shared_NM = np.maximum(high_NM2 - low_NM2, 0).prod(axis=2)
    whole = (box2[:, 2] - box2[:, 0]) * (box2[:, 3] - box2[:, 1])
    if iou:
        area_N = (box1[:, 2] - box1[:, 0]) * (box1[:, 3] - box1[:, 1])
        whole = whole + area_N[:, None] - shared_NM
    return shared_NM / (whole + eps)


def smooth_bce(eps: float = 0.1) -> tuple[float, float]:
    """Positive and negative targets of a binary loss with smoothed labels."""
    return 1.0 - 0.5 * eps, 0.5 * eps


def _sides(boxes: Tensor, xywh: bool, eps: float) -> tuple[Tensor, ...]:
    """Corners, width and height of boxes in either notation."""
    if xywh:
        cx, cy, w, h = boxes.unbind(-1)
        return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, w, h
    x1, y1, x2, y2 = boxes.unbind(-1)
    return x1, y1, x2, y2, x2 - x1, y2 - y1 + eps
