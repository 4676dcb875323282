"""CopyPaste: objects with outlines copied onto free places. Chapter 30, 5.5."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import cv2
import numpy as np

from ultralytics.data.augment.compose import Array, BaseMixTransform, Labels, Params, Transform
from ultralytics.geometry.iou import bbox_ioa
from ultralytics.utils.instance import Instances

__all__ = ["CopyPaste"]

MODES = ("flip", "mixup")
MAX_COVERED = 0.30  # of any object that is already there


class CopyPaste(BaseMixTransform):
    """Paste a share `p` of the objects that would cover little of those already there.

    In "flip" mode they come from the mirrored sample itself and nothing is drawn; in "mixup" mode from
    another sample, with probability `p`. Samples without polygons stay as they are.
    """

    def __init__(
        self,
        dataset: Any = None,  # Any: see BaseMixTransform
        pre_transform: Transform | None = None,
        p: float = 0.5,
        mode: str = "flip",
    ) -> None:
        """Store the settings. Raises ValueError for an unknown mode."""
        if mode not in MODES:
            raise ValueError(f"copy-paste mode must be one of {', '.join(MODES)}, not {mode!r}")
        super().__init__(dataset, pre_transform, p)
        self.mode = mode

    def __call__(self, labels: Labels) -> Labels:
        """Paste objects into a sample."""
        if len(labels["instances"].segments) == 0 or self.p == 0:
            return labels
        if self.mode == "mixup":
            return super().__call__(labels)
        return self._apply(labels, self.get_params(labels))

    def get_params(self, labels: Labels) -> Params:
        """The source sample, the chosen objects and the mask (H, W) of their pixels."""
        height, width = labels["img"].shape[:2]
        target: Instances = labels["instances"]
        target.convert_bbox("xyxy")
        target.denormalize(width, height)
        source = labels["mix_labels"][0] if labels.get("mix_labels") else _mirrored(labels)
        objects: Instances = source["instances"]
        objects.convert_bbox("xyxy")
        objects.denormalize(width, height)
        covered = bbox_ioa(objects.bboxes, target.bboxes)
        eligible = np.flatnonzero((covered < MAX_COVERED).all(axis=1))
        worst = covered[eligible].max(axis=1, initial=0)
        eligible = eligible[np.argsort(worst, kind="stable")]
        chosen = eligible[: round(self.p * len(eligible))]
        mask = np.zeros((height, width), np.uint8)
        for number in chosen if len(objects.segments) else ():
            cv2.fillPoly(mask, [objects.segments[number].astype(np.int32)], 1)
        return {"source": source, "chosen": chosen, "mask": mask.astype(bool)}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Copy the pixels of the chosen objects."""
        return _copy_pixels("img", labels, params)

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Append the chosen objects."""
        chosen, source = params["chosen"], params["source"]
        if len(chosen):
            labels["cls"] = np.concatenate([labels["cls"], source["cls"][chosen]], axis=0)
            parts = [labels["instances"], source["instances"][chosen]]
            labels["instances"] = Instances.concatenate(parts, axis=0)
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Copy the classes of the same pixels."""
        if labels.get("semantic_mask") is None:
            return labels
        return _copy_pixels("semantic_mask", labels, params)


def _mirrored(labels: Labels) -> Labels:
    """The sample's own objects and pixels, left and right exchanged."""
    instances = deepcopy(labels["instances"])
    instances.fliplr(labels["img"].shape[1])
    source: Labels = {"cls": labels["cls"], "instances": instances}
    for key in ("img", "semantic_mask"):
        if labels.get(key) is not None:
            source[key] = np.flip(labels[key], 1)
    return source


def _copy_pixels(key: str, labels: Labels, params: Params) -> Labels:
    if params["mask"].any():
        changed: Array = labels[key].copy()
        changed[params["mask"]] = params["source"][key][params["mask"]]
        labels[key] = changed
    return labels
