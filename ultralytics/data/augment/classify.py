"""Transforms of whole pictures for classification. Chapter 30, 5.13.

The two pipelines are torchvision transforms on what `as_picture` gives: PIL images for one and three channels, uint8
tensors (C, H, W) for other numbers. The three classes work on BGR arrays (H, W, C) and stay for code that uses them
directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ultralytics.data.augment.compose import Array
from ultralytics.data.augment.mosaic import FILL
from ultralytics.utils.logging import LOGGER

__all__ = [
    "DEFAULT_MEAN",
    "DEFAULT_STD",
    "CenterCrop",
    "ClassifyLetterBox",
    "ToTensor",
    "as_picture",
    "classify_augmentations",
    "classify_transforms",
]

DEFAULT_MEAN = (0.0, 0.0, 0.0)
DEFAULT_STD = (1.0, 1.0, 1.0)
RGB = 3
DEFAULT_AREA = (0.08, 1.0)
DEFAULT_ASPECT = (3.0 / 4.0, 4.0 / 3.0)
ROUNDING_BIAS = 0.1
AUTO_POLICIES = {"randaugment": "RandAugment", "augmix": "AugMix", "autoaugment": "AutoAugment"}


def as_picture(image: Array) -> Any:  # Any: see Returns
    """What the pipelines take.

    Args:
        image: (H, W, C) uint8, BGR for three channels.

    Returns:
        A PIL image, gray or RGB; for other numbers of channels a tensor (C, H, W).
    """
    from PIL import Image

    channels = image.shape[2]
    if channels == RGB:
        return Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if channels == 1:
        return Image.fromarray(image[..., 0])
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def classify_transforms(
    size: int | tuple[int, int] = 224,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
    interpolation: str = "BILINEAR",
    crop_fraction: float | None = None,
    channels: int = RGB,
) -> Any:  # Any: torchvision is untyped
    """Pipeline for validation and prediction: resize, centre crop, tensor, normalise.

    Args:
        size: one number resizes the shorter side to it and crops a square; (h, w) resizes exactly.
        mean: subtracted per channel.
        std: divisor per channel.
        interpolation: name of a torchvision interpolation mode.
        crop_fraction: no longer used.
        channels: of the picture.
    """
    from torchvision import transforms as T

    if crop_fraction:
        LOGGER.warning("crop_fraction=%s has no effect any more", crop_fraction)
    exact = isinstance(size, (tuple, list)) and size[0] != size[1]
    shorter = size if exact or isinstance(size, int) else size[0]
    return T.Compose(
        [
            T.Resize(shorter, interpolation=T.InterpolationMode[interpolation]),
            T.CenterCrop(size),
            *_to_floats(mean, std, channels),
        ]
    )


def _to_floats(mean: Sequence[float], std: Sequence[float], channels: int) -> list[Any]:
    """Steps from a picture to normalised floats; one value of mean and std may serve all channels."""
    from torchvision import transforms as T

    numbers = [torch.tensor(v if len(v) == channels else [v[0]] * channels) for v in (mean, std)]
    to_floats = T.ToTensor() if channels in (1, RGB) else T.ConvertImageDtype(torch.float32)
    return [to_floats, T.Normalize(mean=numbers[0], std=numbers[1])]


def classify_augmentations(
    size: int = 224,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
    scale: tuple[float, float] | None = None,
    ratio: tuple[float, float] | None = None,
    hflip: float = 0.5,
    vflip: float = 0.0,
    auto_augment: str | None = None,
    hsv_h: float = 0.015,
    hsv_s: float = 0.4,
    hsv_v: float = 0.4,
    force_color_jitter: bool = False,
    erasing: float = 0.0,
    interpolation: str = "BILINEAR",
    channels: int = RGB,
) -> Any:  # Any: torchvision is untyped
    """Pipeline for training: random crop, flips, a policy or colour jitter, tensor, erasing.

    Args:
        size: side of the square that leaves. Raises TypeError when not an int.
        mean: subtracted per channel.
        std: divisor per channel.
        scale: range of the cropped share of the area.
        ratio: range of the aspect of the crop.
        hflip: probability of left-right mirroring.
        vflip: probability of upside-down mirroring.
        auto_augment: "randaugment", "augmix", "autoaugment" or None.
        hsv_h: hue jitter.
        hsv_s: saturation jitter.
        hsv_v: brightness and contrast jitter.
        force_color_jitter: jitter colours also when a policy is on.
        erasing: probability of erasing a rectangle.
        interpolation: name of a torchvision interpolation mode.
        channels: of the picture; colours are only changed with one or three.
    """
    from torchvision import transforms as T

    if not isinstance(size, int):
        raise TypeError(f"size must be an int, not {size!r}")
    mode = T.InterpolationMode[interpolation]
    steps = [
        T.RandomResizedCrop(
            size, scale=scale or DEFAULT_AREA, ratio=ratio or DEFAULT_ASPECT, interpolation=mode
        )
    ]
    if hflip > 0:
        steps.append(T.RandomHorizontalFlip(p=hflip))
    if vflip > 0:
        steps.append(T.RandomVerticalFlip(p=vflip))
    policy, jitter = _colour_steps(auto_augment, (hsv_v, hsv_v, hsv_s, hsv_h), mode)
    if channels in (1, RGB):
        steps += [*policy, *(jitter if force_color_jitter or not policy else [])]
    else:
        LOGGER.warning(f"Pictures of {channels} channels are trained on without colour changes.")
    steps += _to_floats(mean, std, channels)
    steps.append(T.RandomErasing(p=erasing, inplace=True))
    return T.Compose(steps)


def _colour_steps(
    policy: str | None, jitter: tuple[float, ...], mode: Any
) -> tuple[list[Any], list[Any]]:  # Any: torchvision is untyped
    """The named policy, if any, and the colour jitter."""
    from torchvision import transforms as T

    if policy and policy not in AUTO_POLICIES:
        known = ", ".join(AUTO_POLICIES)
        raise ValueError(f"auto_augment={policy!r}: choose one of {known} or None")
    named = [getattr(T, AUTO_POLICIES[policy])(interpolation=mode)] if policy else []
    return named, [T.ColorJitter(*jitter)]


class ClassifyLetterBox:
    """Fit a picture into a size with gray padding on all sides."""

    def __init__(
        self, size: int | tuple[int, int] = (640, 640), auto: bool = False, stride: int = 32
    ) -> None:
        """Args: auto: pad only up to the next multiple of `stride`."""
        self.h, self.w = (size, size) if isinstance(size, int) else size
        self.auto = auto
        self.stride = stride

    def __call__(self, im: Array) -> Array:
        """The padded picture (H, W, C)."""
        height, width = im.shape[:2]
        ratio = min(self.h / height, self.w / width)
        h, w = round(height * ratio), round(width * ratio)
        H, W = self.h, self.w
        if self.auto:
            H, W = (-(-side // self.stride) * self.stride for side in (h, w))
        top = round((H - h) / 2 - ROUNDING_BIAS)
        left = round((W - w) / 2 - ROUNDING_BIAS)
        canvas = np.full((H, W, *im.shape[2:]), FILL, im.dtype)
        resized = cv2.resize(im, (w, h), interpolation=cv2.INTER_LINEAR)
        canvas[top : top + h, left : left + w] = resized.reshape(h, w, *im.shape[2:])
        return canvas


class CenterCrop:
    """The largest centred square of a picture, resized."""

    def __init__(self, size: int | tuple[int, int] = 640) -> None:
        """Args: size: height and width that leave, or one number for both."""
        self.h, self.w = (size, size) if isinstance(size, int) else size

    def __call__(self, im: Any) -> Array:  # Any: an array or a PIL image
        """The crop (H, W, C)."""
        picture = np.asarray(im)
        height, width = picture.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(picture[top : top + side, left : left + side])
        return np.asarray(cv2.resize(square, (self.w, self.h), interpolation=cv2.INTER_LINEAR))


class ToTensor:
    """A picture (H, W, C) as a tensor (C, H, W) in [0, 1], channel order kept."""

    def __init__(self, half: bool = False) -> None:
        """Args: half: float16 instead of float32."""
        self.half = half

    def __call__(self, im: Array) -> Tensor:
        """Convert a picture."""
        planes = torch.from_numpy(np.ascontiguousarray(im.transpose(2, 0, 1)))
        return planes.to(torch.float16 if self.half else torch.float32) / 255
