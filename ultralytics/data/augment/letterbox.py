"""Fit an image into a given size and fill the rest. Chapter 30, 5.10."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from ultralytics.data.augment.compose import Array, BaseTransform, Labels, Params
from ultralytics.data.augment.mosaic import FILL, IGNORE

__all__ = ["Fit", "LetterBox", "fit"]

ROUNDING_BIAS = 0.1  # an odd pixel of padding goes right and below


class Fit(NamedTuple):
    """How an image is placed: its new size, the padding around it, and the scale of each axis."""

    size_wh: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int
    ratio_wh: tuple[float, float]


class LetterBox(BaseTransform):
    """Resize an image to fit `new_shape` and pad it; boxes become pixel corners and move along."""

    def __init__(
        self,
        new_shape: int | tuple[int, int] = (640, 640),
        auto: bool = False,
        scale_fill: bool = False,
        scaleup: bool = True,
        center: bool = True,
        stride: int = 32,
        padding_value: int = FILL,
        interpolation: int = cv2.INTER_LINEAR,
    ) -> None:
        """Store the settings.

        Args:
            new_shape: height and width, or one number for both.
            auto: pad only up to the next multiple of `stride`.
            scale_fill: stretch to the full size instead of padding.
            scaleup: allow enlarging.
            center: pad on both sides; otherwise on the right and below only.
            stride: unit of `auto`.
            padding_value: gray level of the padding.
            interpolation: OpenCV's number of the resize method.
        """
        self.new_shape = new_shape
        self.auto = auto
        self.scale_fill = scale_fill
        self.scaleup = scaleup
        self.center = center
        self.stride = stride
        self.padding_value = padding_value
        self.interpolation = interpolation

    def __call__(
        self, labels: Labels | None = None, image: Array | None = None
    ) -> Any:  # Any: the sample, or only the image when there is no sample
        """Fit a sample, or a bare image; `rect_shape` of the sample is used up."""
        labels = {} if labels is None else labels
        alone = not labels
        if image is not None:
            labels["img"] = image
        labels = self._apply(labels, self.get_params(labels))
        return labels["img"] if alone else labels

    def get_params(self, labels: Labels) -> Params:
        """The placement and the size it was computed for."""
        shape = labels.pop("rect_shape", None)
        shape = self.new_shape if shape is None else shape
        height, width = (shape, shape) if isinstance(shape, int) else (int(x) for x in shape)
        placed = fit(
            labels["img"].shape[:2],
            (height, width),
            auto=self.auto,
            scale_fill=self.scale_fill,
            scaleup=self.scaleup,
            center=self.center,
            stride=self.stride,
        )
        return {"fit": placed, "shape": (height, width), "from": labels["img"].shape[:2]}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Resize and pad the pixels; two-dimensional input gets a channel axis."""
        image = labels["img"] if labels["img"].ndim == 3 else labels["img"][..., None]
        labels["img"] = _place(image, params["fit"], self.padding_value, self.interpolation)
        labels["resized_shape"] = params["shape"]
        return labels

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Scale and move the objects; compose the way back to the original image in `ratio_pad`."""
        placed: Fit = params["fit"]
        if labels.get("ratio_pad"):
            gain_h, gain_w = labels["ratio_pad"]
            ratio_w, ratio_h = placed.ratio_wh
            gains = (gain_h * ratio_h, gain_w * ratio_w)
            labels["ratio_pad"] = (gains, (placed.left, placed.top))
        instances = labels.get("instances")
        if instances is not None:
            height, width = params["from"]
            instances.convert_bbox("xyxy")
            instances.denormalize(width, height)
            instances.scale(*placed.ratio_wh)
            instances.add_padding(placed.left, placed.top)
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Place the class map without mixing classes; the padding is ignored."""
        return _place_map("semantic_mask", labels, params, IGNORE)

    def apply_depth(self, labels: Labels, params: Params) -> Labels:
        """Place the depth map without mixing values; the padding is unknown."""
        return _place_map("depth", labels, params, 0)


def fit(
    from_hw: tuple[int, int],
    to_hw: tuple[int, int],
    *,
    auto: bool = False,
    scale_fill: bool = False,
    scaleup: bool = True,
    center: bool = True,
    stride: int = 32,
) -> Fit:
    """Compute a placement; sizes are (height, width), the arguments those of LetterBox."""
    (h, w), (H, W) = from_hw, to_hw
    ratio = min(H / h, W / w)
    if not scaleup:
        ratio = min(ratio, 1.0)
    ratio_wh = (ratio, ratio)
    size_wh = (max(round(w * ratio), 1), max(round(h * ratio), 1))
    spare: tuple[float, float] = (W - size_wh[0], H - size_wh[1])
    if auto:
        spare = (spare[0] % stride, spare[1] % stride)
    elif scale_fill:
        spare, size_wh, ratio_wh = (0, 0), (W, H), (W / w, H / h)
    (left, right), (top, bottom) = (_share(total, center) for total in spare)
    return Fit(size_wh, left, top, right, bottom, ratio_wh)


def _share(total: float, center: bool) -> tuple[int, int]:
    """Padding before and after."""
    half = total / 2 if center else total
    before = round(half - ROUNDING_BIAS) if center else 0
    return before, round(half + ROUNDING_BIAS)


def _place(image: Array, placed: Fit, fill: int, how: int) -> Array:
    """Resize straight into the middle of a filled canvas (H, W, C)."""
    width, height = placed.size_wh
    shape = (placed.top + height + placed.bottom, placed.left + width + placed.right)
    canvas = np.full((*shape, image.shape[2]), fill, image.dtype)
    inner = canvas[placed.top : placed.top + height, placed.left : placed.left + width]
    if image.shape[:2] == (height, width):
        inner[:] = image
    else:
        image = np.ascontiguousarray(image)
        if image.shape[2] == 3:  # OpenCV can write into the rows of the canvas
            cv2.resize(image, placed.size_wh, dst=inner, interpolation=how)
        else:
            resized = cv2.resize(image, placed.size_wh, interpolation=how)
            inner[:] = resized.reshape(inner.shape)
    return canvas


def _place_map(key: str, labels: Labels, params: Params, fill: int) -> Labels:
    values = labels.get(key)
    if values is not None:
        labels[key] = _place(values[..., None], params["fit"], fill, cv2.INTER_NEAREST)[..., 0]
    return labels
