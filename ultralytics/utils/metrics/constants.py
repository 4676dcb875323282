"""Fixed weights of published data sets: COCO keypoint tolerances and class weights.

OKS_SIGMA: COCO keypoint evaluation, one tolerance per keypoint. CITYSCAPES_WEIGHT: one weight per train id.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CITYSCAPES_WEIGHT", "OKS_SIGMA", "RLE_WEIGHT"]

_SIGMA_TENTHS = [0.26, *[0.25] * 2, *[0.35] * 2, *[0.79] * 2, *[0.72] * 2, *[0.62] * 2]
OKS_SIGMA = np.array([*_SIGMA_TENTHS, *[1.07] * 2, *[0.87] * 2, *[0.89] * 2]) / 10.0

_LIMBS = [1.0, 1.0, 1.2, 1.2, 1.5, 1.5]
RLE_WEIGHT = np.array([*[1.0] * 5, *_LIMBS, *_LIMBS])

CITYSCAPES_WEIGHT = np.array(
    [
        *(0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
        *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
    ]
)
