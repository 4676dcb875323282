"""MixUp (two samples blended) and CutMix (a rectangle of one sample in another). Chapter 30, 5.7."""

from __future__ import annotations

from typing import Any

import numpy as np

from ultralytics.data.augment.compose import Array, BaseMixTransform, Labels, Params, Transform
from ultralytics.geometry.iou import bbox_ioa
from ultralytics.utils.instance import Instances

__all__ = ["CutMix", "MixUp"]

MIXUP_BETA = 32.0  # both parameters; shares stay close to one half
MIN_SHARE_INSIDE = 0.1
MIN_SHARE_INSIDE_POLYGON = 0.01

Area = tuple[int, int, int, int]  # x1, y1, x2, y2


class MixUp(BaseMixTransform):
    """Blend a sample with another of the same size; the objects of both stay."""

    def get_params(self, labels: Labels) -> Params:
        """The share of the first image."""
        return {"share": np.random.beta(MIXUP_BETA, MIXUP_BETA)}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Weighted sum, truncated to whole levels."""
        share = params["share"]
        blend = labels["img"] * share
        blend += labels["mix_labels"][0]["img"] * (1 - share)
        labels["img"] = blend.astype(np.uint8)
        return labels

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Keep the objects of both."""
        other = labels["mix_labels"][0]
        both = [labels["instances"], other["instances"]]
        labels["instances"] = Instances.concatenate(both, axis=0)
        labels["cls"] = np.concatenate([labels["cls"], other["cls"]], 0)
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Keep the class map of the image with the larger share."""
        other = labels["mix_labels"][0].get("semantic_mask")
        if other is not None and params["share"] < 0.5:
            labels["semantic_mask"] = other
        return labels


class CutMix(BaseMixTransform):
    """Replace a rectangle that touches no object by the same rectangle of another sample."""

    def __init__(
        self,
        dataset: Any,  # Any: see BaseMixTransform
        pre_transform: Transform | None = None,
        p: float = 0.0,
        beta: float = 1.0,
        num_areas: int = 3,
    ) -> None:
        """Store the settings.

        Args:
            dataset: source of the other sample.
            pre_transform: sends the other sample through the same geometry.
            p: probability.
            beta: both parameters of the distribution of the share that stays.
            num_areas: rectangles tried; one that is free of objects is chosen among them.
        """
        super().__init__(dataset, pre_transform, p)
        self.beta = beta
        self.num_areas = num_areas

    def get_params(self, labels: Labels) -> Params:
        """The chosen rectangle and the objects that come with it; empty when nothing fits."""
        height, width = labels["img"].shape[:2]
        areas = [self._draw_area(width, height) for _ in range(self.num_areas)]
        target = _pixel_corners(labels, width, height)
        as_boxes = np.array(areas, np.float32)
        free = bbox_ioa(as_boxes, target.bboxes).sum(axis=1) <= 0
        if not free.any():
            return {}
        area = areas[np.random.choice(np.flatnonzero(free))]
        other = labels["mix_labels"][0]
        source = _pixel_corners(other, width, height)
        share = bbox_ioa(np.array([area], np.float32), source.bboxes)[0]
        least = MIN_SHARE_INSIDE_POLYGON if len(target.segments) else MIN_SHARE_INSIDE
        taken = np.flatnonzero(share >= least)
        if len(taken) == 0 and other.get("semantic_mask") is None:
            return {}
        return {"area": area, "taken": taken}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Copy the pixels of the rectangle."""
        return _copy_area("img", labels, params)

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Append the taken objects, cut at the rectangle."""
        if "area" not in params or len(params["taken"]) == 0:
            return labels
        other = labels["mix_labels"][0]
        x1, y1, x2, y2 = params["area"]
        inside, classes = other["instances"][params["taken"]], other["cls"][params["taken"]]
        rotated = inside.segments.shape[1] > 0 and _wants_rotated(self.dataset)
        inside.add_padding(-x1, -y1)
        inside.clip(x2 - x1, y2 - y1, preserve_obb=rotated)
        inside.add_padding(x1, y1)
        if rotated:
            classes = classes[inside.remove_zero_area_boxes()]
        labels["cls"] = np.concatenate([labels["cls"], classes], 0)
        labels["instances"] = Instances.concatenate([labels["instances"], inside], axis=0)
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Copy the classes of the rectangle."""
        if labels.get("semantic_mask") is None:
            return labels
        return _copy_area("semantic_mask", labels, params)

    def _draw_area(self, width: int, height: int) -> Area:
        side = np.sqrt(1.0 - np.random.beta(self.beta, self.beta))
        cut_w, cut_h = int(width * side), int(height * side)
        cx, cy = np.random.randint(width), np.random.randint(height)
        x1, x2 = (int(np.clip(x, 0, width)) for x in (cx - cut_w // 2, cx + cut_w // 2))
        y1, y2 = (int(np.clip(y, 0, height)) for y in (cy - cut_h // 2, cy + cut_h // 2))
        return x1, y1, x2, y2


def _pixel_corners(labels: Labels, width: int, height: int) -> Instances:
    instances: Instances = labels["instances"]
    instances.convert_bbox("xyxy")
    instances.denormalize(width, height)
    return instances


def _copy_area(key: str, labels: Labels, params: Params) -> Labels:
    if "area" in params:
        x1, y1, x2, y2 = params["area"]
        labels[key] = _writable(labels[key])
        labels[key][y1:y2, x1:x2] = labels["mix_labels"][0][key][y1:y2, x1:x2]
    return labels


def _writable(values: Array) -> Array:
    return values if values.flags.writeable else values.copy()


def _wants_rotated(dataset: Any) -> bool:  # Any: see BaseMixTransform
    return bool(getattr(dataset, "use_obb", False))
