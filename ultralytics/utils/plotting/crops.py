"""Cutting detections out of pictures. Boxes are pixels, pictures (h, w, c) uint8."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

__all__ = ["crop_folder", "save_one_box", "upright"]

Picture = np.ndarray[Any, Any]


def crop_folder(name: str) -> str:
    """A class name as a single folder name: separators and characters no file system takes become "_"."""
    safe = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name).strip(" .")
    return safe or "_"


def upright(corners: Picture, im: Picture) -> Picture:
    """The inside of a rotated box, turned upright at its own size.

    Args:
        corners: (4, 2) in the order of `OBB.xyxyxyxy`: from the lower right one, against the clock.
        im: picture to cut from.
    """
    low_right, top_right, top_left = (corners[index].astype(np.float32) for index in range(3))
    width = max(round(float(np.linalg.norm(top_right - top_left))), 1)
    height = max(round(float(np.linalg.norm(low_right - top_right))), 1)
    target = np.array([[width, height], [width, 0], [0, 0]], dtype=np.float32)
    matrix = cv2.getAffineTransform(np.stack((low_right, top_right, top_left)), target)
    return np.asarray(cv2.warpAffine(im, matrix, (width, height)))


def _window(
    box: Picture, gain: float, pad: float, square: bool, im: Picture
) -> tuple[slice, slice]:
    """Rows and columns of the enlarged box, truncated to whole pixels inside the picture."""
    centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    if square:
        size = np.full(2, size.max(), dtype=size.dtype)
    half = (size * np.float32(gain) + np.float32(pad)) / 2
    limits = np.array(im.shape[1::-1])
    left, top = np.clip((centre - half).astype(int), 0, limits)
    right, bottom = np.clip((centre + half).astype(int), 0, limits)
    return slice(top, bottom), slice(left, right)


def save_one_box(
    xyxy: Any,  # Any: tensor, array or list of four numbers or of four corners
    im: Picture,
    file: str | Path = Path("im.jpg"),
    gain: float = 1.02,
    pad: float = 10,
    square: bool = False,
    BGR: bool = False,
    save: bool = True,
) -> Picture:
    """Cut a box, enlarged around its centre, out of a picture.

    Args:
        xyxy: corners of an axis-aligned box, or (4, 2) corners of a rotated one, which is turned upright.
        im: (h, w, 3) BGR picture.
        file: where the crop is written as JPEG; -2, -3, ... is added when the name is taken.
        gain: factor on width and height.
        pad: pixels added to width and height.
        square: use the larger side for both.
        BGR: return BGR instead of RGB.
        save: write the file.

    Returns:
        (h, w, 3) crop; a view of the picture where that is possible.
    """
    box = torch.as_tensor(xyxy).detach().cpu().numpy().astype(np.float32)
    if box.size == 8:
        im = upright(box.reshape(4, 2), im)
        box = np.array([0, 0, im.shape[1], im.shape[0]], dtype=np.float32)
    crop = im[_window(box.reshape(-1)[:4], gain, pad, square, im)]
    if save:
        _write_jpeg(crop, Path(file))
    return crop if BGR else crop[..., ::-1]


def _write_jpeg(crop: Picture, file: Path) -> None:
    from PIL import Image

    from ultralytics.utils.files import increment_path

    if not crop.size:  # a box outside the picture has nothing to show
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    target = Path(increment_path(file)).with_suffix(".jpg")
    pixels = crop[..., 0] if crop.shape[2] == 1 else np.ascontiguousarray(crop[..., 2::-1])
    Image.fromarray(pixels).save(str(target), quality=95, subsampling=0)
