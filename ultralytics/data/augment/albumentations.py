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
from ultralytics.errors import MissingExtra
from ultralytics.geometry.boxes import xyxy2xywh
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
        self.contains_spatial = False
        if find_spec("albumentations") is None:
            if transforms:
                raise MissingExtra("custom augmentations need: pip install albumentations")
            return
        chosen = _default_list() if transforms is None else _restore(transforms)
        if chosen:
            self.contains_spatial = any(_is_spatial(t) for t in chosen)
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
        labels["img"] = _with_channels(self.transform(image=labels["img"])["image"])
        return labels

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
        points, shape_of = _pack_points(instances, width, height)
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
        labels["cls"] = labels["cls"][kept]
        size = labels["img"].shape[1], labels["img"].shape[0]
        boxes = np.array(result["bboxes"], np.float32).reshape(-1, 4)
        ids = np.array(result["keypoint_ids"], int)
        moved = np.array(result["keypoints"], np.float32).reshape(-1, 2)
        labels["instances"], labels["cls"] = self._unpack(
            shape_of, kept, boxes, labels["cls"], _Moved(ids, moved, len(points)), size
        )
        return labels

    def _unpack(
        self,
        shapes: tuple[tuple[int, ...], tuple[int, ...], Array | None],
        kept: Array,
        boxes: Array,
        classes: Array,
        moved: _Moved,
        size: tuple[int, int],
    ) -> tuple[Instances, Array]:
        """Objects after the transform, boxes as fractions of the new image."""
        segment_shape, keypoint_shape, keypoints = shapes
        width, height = size
        outlines = int(np.prod(segment_shape[:2]))
        segments = np.zeros((0, 0, 2), np.float32)
        if outlines:
            polygons = [
                moved.polygon(i * segment_shape[1], segment_shape[1]) for i in kept.tolist()
            ]
            alive = np.array([p is not None for p in polygons], bool)
            kept, boxes, classes = kept[alive], boxes[alive], classes[alive]
            segments = np.array([p for p in polygons if p is not None], np.float32)
            segments = segments.reshape(-1, segment_shape[1], 2)
            corners = [segment2box(p, width, height) for p in segments]
            boxes = xyxy2xywh(np.array(corners, np.float32).reshape(-1, 4))
            boxes /= (width, height, width, height)
        if keypoints is not None:
            span = int(np.prod(keypoint_shape[:2]))
            keypoints = keypoints.copy()
            keypoints[..., :2] = moved.table[outlines : outlines + span].reshape(
                *keypoint_shape[:2], 2
            )
            keypoints = keypoints[kept]
            clip_keypoints(keypoints, width, height)
            if self.flip_idx is not None and moved.is_reflected():
                keypoints = np.ascontiguousarray(keypoints[:, list(self.flip_idx)])
        new = Instances(boxes, segments, keypoints, bbox_format="xywh", normalized=False)
        new.normalized = True
        if len(segments):
            new.segments = segments / np.array((width, height), np.float32)
        if keypoints is not None:
            keypoints[..., :2] /= (width, height)
        return new, classes


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


def _pack_points(
    instances: Instances, width: int, height: int
) -> tuple[Array, tuple[tuple[int, ...], tuple[int, ...], Array | None]]:
    """All polygon points, keypoints and anchors as one pixel list, and how to take it apart."""
    keypoints = instances.keypoints
    parts = [instances.segments.reshape(-1, 2)]
    if keypoints is not None:
        parts.append(keypoints[..., :2].reshape(-1, 2))
    parts.append(ANCHORS)
    points = np.concatenate(parts).astype(np.float32) * (width, height)
    shape = () if keypoints is None else keypoints.shape
    return points, (instances.segments.shape, shape, keypoints)


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


def _is_spatial(transform: Any) -> bool:
    """Whether a transform, or one inside it, moves pixels."""
    import albumentations as A

    inner = getattr(transform, "transforms", None)
    if isinstance(inner, (list, tuple)):
        return any(_is_spatial(t) for t in inner)
    return isinstance(transform, A.DualTransform) and not isinstance(transform, A.NoOp)


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
