"""Preparing weights and inputs: normalisation constants, matching of stored weights, padded resizing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["initialize_weights", "intersect_dicts", "scale_img"]

BN_EPS = 1e-3
BN_MOMENTUM = 0.03
GREY = 0.447  # mean of the ImageNet channels


def initialize_weights(model: nn.Module) -> None:
    """Set the constants of every plain `BatchNorm2d`; all other layers keep torch's initial state."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.eps = BN_EPS
            module.momentum = BN_MOMENTUM


def intersect_dicts(
    da: Mapping[str, Tensor], db: Mapping[str, Tensor], exclude: Collection[str] = ()
) -> dict[str, Tensor]:
    """Entries of `da` whose key is also in `db` with the same shape and contains no excluded text."""
    return {
        key: value
        for key, value in da.items()
        if key in db and value.shape == db[key].shape and not any(part in key for part in exclude)
    }


def scale_img(img: Tensor, ratio: float = 1.0, same_shape: bool = False, gs: int = 32) -> Tensor:
    """Resize a (B, C, H, W) batch and pad it right and below with grey.

    Args:
        img: batch in [0, 1].
        ratio: size factor; 1 returns the batch itself.
        same_shape: pad to the original size instead of a multiple of `gs`.
        gs: largest stride of the network.
    """
    if ratio == 1.0:
        return img
    height, width = img.shape[2:]
    new_height, new_width = int(height * ratio), int(width * ratio)
    resized = F.interpolate(img, (new_height, new_width), mode="bilinear", align_corners=False)
    if not same_shape:
        height, width = (ceil(side * ratio / gs) * gs for side in (height, width))
    return F.pad(resized, [0, width - new_width, 0, height - new_height], value=GREY)
