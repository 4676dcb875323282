"""The last step of a sample: arrays to the tensors of a batch. Chapter 30, 3.2 and 5.12."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ultralytics.data.augment.compose import Array, Labels
from ultralytics.data.polygons import polygons2masks, polygons2masks_overlap
from ultralytics.geometry.rotated import xyxyxyxy2xywhr
from ultralytics.utils.instance import Instances

__all__ = ["Format", "SemanticFormat", "draw_masks"]


class Format:
    """Turn a sample into tensors: image, classes, boxes, and masks or keypoints when asked for."""

    def __init__(
        self,
        bbox_format: str = "xywh",
        normalize: bool = True,
        return_mask: bool = False,
        return_keypoint: bool = False,
        return_obb: bool = False,
        mask_ratio: int = 4,
        mask_overlap: bool = True,
        batch_idx: bool = True,
        bgr: float = 0.0,
    ) -> None:
        """Store the settings.

        Args:
            bbox_format: format of the boxes that leave.
            normalize: boxes and keypoints as fractions of the image.
            return_mask: add `masks` and `sem_masks`.
            return_keypoint: add `keypoints`.
            return_obb: boxes become the smallest rotated rectangles of the polygons.
            mask_ratio: masks are smaller than the image by this factor.
            mask_overlap: one map of all objects instead of one mask each.
            batch_idx: add a place for the number of the sample in its batch.
            bgr: probability that the channel order stays BGR.
        """
        self.bbox_format = bbox_format
        self.normalize = normalize
        self.return_mask = return_mask
        self.return_keypoint = return_keypoint
        self.return_obb = return_obb
        self.mask_ratio = mask_ratio
        self.mask_overlap = mask_overlap
        self.batch_idx = batch_idx
        self.bgr = bgr

    def __call__(self, labels: Labels) -> Labels:
        """Change a sample into tensors. Raises ValueError when the mask ratio exceeds the image."""
        height, width = labels["img"].shape[:2]
        classes, instances = labels.pop("cls"), labels.pop("instances")
        instances.convert_bbox(self.bbox_format)
        instances.denormalize(width, height)
        labels["img"] = self._format_img(labels["img"])
        if self.return_mask:
            masks, maps, classes, instances = self._format_masks(instances, classes, height, width)
            labels["masks"], labels["sem_masks"] = masks, maps
        count = len(instances)
        labels["cls"] = _tensor(classes) if count else torch.zeros(0, 1)
        labels["bboxes"] = self._format_boxes(instances, height, width)
        if self.return_keypoint:
            labels["keypoints"] = self._format_keypoints(instances.keypoints, height, width)
        if self.batch_idx:
            labels["batch_idx"] = torch.zeros(count)
        return labels

    def _format_img(self, img: Array) -> Tensor:
        """(H, W, C) array to (C, H, W) tensor, RGB unless the draw says otherwise."""
        img = img if img.ndim == 3 else img[..., None]
        planes = img.transpose(2, 0, 1)
        swap = random.uniform(0, 1) > self.bgr
        if swap and planes.shape[0] == 3:
            planes = planes[::-1]
        return torch.from_numpy(np.ascontiguousarray(planes))

    def _format_boxes(self, instances: Instances, height: int, width: int) -> Tensor:
        if self.return_obb:
            count = len(instances.segments)
            boxes = xyxyxyxy2xywhr(_tensor(instances.segments)) if count else torch.zeros(0, 5)
        else:
            boxes = _tensor(instances.bboxes) if len(instances) else torch.zeros(0, 4)
        if self.normalize:
            boxes[:, [0, 2]] /= width
            boxes[:, [1, 3]] /= height
        return boxes

    def _format_keypoints(self, keypoints: Array | None, height: int, width: int) -> Tensor:
        if keypoints is None:
            return torch.zeros(0, 3)
        points = _tensor(keypoints)
        if self.normalize:
            points[..., 0] /= width
            points[..., 1] /= height
        return points

    def _format_masks(
        self, instances: Instances, classes: Array, height: int, width: int
    ) -> tuple[Tensor, Tensor, Array, Instances]:
        """Object masks, class per pixel, and the objects in the order of the masks."""
        outlines = list(instances.segments) if len(instances) else []
        masks, maps, order = draw_masks(
            outlines, _tensor(classes), (height, width), self.mask_ratio, self.mask_overlap
        )
        if len(outlines) and self.mask_overlap:
            classes, instances = classes[order], instances[order]
        return masks, maps, classes, instances


def draw_masks(
    outlines: Sequence[Array], classes: Tensor, size_hw: tuple[int, int], ratio: int, overlap: bool
) -> tuple[Tensor, Tensor, npt.NDArray[np.int64]]:
    """Masks and class per pixel of the objects of an image, `ratio` times smaller than it.

    Args:
        outlines: polygon (P, 2) of each object in pixels.
        classes: (N, 1) classes.
        size_hw: size of the image.
        ratio: how much smaller the masks are.
        overlap: one map of all objects instead of one mask each.

    Returns:
        Masks (1, h, w) with k + 1 where the k-th object of the order is, or (N, h, w) binary; classes (h, w); and
        the order, in which classes and boxes have to be put: falling area for a map, else as they came.

    Raises:
        ValueError: the ratio is larger than the image.
    """
    height, width = size_hw
    if ratio > min(height, width):
        raise ValueError(
            f"mask_ratio={ratio} is larger than the image ({height} x {width}); "
            "use a smaller mask_ratio or a larger imgsz"
        )
    small = (height // ratio, width // ratio)
    order = np.arange(len(outlines), dtype=np.int64)
    if len(outlines) == 0:
        return torch.zeros(1 if overlap else 0, *small), torch.zeros(small), order
    if not overlap:
        masks = torch.from_numpy(polygons2masks(size_hw, outlines, 1, ratio))
        return masks, _paint(masks, classes), order
    index_map, order = polygons2masks_overlap(size_hw, outlines, ratio)
    masks = torch.from_numpy(index_map)[None]
    # background (0) reads the last entry, the class of the smallest object: see chapter 30, 3.2
    return masks, classes.view(-1)[order][masks[0].long() - 1], order


def _paint(masks: Tensor, classes: Tensor) -> Tensor:
    """Class per pixel, smaller objects on top, 0 where there is none."""
    maps = torch.zeros(masks.shape[1:])
    for k in masks.sum(dim=(1, 2)).argsort(descending=True, stable=True).tolist():
        maps[masks[k] > 0] = float(classes[k])
    return maps


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


class SemanticFormat(Format):
    """Turn a sample into an image and a class map; objects are left behind."""

    def __init__(self, bgr: float = 0.0) -> None:
        """Args: bgr: probability that the channel order stays BGR."""
        super().__init__(bgr=bgr)

    def __call__(self, labels: Labels) -> Labels:
        """Change a sample into tensors: `img`, and `semantic_mask` (H, W) int32."""
        for key in ("cls", "instances", "resized_shape"):
            labels.pop(key, None)
        labels["img"] = self._format_img(labels["img"])
        ids = labels["semantic_mask"]
        labels["semantic_mask"] = torch.from_numpy(np.ascontiguousarray(ids).astype(np.int32))
        return labels
