"""Keypoints: where heads place them, and the similarity (OKS) of labelled and predicted ones.

Formula and tolerances are those of the COCO keypoint evaluation. N = objects, M = predictions, K = keypoints; the
third channel of a labelled point is its visibility flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "AREA_SHARE",
    "OKS_SIGMA",
    "RLE_WEIGHT",
    "keypoints_from_centre",
    "keypoints_from_corner",
    "kpt_iou",
    "oks_sigmas",
    "rle_weights",
]

# Tolerances of the 17 points of a person.
_SIGMA_TENTHS = [0.26, *[0.25] * 2, *[0.35] * 2, *[0.79] * 2, *[0.72] * 2, *[0.62] * 2]
OKS_SIGMA = np.array([*_SIGMA_TENTHS, *[1.07] * 2, *[0.87] * 2, *[0.89] * 2]) / 10.0

# How much the same points weigh in the likelihood loss.
_LIMBS = [1.0, 1.0, 1.2, 1.2, 1.5, 1.5]
RLE_WEIGHT = np.array([*[1.0] * 5, *_LIMBS, *_LIMBS])

PERSON = (17, 3)  # the shape that these two belong to
AREA_SHARE = 0.53  # of a box that its object fills, where no outline says better


def oks_sigmas(
    kpt_shape: Sequence[int], given: Sequence[float] | None = None
) -> np.ndarray[Any, Any]:  # Any: float64
    """Tolerance of each of the K keypoints: the given ones, those of a COCO person, or 1 / K each.

    Raises:
        ValueError: what is given is not K positive numbers.
    """
    count = int(kpt_shape[0])
    if given is None:
        return OKS_SIGMA.copy() if tuple(kpt_shape) == PERSON else np.full(count, 1 / count)
    sigmas = np.asarray(given, dtype=np.float64)
    if sigmas.shape != (count,) or not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ValueError(f"kpt_oks_sigmas must be {count} positive numbers, got {given}")
    return sigmas


def rle_weights(kpt_shape: Sequence[int]) -> np.ndarray[Any, Any]:  # Any: float64
    """Weight of each keypoint in the likelihood loss: those of a COCO person, or ones."""
    return RLE_WEIGHT.copy() if tuple(kpt_shape) == PERSON else np.ones(int(kpt_shape[0]))


def keypoints_from_corner(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Points in cells from raw values of v8 and 11 heads: twice the offset from the corner of the anchor's cell."""
    return offsets * 2 + (anchors - 0.5)


def keypoints_from_centre(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Points in cells from raw values of YOLO26 heads: offsets from the anchor."""
    return offsets + anchors


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
