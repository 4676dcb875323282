"""Object keypoint similarity (OKS) between labelled and predicted keypoints.

Formula of the COCO keypoint evaluation. N = objects, M = predictions, K = keypoints; the third
channel of a labelled point is its visibility flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["kpt_iou"]


def kpt_iou(
    kpt1: Tensor,
    kpt2: Tensor,
    area: Tensor,
    sigma: Sequence[float] | np.ndarray[Any, Any] | Tensor,  # Any: every float dtype
    eps: float = 1e-7,
) -> Tensor:
    """Similarity of every labelled object with every prediction, as (N, M) in [0, 1].

    Args:
        kpt1: (N, K, 3) labels; points with flag 0 do not count.
        kpt2: (M, K, 2 or 3) predictions.
        area: (N,) object areas in squared units of the points.
        sigma: K fall-off constants.
        eps: keeps objects without visible points at 0.
    """
    offset_NMK2 = kpt1[:, None, :, :2] - kpt2[None, :, :, :2]
    squared_NMK = offset_NMK2.square().sum(dim=-1)
    sigma_K = torch.as_tensor(sigma, device=kpt1.device, dtype=kpt1.dtype)
    visible_NK = kpt1[..., 2] != 0
    scale_NK = (2 * sigma_K).square() * (area[:, None] + eps) * 2
    score_NMK = (-squared_NMK / scale_NK[:, None]).exp() * visible_NK[:, None]
    return score_NMK.sum(dim=-1) / (visible_NK.sum(dim=-1, keepdim=True) + eps)
