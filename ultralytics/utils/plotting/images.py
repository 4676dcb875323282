"""A batch of images with its labels or predictions, as one picture.

Images are (B, C, H, W), RGB, floats in [0, 1] or 0-255. They and the labels are copied before anything is drawn. Tiles
fill a square grid column by column; drawing happens tile by tile in BGR.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ultralytics.utils.files import atomic_write
from ultralytics.utils.plotting.annotator import Annotator, three_channels
from ultralytics.utils.plotting.colors import colors, legend_entries

__all__ = ["plot_images"]

Array = np.ndarray[Any, Any]  # Any: several dtypes

NORMALIZED_LIMIT = 1.1  # boxes whose largest value is below are fractions of the image
MASK_SHARE = 0.6
CAPTION, PANEL = (235, 235, 235), (40, 40, 40)
TILE_OF_FULL_TEXT = 700  # pixels of a tile whose text has OpenCV's natural size
SMALLEST_TEXT = 0.35  # of that size; smaller text cannot be read
CAPTION_LENGTH = 40
JPEG_QUALITY = 92


def plot_images(
    labels: Mapping[str, Any],  # Any: tensors, arrays and names of a collated batch
    images: Tensor | Array | None = None,
    paths: Sequence[str] | None = None,
    fname: str | Path = "images.jpg",
    names: Mapping[int, str] | None = None,
    on_plot: Callable[..., None] | None = None,
    max_size: int = 1920,
    max_subplots: int = 16,
    save: bool = True,
    conf_thres: float = 0.25,
    show_labels: bool = True,
    show_conf: bool = True,
    threaded: bool = False,
) -> Array | threading.Thread | None:
    """Draw a batch as a grid.

    Args:
        labels: batch_idx, cls, bboxes (xywh or xywhr, normalised or pixels), conf, masks, keypoints,
            semantic_mask and img, as far as there are any. Objects without conf, or with NaN, are
            targets, and all of them are drawn.
        images: the pictures; None takes `labels["img"]`.
        paths: file of each image; its name is written on the tile.
        fname: file to write.
        names: class names.
        on_plot: called with the written path.
        max_size: longest side of the grid, in pixels.
        max_subplots: most images drawn.
        save: write the file; otherwise return the grid as RGB.
        conf_thres: predictions must exceed it to be drawn.
        show_labels: write class names.
        show_conf: write confidences.
        threaded: draw in a thread of its own, which is returned; the caller joins it.
    """
    pictures = _pictures(labels["img"] if images is None else images, max_subplots)
    batch = {key: _copied(labels[key]) for key in _DRAWN if key in labels}
    look = _Look(names, conf_thres, show_labels, show_conf)
    captions = [Path(path).name[:CAPTION_LENGTH] for path in paths or ()]

    def work() -> Array | None:
        grid = _grid(pictures, batch, captions, look, max_size)
        if not save:
            return grid[..., ::-1]
        _write(grid, Path(fname))
        if on_plot:
            on_plot(fname)
        return None

    if threaded:
        thread = threading.Thread(target=work, name="plot_images")
        thread.start()
        return thread
    return work()


_DRAWN = ("batch_idx", "cls", "bboxes", "conf", "masks", "keypoints", "semantic_mask")


class _Look:
    """What is drawn and how it is called."""

    def __init__(
        self,
        names: Mapping[int, str] | None,
        conf_thres: float,
        show_labels: bool,
        show_conf: bool,
    ) -> None:
        self.names = names
        self.conf_thres = conf_thres
        self.show_labels = show_labels
        self.show_conf = show_conf

    def label(self, cls: int, conf: float | None) -> str:
        """Text of one object."""
        name = "" if not self.show_labels else str(self.names[cls] if self.names else cls)
        is_target = conf is None or math.isnan(conf)
        return name if is_target or not self.show_conf else f"{name} {conf:.1f}".strip()


def _copied(values: Any) -> Array:
    """An array of its own for a tensor, an array or a list."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
        return np.array(values.numpy())
    return np.array(values)


def _pictures(images: Tensor | Array, limit: int) -> Array:
    """(B, H, W, 3) BGR bytes."""
    chosen = images[:limit]
    tensor = (
        chosen.detach().cpu() if isinstance(chosen, Tensor) else torch.from_numpy(chosen.copy())
    )
    if tensor.is_floating_point():
        tensor = tensor.float()
        tensor = tensor * 255 if tensor.numel() and tensor.max() <= 1 else tensor
        tensor = tensor.round().clamp(0, 255)
    rgb = tensor.to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return np.stack([three_channels(np.ascontiguousarray(one))[..., ::-1] for one in rgb])


def _grid(
    pictures: Array, batch: dict[str, Array], captions: list[str], look: _Look, max_size: int
) -> Array:
    count, height, width = pictures.shape[:3]
    side = math.ceil(math.sqrt(count))
    scale = min(max_size / side / max(height, width), 1.0)
    tile_h, tile_w = math.ceil(scale * height), math.ceil(scale * width)
    grid = np.full((side * tile_h, side * tile_w, 3), 255, dtype=np.uint8)
    line_width = max(round((tile_h + tile_w) * side * 0.001), 1)
    example = str(list(look.names.values())) if look.names else "abc"
    for i, picture in enumerate(pictures):
        tile = np.ascontiguousarray(picture)
        if scale < 1:
            tile = cv2.resize(tile, (tile_w, tile_h), interpolation=cv2.INTER_AREA)
        pen = Annotator(tile, line_width, font_size=line_width * 8, example=example)
        pen.sf = min(pen.sf, max(min(tile_h, tile_w) / TILE_OF_FULL_TEXT, SMALLEST_TEXT))
        pen.tf = max(round(2 * pen.sf), 1)
        _draw_objects(pen, batch, i, look, scale)
        if "semantic_mask" in batch:
            ids = batch["semantic_mask"][i].astype(np.uint8)
            size = (tile_w, tile_h)
            shown = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
            pen.semantic_mask(shown)
            if look.names and look.show_labels:
                pixels = dict(enumerate(np.bincount(shown.ravel()).tolist()))
                pen.legend(legend_entries({i: n for i, n in pixels.items() if n}, look.names))
        if i < len(captions):
            caption = _fitting(pen, captions[i], tile_w - 6)
            pen.text((3, 3), caption, txt_color=CAPTION, box_color=PANEL)
        drawn = np.asarray(pen.result())
        drawn[[0, -1]] = drawn[:, [0, -1]] = 255
        top, left = i % side * tile_h, i // side * tile_w
        grid[top : top + tile_h, left : left + tile_w] = drawn
    return grid


def _fitting(pen: Annotator, text: str, width: int) -> str:
    """The start of a text that fits a width, at least one character."""
    while len(text) > 1 and pen.text_width(text) > width:
        text = text[:-1]
    return text


def _draw_objects(
    pen: Annotator, batch: dict[str, Array], image: int, look: _Look, scale: float
) -> None:
    """Masks, boxes and keypoints of one image; whole-image classes where there are no boxes."""
    if not len(batch.get("cls", ())) or "batch_idx" not in batch:
        return
    own = np.flatnonzero(batch["batch_idx"].reshape(-1) == image)
    classes = batch["cls"].reshape(-1)[own].astype(int)
    conf = batch["conf"].reshape(-1)[own] if "conf" in batch else None
    shown = np.arange(len(own)) if conf is None else np.flatnonzero(~(conf <= look.conf_thres))
    height, width = np.asarray(pen.result()).shape[:2]
    if len(batch.get("masks", ())):
        masks = _instance_masks(batch["masks"], own, image, len(batch["batch_idx"]))[shown]
        sized = [cv2.resize(m, (width, height), interpolation=cv2.INTER_NEAREST) for m in masks]
        palette = [colors(c, bgr=True) for c in classes[shown]]
        if sized:
            pen.masks(np.stack(sized), palette, alpha=MASK_SHARE)
    boxes = batch.get("bboxes")
    corners = (
        None if boxes is None or not len(boxes) else _corners(boxes[own], width, height, scale)
    )
    for row in shown[::-1]:
        label = look.label(int(classes[row]), None if conf is None else float(conf[row]))
        color = colors(int(classes[row]), bgr=True)
        if corners is not None:
            pen.box_label(corners[row], label, color=color)
        elif label and not len(batch.get("masks", ())):
            below = 8 + int(30 * pen.sf)  # the caption
            pen.text((3, below), label, txt_color=pen.get_txt_color(color), box_color=color)
    if len(batch.get("keypoints", ())):
        points = batch["keypoints"][own].copy()
        if len(points) and points[..., :2].max() <= NORMALIZED_LIMIT:
            points[..., :2] *= (width, height)
        else:
            points[..., :2] *= scale
        for row in shown:
            pen.kpts(points[row], shape=(height, width), conf_thres=look.conf_thres)


def _corners(boxes: Array, width: int, height: int, scale: float) -> Array:
    """(n, 4) corners or (n, 4, 2) polygons in pixels of the tile, from xywh or xywhr."""
    from ultralytics.utils import ops

    boxes = boxes.astype(np.float32)
    if not len(boxes):
        return boxes[:, :4]
    if boxes[:, :4].max() <= NORMALIZED_LIMIT:
        boxes[:, :4] *= (width, height, width, height)
    else:
        boxes[:, :4] *= scale
    return ops.xywhr2xyxyxyxy(boxes) if boxes.shape[1] == 5 else ops.xywh2xyxy(boxes[:, :4])


def _instance_masks(masks: Array, own: Array, image: int, objects: int) -> Array:
    """(n, h, w) masks of one image, from one mask per object of the batch or one numbered map per image."""
    if len(masks) != objects or masks.max() > 1:
        numbers = np.arange(1, len(own) + 1)[:, None, None]
        return (masks[image] == numbers).astype(np.uint8)
    return masks[own].astype(np.uint8)


def _write(grid: Array, file: Path) -> None:
    suffix = file.suffix if file.suffix.lower() in (".jpg", ".jpeg", ".png") else ".jpg"
    options = [] if suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(suffix, grid, options)
    if not done:
        raise OSError(f"{file} could not be encoded")
    atomic_write(file, data.tobytes())
