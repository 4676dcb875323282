"""Class maps: the best class of every pixel, at the size of the network input or of the original image.

Logits are (B, C, h, w); with one class a pixel belongs to it where its logit is above 0. Maps are (B, H, W) of the
smallest integer type that holds every id.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ultralytics.geometry.masks import scale_masks

__all__ = ["best_classes", "class_maps", "keep_classes", "map_type", "scale_class_map"]

IGNORE = 255  # pixels without a class
LOGITS_AT_ONCE = 1 << 26  # numbers of one image held at its original size


def map_type(classes: int) -> torch.dtype:
    """Integer type of a map with so many classes."""
    if classes <= 1 << 8:
        return torch.uint8
    return torch.int16 if classes <= 1 << 15 else torch.int32


def best_classes(logits: Tensor) -> Tensor:
    """Class of every pixel; the lower id of equal logits."""
    classes = logits.shape[1]
    if classes == 1:
        return (logits[:, 0] > 0).to(torch.uint8)
    return logits.argmax(dim=1).to(map_type(classes))


def class_maps(preds: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Maps (B, H, W) at a size, from logits or from the smaller or larger maps of an exported network.

    Logits are interpolated before classes are compared; maps are resized without mixing classes.
    """
    size = (int(size_hw[0]), int(size_hw[1]))
    if preds.ndim == 3:
        return _resized(preds, size)
    if preds.device.type != "cpu":
        return best_classes(_interpolated(preds, size))
    # image by image stays in the processor's cache; classes side by side are compared several times faster
    preds = preds.contiguous(memory_format=torch.channels_last)
    return torch.cat([best_classes(_interpolated(one[None], size)) for one in preds])


def scale_class_map(pred: Tensor, network_hw: Sequence[int], image_hw: Sequence[int]) -> Tensor:
    """Map (H, W) at the size of the original image, the letterbox padding cut off.

    Args:
        pred: logits (C, h, w), or a map (h, w) of an exported network.
        network_hw: size of the network input.
        image_hw: size of the original image.
    """
    network = (int(network_hw[0]), int(network_hw[1]))
    image = (int(image_hw[0]), int(image_hw[1]))
    if pred.ndim == 2:
        whole = _resized(pred[None], network)
        return scale_masks(whole[None].float(), image, mode="nearest-exact")[0, 0].to(whole.dtype)
    step = max(1, LOGITS_AT_ONCE // (image[0] * image[1]))
    if len(pred) <= step:
        return best_classes(_unpadded(pred, network, image))[0]
    return _best_in_parts(pred, step, network, image)


def keep_classes(maps: Tensor, classes: Sequence[int]) -> Tensor:
    """The same maps with 255 wherever another class is."""
    wanted = torch.isin(maps, torch.tensor(list(classes), dtype=maps.dtype, device=maps.device))
    return maps.masked_fill(~wanted, IGNORE)


def _best_in_parts(
    pred: Tensor, step: int, network: tuple[int, int], image: tuple[int, int]
) -> Tensor:
    """The same with some classes at a time, so that memory does not grow with their number."""
    highest = ids = None
    for start in range(0, len(pred), step):
        values, places = _unpadded(pred[start : start + step], network, image)[0].max(dim=0)
        places += start
        if highest is None or ids is None:
            highest, ids = values, places
        else:
            ids = torch.where(values > highest, places, ids)
            highest = torch.maximum(highest, values)
    assert ids is not None  # there is at least one part
    return ids.to(map_type(len(pred)))


def _unpadded(pred: Tensor, network: tuple[int, int], image: tuple[int, int]) -> Tensor:
    one = pred[None]
    if one.device.type == "cpu":
        one = one.contiguous(memory_format=torch.channels_last)
    return scale_masks(_interpolated(one, network), image)


def _interpolated(logits: Tensor, size: tuple[int, int]) -> Tensor:
    logits = logits.float()
    if tuple(logits.shape[2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(maps.shape[1:]) == size:
        return maps
    return F.interpolate(maps[:, None].float(), size=size, mode="nearest-exact")[:, 0].to(
        maps.dtype
    )
