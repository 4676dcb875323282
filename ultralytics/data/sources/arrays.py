"""Pictures that are already in memory: PIL images and NumPy arrays.

Everything comes out as (h, w, c) BGR uint8; float arrays keep their type.
"""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as PILImage
from PIL import ImageOps

from ultralytics.data.sources.types import Batch, Image, SourceTypes
from ultralytics.errors import SourceError
from ultralytics.utils.patches import image_open

__all__ = ["LoadPilAndNumpy", "autocast_list"]

FETCH_SECONDS = 30
WEB_PREFIXES = ("http://", "https://")


class LoadPilAndNumpy:
    """One batch with every given picture.

    Args:
        im0: PIL image, (h, w) or (h, w, c) array in BGR order, or a list of those.
        channels: of the pictures that are returned.

    Raises:
        SourceError: an empty list.
        TypeError: something that is no picture.
        ValueError: an array of another rank or with an empty side.
    """

    def __init__(self, im0: Any, channels: int = 3) -> None:  # Any: see above
        pictures = list(im0) if isinstance(im0, (list, tuple)) else [im0]
        if not pictures:
            raise SourceError("The source is an empty list")
        self.paths = [
            getattr(picture, "filename", "") or f"image{index}.jpg"
            for index, picture in enumerate(pictures)
        ]
        self.im0 = [as_array(picture, channels) for picture in pictures]
        self.bs = len(self.im0)
        self.mode = "image"
        self.count = 0
        self.source_type = SourceTypes(from_img=True)

    def __len__(self) -> int:
        return len(self.im0)

    def __iter__(self) -> LoadPilAndNumpy:
        self.count = 0
        return self

    def __next__(self) -> Batch:
        if self.count:
            raise StopIteration
        self.count = 1
        return self.paths, self.im0, [""] * self.bs


def as_array(picture: Any, channels: int) -> Image:
    """One picture as a contiguous array with the wanted number of channels."""
    if isinstance(picture, PILImage.Image):
        return _from_pil(picture, channels)
    if not isinstance(picture, np.ndarray):
        raise TypeError(
            f"a picture must be a PIL image or a NumPy array, not {type(picture).__name__}"
        )
    return _with_channels(picture, channels)


def _from_pil(picture: PILImage.Image, channels: int) -> Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits per pixel, or those in a 32-bit container
        high = np.asarray(picture).astype(np.uint32).clip(0, 65535) >> 8
        picture = PILImage.fromarray(high.astype(np.uint8))
    if channels == 1:
        return np.asarray(picture.convert("L"))[..., None]
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])


def _with_channels(array: Image, channels: int) -> Image:
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"a picture must be (h, w) or (h, w, c) without empty sides, not {array.shape}"
        )
    count = array.shape[2]
    if count == 2 and channels in (1, 3):  # grey with alpha
        array, count = array[..., :1], 1
    if count == 4 and channels in (1, 3):
        array, count = array[..., :3], 3
    if count == 1 and channels == 3:
        array = np.repeat(array, 3, axis=2)
    elif count == 3 and channels == 1:
        plain = array.astype(np.float32) if array.dtype.kind == "f" else array
        array = cv2.cvtColor(np.ascontiguousarray(plain), cv2.COLOR_BGR2GRAY)[..., None]
    return np.ascontiguousarray(array)


def autocast_list(source: Sequence[Any]) -> list[Any]:
    """A mixed list as pictures: paths and addresses are opened with PIL and keep their name.

    Raises:
        SourceError: a file or address that cannot be opened as a picture.
        TypeError: an entry that is neither a path nor a picture.
    """
    pictures: list[Any] = []
    for entry in source:
        if isinstance(entry, (str, Path)):
            pictures.append(_opened(str(entry)))
        elif isinstance(entry, (PILImage.Image, np.ndarray)):
            pictures.append(entry)
        else:
            raise TypeError(
                f"a list of sources may hold paths, addresses, PIL images and NumPy arrays, "
                f"not {type(entry).__name__}"
            )
    return pictures


def _opened(entry: str) -> PILImage.Image:
    try:
        if entry.lower().startswith(WEB_PREFIXES):
            with urllib.request.urlopen(entry, timeout=FETCH_SECONDS) as answer:
                picture: PILImage.Image = PILImage.open(io.BytesIO(answer.read()))
        else:
            picture = image_open(entry)
        upright = ImageOps.exif_transpose(picture)
    except (OSError, PILImage.DecompressionBombError) as error:
        raise SourceError(f"{entry} cannot be opened as a picture: {error}") from error
    upright.filename = entry  # type: ignore[attr-defined]  # PIL keeps it on opened images only
    return upright
