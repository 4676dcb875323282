"""Class maps: the best class of every pixel, at the size of the network input or of the original image.

Logits are (B, C, h, w); with one class a pixel belongs to it where its logit is above 0. Maps are (B, H, W) of the
smallest integer type that holds every id. Logits are interpolated before classes are compared; the lower id of equal
logits wins. On a processor one class after the other is enlarged and compared, which needs memory for few planes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ultralytics.geometry.letterbox import letterbox_geometry
from ultralytics.geometry.masks import scale_masks

__all__ = ["best_classes", "class_maps", "keep_classes", "map_type", "scale_class_map"]

IGNORE = 255  # pixels without a class
BYTE_CLASSES = 1 << 8
LOGITS_AT_ONCE = 1 << 26  # numbers of one image held at its original size on an accelerator

Size = tuple[int, int]
Plane = np.ndarray[Any, np.dtype[np.float32]]
Window = tuple[int, int, int, int]  # top, left, height, width


def map_type(classes: int) -> torch.dtype:
    """Integer type of a map with so many classes."""
    if classes <= BYTE_CLASSES:
        return torch.uint8
    return torch.int16 if classes <= 1 << 15 else torch.int32


def best_classes(logits: Tensor) -> Tensor:
    """Class of every pixel; the lower id of equal logits."""
    classes = logits.shape[1]
    if classes == 1:
        return (logits[:, 0] > 0).to(torch.uint8)
    return logits.argmax(dim=1).to(map_type(classes))


def class_maps(preds: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Maps (B, H, W) at a size, from logits or from the smaller or larger maps of an exported network."""
    size = (int(size_hw[0]), int(size_hw[1]))
    if preds.ndim == 3:
        return _resized(preds, size)
    if _suits_planes(preds):
        return torch.stack([_best_of_planes(_planes(one, size)) for one in preds])
    return best_classes(_interpolated(preds, size))


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
    if _suits_planes(pred[None]):
        return _best_of_planes(_planes(pred, network, _window(network, image), image))
    step = max(1, LOGITS_AT_ONCE // (image[0] * image[1]))
    if len(pred) <= step:
        return best_classes(scale_masks(_interpolated(pred[None], network), image))[0]
    return _best_in_parts(pred, step, network, image)


def keep_classes(maps: Tensor, classes: Sequence[int]) -> Tensor:
    """The same maps with 255 wherever another class is."""
    wanted = torch.isin(maps, torch.tensor(list(classes), dtype=maps.dtype, device=maps.device))
    return maps.masked_fill(~wanted, IGNORE)


# --------------------------------------------------------------------------- one class after the other


def _suits_planes(logits: Tensor) -> bool:
    return logits.device.type == "cpu" and logits.shape[1] <= BYTE_CLASSES


def _planes(
    logits: Tensor, size: Size, window: Window | None = None, image: Size | None = None
) -> Iterator[Plane]:
    """Every class enlarged to a size, and from there to an image without what is outside a window."""
    import cv2

    for plane in np.ascontiguousarray(logits.detach().float().numpy()):
        if plane.shape != size:
            plane = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
        if window is not None and image is not None and size != image:
            top, left, height, width = window
            content = plane[top : top + height, left : left + width]
            plane = cv2.resize(content, image[::-1], interpolation=cv2.INTER_LINEAR)
        yield plane


def _best_of_planes(planes: Iterator[Plane]) -> Tensor:
    """Running comparison. A later class that wins has the larger id, so the largest winner is the last one."""
    import cv2

    highest = next(planes).copy()
    second = next(planes, None)
    if second is None:
        return torch.from_numpy((highest > 0).astype(np.uint8))
    ids = (second > highest).astype(np.uint8)
    cv2.max(second, highest, dst=highest)
    wins = np.empty_like(ids)
    for number, plane in enumerate(planes, 2):
        cv2.compare(plane, highest, cv2.CMP_GT, dst=wins)
        cv2.bitwise_and(wins, number, dst=wins)
        cv2.max(ids, wins, dst=ids)
        cv2.max(plane, highest, dst=highest)
    return torch.from_numpy(ids)


def _window(network: Size, image: Size) -> Window:
    """The part of the network input that the image fills."""
    (gain_y, gain_x), (left, top) = letterbox_geometry(network, image)
    return top, left, round(gain_y * image[0]), round(gain_x * image[1])


# ---------------------------------------------------------------------------------- on an accelerator


def _best_in_parts(pred: Tensor, step: int, network: Size, image: Size) -> Tensor:
    """Some classes at a time, so that memory does not grow with their number."""
    highest = ids = None
    for start in range(0, len(pred), step):
        part = _interpolated(pred[None, start : start + step], network)
        values, places = scale_masks(part, image)[0].max(dim=0)
        places += start
        if highest is None or ids is None:
            highest, ids = values, places
        else:
            ids = torch.where(values > highest, places, ids)
            highest = torch.maximum(highest, values)
    assert ids is not None  # there is at least one part
    return ids.to(map_type(len(pred)))


def _interpolated(logits: Tensor, size: Size) -> Tensor:
    logits = logits.float()
    if tuple(logits.shape[2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _resized(maps: Tensor, size: Size) -> Tensor:
    if tuple(maps.shape[1:]) == size:
        return maps
    return F.interpolate(maps[:, None].float(), size=size, mode="nearest-exact")[:, 0].to(
        maps.dtype
    )
