"""Random mirroring. Chapter 30, 5.9."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from ultralytics.data.augment.compose import BaseTransform, Labels, Params

__all__ = ["RandomFlip"]

AXIS = {"vertical": 0, "horizontal": 1}


class RandomFlip(BaseTransform):
    """Mirror a sample left-right or upside down with probability `p`; boxes become centre and size."""

    def __init__(
        self,
        p: float = 0.5,
        direction: str = "horizontal",
        flip_idx: Sequence[int] | None = None,
    ) -> None:
        """Store the settings. Raises AssertionError for an unknown direction or p outside [0, 1].

        Args:
            p: probability.
            direction: "horizontal" or "vertical".
            flip_idx: for each keypoint the number of its mirror image, used for both directions.
        """
        if direction not in AXIS:
            raise AssertionError(f"direction must be {' or '.join(AXIS)}, not {direction!r}")
        if not 0 <= p <= 1:
            raise AssertionError(f"probability p={p} is outside [0, 1]")
        self.p = p
        self.direction = direction
        self.flip_idx = flip_idx

    def get_params(self, labels: Labels) -> Params:
        """Whether to mirror."""
        return {"flip": random.random() < self.p, "axis": AXIS[self.direction]}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Mirror the pixels, as a view."""
        return self._mirror("img", labels, params)

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Mirror the objects and exchange left and right keypoints."""
        instances = labels["instances"]
        instances.convert_bbox("xywh")
        if not params["flip"]:
            return labels
        height, width = (1, 1) if instances.normalized else labels["img"].shape[:2]
        if params["axis"] == 0:
            instances.flipud(height)
        else:
            instances.fliplr(width)
        if self.flip_idx is not None and instances.keypoints is not None:
            instances.keypoints = np.ascontiguousarray(instances.keypoints[:, list(self.flip_idx)])
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Mirror the class map."""
        return self._mirror("semantic_mask", labels, params)

    def apply_depth(self, labels: Labels, params: Params) -> Labels:
        """Mirror the depth map."""
        return self._mirror("depth", labels, params)

    def _mirror(self, key: str, labels: Labels, params: Params) -> Labels:
        if params["flip"] and labels.get(key) is not None:
            labels[key] = np.flip(labels[key], params["axis"])
        return labels
