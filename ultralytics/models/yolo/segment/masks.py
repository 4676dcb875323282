"""Masks of a validation: from network output and label maps to runs, and the outlines of the labels.

Everything here is of one image. nm = prototypes; mh, mw = their grid; G = targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ultralytics.geometry.mask_crops import MaskGrid, decode_runs
from ultralytics.geometry.polygon_rle import polygon_masks
from ultralytics.geometry.rle import RunMasks

__all__ = [
    "LabelOutlines",
    "best_of_each_class",
    "masks_of_boxes",
    "protos_of_masks",
    "split_outputs",
    "target_maps",
]


def split_outputs(preds: Any) -> tuple[Any, Tensor]:
    """Rows for suppression, and prototypes (B, nm, mh, mw), of a network or an exported file.

    A network that is not in training gives ((rows, prototypes), raw predictions), a file gives (rows, prototypes).
    """
    if isinstance(preds[0], (tuple, list)):
        return preds[0][0], preds[0][1]
    return preds[0], preds[1]


def masks_of_boxes(pred: dict[str, Tensor], boxes: Tensor, grid: MaskGrid) -> RunMasks:
    """Masks of the detections of one image.

    Args:
        pred: their "coefficients" (N, nm), and "proto" (nm, mh, mw).
        boxes: (N, 4) corners in pixels of the masks.
        grid: pixels of the masks.
    """
    arrays = [
        v.detach().cpu().float().numpy() for v in (pred["proto"], pred["coefficients"], boxes)
    ]
    return decode_runs(arrays[0], arrays[1], arrays[2], grid)


def protos_of_masks(
    masks: NDArray[np.uint8],
    size_hw: Sequence[int],
    ratio_pad: Sequence[Sequence[float]],
    grid: Sequence[int],
) -> Tensor:
    """One prototype (N, *grid) per mask: the share of a cell that it covers, less one half.

    Args:
        masks: (N, h, w) in pixels of the original image.
        size_hw: of the network input.
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) from the image to the network input.
        grid: rows and columns of the prototypes.
    """
    (gain_y, gain_x), (left, top) = ratio_pad[0], (int(side) for side in ratio_pad[1])
    protos = torch.zeros(len(masks), *grid)
    for proto, mask in zip(protos, masks, strict=True):
        height, width = round(mask.shape[0] * gain_y), round(mask.shape[1] * gain_x)
        placed = torch.zeros(1, int(size_hw[0]), int(size_hw[1]))
        resized = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        placed[0, top : top + height, left : left + width] = torch.from_numpy(resized)
        proto[:] = adaptive_avg_pool2d(placed, (int(grid[0]), int(grid[1])))[0] - 0.5
    return protos


def target_maps(masks: Tensor, index: int, rows: Tensor, overlap: bool) -> NDArray[Any]:
    """(G, h, w) masks of the targets of one image.

    Args:
        masks: one map per image in which value k marks its k-th object, or one mask per object of the batch.
        index: position of the image.
        rows: (objects of the batch,) which of them belong to the image.
        overlap: which of the two `masks` is.
    """
    if not overlap:
        return masks[rows].numpy()
    numbers = np.arange(1, int(rows.sum()) + 1)
    return masks[index].numpy() == numbers[:, None, None]


class LabelOutlines:
    """Polygons of the labels of a data set, as masks in original pixels by COCO's rule.

    Args:
        dataset: has `im_files`, and `labels` with "cls" and normalised "segments".
    """

    def __init__(self, dataset: Any) -> None:
        self.labels: Sequence[Any] = dataset.labels
        self.positions = {file: i for i, file in enumerate(dataset.im_files)}

    def of(self, im_file: str, size_hw: tuple[int, int]) -> tuple[NDArray[Any], RunMasks]:
        """Classes (G,) and masks of the objects of an image."""
        label = self.labels[self.positions[im_file]]
        scale = np.array([size_hw[1], size_hw[0]])
        outlines = [np.asarray(outline) * scale for outline in label["segments"]]
        return np.asarray(label["cls"]).reshape(-1), polygon_masks(outlines, size_hw)


def best_of_each_class(classes: NDArray[Any], limit: int) -> NDArray[np.int64]:
    """Rows of the first detections of each class, at most `limit` of one."""
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], classes[order])
    return np.sort(order[np.arange(len(order)) - starts < limit])
