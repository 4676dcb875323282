"""Transforms of the optional package `albumentations`. Chapter 30, 5.11.

Without the package the step does nothing and draws nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from ultralytics.data.augment.compose import Array, Labels
from ultralytics.errors import MissingExtra, NotAvailable
from ultralytics.geometry.segments import segment2box
from ultralytics.utils.instance import Instances, clip_keypoints
from ultralytics.utils.logging import LOGGER

__all__ = ["Albumentations"]

IMAGE_CHANNELS = (1, 3)
ANCHORS = np.array([(0.25, 0.25), (0.75, 0.25), (0.25, 0.75)])  # tell a reflection from a rotation

Transforms = Sequence[Any]  # Any: objects of the optional package, or their serialised dicts


class Albumentations:
    """Send a sample through a list of albumentations transforms with probability `p`.

    Without transforms of the user a list of rare pixel changes is used. Boxes, polygons, keypoints and
    class maps follow spatial transforms; objects without a surviving box are dropped, and a sample that
    would lose all of them stays as it was.
    """

    def __init__(
        self,
        p: float = 1.0,
        transforms: Transforms | None = None,
        flip_idx: Sequence[int] | None = None,
    ) -> None:
        """Build the list.

        Args:
            p: probability of the whole step.
            transforms: replaces the default list; serialised dicts are restored.
            flip_idx: keypoint order of mirrored samples.

        Raises:
            MissingExtra: transforms are given but the package is not installed.
        """
        self.p = p
        self.flip_idx = flip_idx
        self.transform: Any = None  # Any: albumentations.Compose
        self.contains_spatial = self.shuffles = False
        if find_spec("albumentations") is None:
            if transforms:
                raise MissingExtra("custom augmentations need: pip install albumentations")
            return
        chosen = _default_list() if transforms is None else _restore(transforms)
        if chosen:
            flat = _flatten(chosen)
            self.contains_spatial = any(_is_spatial(t) for t in flat)
            self.shuffles = any(type(t).__name__ == "RandomGridShuffle" for t in flat)
            self.transform = _compose(chosen, self.contains_spatial)

    def __call__(self, labels: Labels) -> Labels:
        """Change a sample; images with other than 1 or 3 channels stay as they are."""
        if self.transform is None or random.random() > self.p:
            return labels
        if labels["img"].shape[2] not in IMAGE_CHANNELS:
            return labels
        self._reseed()
        if self.contains_spatial:
            return self._spatial(labels)
        labels["img"] = self.change_pixels(labels["img"])
        return labels

    def change_pixels(self, image: Array, seed: int | None = None) -> Array:
        """Only the picture (H, W, C), for lists that move nothing; a seed makes the draws repeatable."""
        if seed is not None and hasattr(self.transform, "set_random_seed"):
            self.transform.set_random_seed(seed)
        return _with_channels(self.transform(image=np.ascontiguousarray(image))["image"])

    def _reseed(self) -> None:
        """Give every data loader worker its own random sequence."""
        seed = torch.initial_seed() % 2**32
        if getattr(self.transform, "seed", seed) != seed and hasattr(
            self.transform, "set_random_seed"
        ):
            self.transform.set_random_seed(seed)

    def _spatial(self, labels: Labels) -> Labels:
        height, width = labels["img"].shape[:2]
        instances: Instances = labels["instances"]
        instances.convert_bbox("xywh")
        instances.normalize(width, height)
        if self.shuffles and (len(instances.segments) or instances.keypoints is not None):
            raise NotAvailable("RandomGridShuffle cannot be used with polygons or keypoints")
        points = _pack_points(instances, width, height)
        maps = [k for k in ("semantic_mask", "depth") if labels.get(k) is not None]
        given = {"mask": labels[maps[0]]} if maps else {}
        count = len(instances)
        result = self.transform(
            image=labels["img"],
            bboxes=_safe_yolo(instances.bboxes),
            class_labels=labels["cls"].reshape(-1),
            indices=np.arange(count),
            keypoints=points,
            keypoint_ids=np.arange(len(points)),
            **given,
        )
        kept = np.array(result["indices"], int)
        if count and len(kept) == 0 and not maps:
            return labels
        labels["img"] = _with_channels(result["image"])
        if maps:
            labels[maps[0]] = result["mask"]
        ids = np.array(result["keypoint_ids"], int)
        moved = _Moved(ids, np.array(result["keypoints"]).reshape(-1, 2), len(points))
        boxes = np.array(result["bboxes"]).reshape(-1, 4)
        size_wh = labels["img"].shape[1], labels["img"].shape[0]
        labels["instances"], kept = self._unpack(instances, kept, boxes, moved, size_wh)
        labels["cls"] = labels["cls"][kept]
        return labels

    def _unpack(
        self,
        old: Instances,
        kept: Array,
        boxes: Array,
        moved: _Moved,
        size_wh: tuple[int, int],
    ) -> tuple[Instances, Array]:
        """Objects after the transform as fractions of the new image, and their old numbers."""
        segments, keypoints, form = old.segments[:0], old.keypoints, "xywh"
        outlines, length = old.segments.shape[:2]
        if outlines:
            polygons = {i: moved.polygon(i * length, length) for i in kept.tolist()}
            kept = np.array([i for i, p in polygons.items() if p is not None], int)
            alive = [p for p in polygons.values() if p is not None]
            segments = np.array(alive, np.float32).reshape(-1, length, 2)
            corners = np.array([segment2box(p, *size_wh) for p in segments], np.float32)
            corners = corners.reshape(-1, 4)
            segments = segments.clip(corners[:, None, :2], corners[:, None, 2:])
            boxes, form = corners / np.tile(size_wh, 2), "xyxy"
        if keypoints is not None:
            start, shape = outlines * length, keypoints.shape[:2]
            keypoints = keypoints.copy()
            points = moved.table[start : start + int(np.prod(shape))]
            keypoints[..., :2] = points.reshape(*shape, 2)
            keypoints = keypoints[kept]
            clip_keypoints(keypoints, *size_wh)
            if self.flip_idx is not None and moved.is_reflected():
                keypoints = np.ascontiguousarray(keypoints[:, list(self.flip_idx)])
            keypoints[..., :2] /= size_wh
        segments = segments / np.array(size_wh, np.float32)
        return Instances(boxes.astype(np.float32), segments, keypoints, form, True), kept


class _Moved:
    """Points after a transform, addressed by their number before it; lost points are NaN."""

    def __init__(self, ids: Array, points: Array, count: int) -> None:
        self.table = np.full((count, 2), np.nan, np.float32)
        self.table[ids] = points

    def polygon(self, start: int, length: int) -> Array | None:
        """A polygon whose lost points take the place of the next surviving one."""
        rows = self.table[start : start + length]
        alive = np.flatnonzero(~np.isnan(rows[:, 0]))
        if len(alive) == 0:
            return None
        following = np.searchsorted(alive, np.arange(length)).clip(max=len(alive) - 1)
        return rows[alive[following]]

    def is_reflected(self) -> bool:
        """Whether the three anchor points at the end changed their sense of rotation."""
        a, b, c = self.table[-3:].astype(float)
        (ux, uy), (vx, vy) = b - a, c - a
        return bool(ux * vy - uy * vx < 0)


def _pack_points(instances: Instances, width: int, height: int) -> Array:
    """All polygon points, keypoints and anchors, in this order, in pixels."""
    parts = [instances.segments.reshape(-1, 2), ANCHORS]
    if instances.keypoints is not None:
        parts.insert(1, instances.keypoints[..., :2].reshape(-1, 2))
    return np.concatenate(parts).astype(np.float32) * (width, height)


def _safe_yolo(boxes: Array) -> Array:
    """Fractions whose corners stay inside the image, as the package demands."""
    half = boxes[:, 2:] / 2
    low = (boxes[:, :2] - half).clip(0, 1)
    high = (boxes[:, :2] + half).clip(0, 1)
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def _with_channels(image: Array) -> Array:
    return image if image.ndim == 3 else image[..., None]


def _default_list() -> list[Any]:
    """Rare pixel changes; none when the installed version does not offer them."""
    import albumentations as A

    try:
        return [
            A.Blur(p=0.01),
            A.MedianBlur(p=0.01),
            A.ToGray(p=0.01),
            A.CLAHE(p=0.01),
            A.RandomBrightnessContrast(p=0.0),
            A.RandomGamma(p=0.0),
            A.ImageCompression(quality_range=(75, 100), p=0.0),
        ]
    except (AttributeError, TypeError, ValueError) as error:
        LOGGER.warning("albumentations %s is not usable: %s", A.__version__, error)
        return []


def _restore(transforms: Transforms) -> list[Any]:
    import albumentations as A

    return [A.from_dict(t) if isinstance(t, dict) else t for t in transforms]


def _flatten(transforms: Transforms) -> list[Any]:
    """The transforms themselves, without the groups they stand in."""
    flat: list[Any] = []
    for transform in transforms:
        inner = getattr(transform, "transforms", None)
        flat += _flatten(inner) if isinstance(inner, (list, tuple)) else [transform]
    return flat


def _is_spatial(transform: Any) -> bool:
    """Whether a transform moves pixels."""
    import albumentations as A

    return isinstance(transform, A.DualTransform)


def _compose(transforms: list[Any], spatial: bool) -> Any:
    import albumentations as A

    if not spatial:
        return A.Compose(transforms)
    return A.Compose(
        transforms,
        bbox_params=A.BboxParams(format="yolo", label_fields=["class_labels", "indices"]),
        keypoint_params=A.KeypointParams(
            format="xy", remove_invisible=False, label_fields=["keypoint_ids"]
        ),
    )
