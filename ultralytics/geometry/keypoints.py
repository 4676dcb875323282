"""Keypoints: where heads place them, and the similarity (OKS) of labelled and predicted ones.

Formula and tolerances are those of the COCO keypoint evaluation. N = objects, M = predictions, K = keypoints; the
third channel of a labelled point is its visibility flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

__all__ = [
    "AREA_SHARE",
    "OKS_SIGMA",
    "RLE_WEIGHT",
    "check_flip_order",
    "coco_oks",
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


def check_flip_order(flip_idx: Sequence[int], count: int) -> None:
    """Refuse an order of mirrored keypoints that does not exchange them in pairs.

    Args:
        flip_idx: for each keypoint the number of its mirror image.
        count: K.

    Raises:
        ValueError: its length is not K, a number is none of 0 to K - 1, or mirroring twice is not the identity.
    """
    if len(flip_idx) != count:
        raise ValueError(f"flip_idx has {len(flip_idx)} entries for {count} keypoints")
    for i, mirror in enumerate(flip_idx):
        if not isinstance(mirror, (int, np.integer)) or not 0 <= mirror < count:
            raise ValueError(f"flip_idx[{i}]={mirror} is not one of the keypoints 0 to {count - 1}")
    for i, mirror in enumerate(flip_idx):
        if flip_idx[mirror] != i:
            raise ValueError(
                f"flip_idx must exchange keypoints in pairs: {i} becomes {mirror}, but {mirror} becomes "
                f"{flip_idx[mirror]}"
            )


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


def coco_oks(
    known_GK3: Floats, boxes_G4: Floats, areas_G: Floats, found_DK: Floats, sigma_K: Floats
) -> Floats:
    """Similarity (G, D) by the rules of the COCO evaluation, in double precision.

    An object without a labelled point is compared by how far the points are from twice its box.

    Args:
        known_GK3: labelled points; flags above 0 count.
        boxes_G4: corners of the labelled objects.
        areas_G: their areas, which need not be those of the boxes.
        found_DK: (D, K, 2 or more) detected points.
        sigma_K: fall-off constants.
    """
    if not len(known_GK3) or not len(found_DK):
        return np.zeros((len(known_GK3), len(found_DK)))
    labelled_GK = np.asarray(known_GK3[..., 2] > 0)
    has_points_G = np.asarray(labelled_GK.any(axis=1))
    offset_GDK2 = found_DK[None, ..., :2] - known_GK3[:, None, :, :2]
    size_G2 = boxes_G4[:, 2:] - boxes_G4[:, :2]
    low_G2, high_G2 = boxes_G4[:, :2] - size_G2, boxes_G4[:, :2] + 2 * size_G2
    outside_GDK2 = np.maximum(low_G2[:, None, None] - found_DK[None, ..., :2], 0) + np.maximum(
        found_DK[None, ..., :2] - high_G2[:, None, None], 0
    )
    distance = np.where(has_points_G[:, None, None, None], offset_GDK2, outside_GDK2)
    scale_GK = (2 * sigma_K) ** 2 * (areas_G[:, None] + np.spacing(1)) * 2
    score_GDK = np.exp(-(distance**2).sum(axis=-1) / scale_GK[:, None])
    counts_GK = labelled_GK | ~has_points_G[:, None]
    similarity: Floats = (score_GDK * counts_GK[:, None]).sum(axis=-1) / counts_GK.sum(axis=1)[
        :, None
    ]
    return similarity
