"""Pictures that are already in memory: PIL images and NumPy arrays.

Everything comes out as (h, w, c) BGR uint8; float arrays keep their type.
"""

from __future__ import annotations

import io
import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import cv2
import numpy as np
from PIL import Image as PILImage
from PIL import ImageOps

from ultralytics.data.sources.types import Batch, Image, SourceTypes
from ultralytics.errors import ConfigValueError, SourceError
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.patches import image_open

__all__ = ["LoadPilAndNumpy", "as_bgr", "autocast_list"]

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
    if channels == 4 and picture.has_transparency_data:
        return np.ascontiguousarray(np.asarray(picture.convert("RGBA"))[..., [2, 1, 0, 3]])
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])


def _with_channels(array: Image, channels: int) -> Image:
    array = _with_depth(array)
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


def _with_depth(array: Image) -> Image:
    """The array with values that can be resized: 8 bits, or floats of 4 bytes at least."""
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind == "f":
        if array.size and array.max() <= 1:
            LOGGER.warning("An array of floats up to 1 was given; pictures have values 0-255.")
        return array.astype(np.float32) if array.dtype.itemsize < 4 else array
    if array.dtype != np.uint8:
        raise TypeError(f"a picture must hold uint8, uint16 or float values, not {array.dtype}")
    return array


def as_bgr(source: Any, color: str) -> Any:  # Any: every kind of source
    """A source whose arrays are in BGR order; everything but arrays is passed on.

    Args:
        source: array, list with arrays, or another source.
        color: "bgr" or "rgb", the order of the first three channels of its arrays.

    Raises:
        ConfigValueError: another order.
    """
    if color not in ("bgr", "rgb"):
        raise ConfigValueError(f"color={color!r} must be 'bgr' or 'rgb', the order of arrays")
    if color == "bgr":
        return source
    if isinstance(source, (list, tuple)):
        return [as_bgr(entry, color) for entry in source]
    if isinstance(source, np.ndarray) and source.ndim == 3 and source.shape[2] in (3, 4):
        return source[..., [2, 1, 0, 3][: source.shape[2]]]
    return source


def autocast_list(source: Sequence[Any]) -> list[Any]:
    """A mixed list as pictures: paths and addresses are opened with PIL and keep their name.

    A file or address whose content is no picture is named in a warning and left out.

    Raises:
        SourceError: a file or address that is missing, or none of the entries is a picture.
        TypeError: an entry that is neither a path nor a picture.
    """
    pictures: list[Any] = []
    problem: SourceError | None = None
    for entry in source:
        if isinstance(entry, (str, Path)):
            try:
                pictures.append(_opened(str(entry)))
            except UnreadablePicture as error:
                LOGGER.warning(f"{error}; it is skipped.")
                problem = error
        elif isinstance(entry, (PILImage.Image, np.ndarray)):
            pictures.append(entry)
        else:
            raise TypeError(
                f"a list of sources may hold paths, addresses, PIL images and NumPy arrays, "
                f"not {type(entry).__name__}"
            )
    if problem is not None and not pictures:
        raise problem
    return pictures


class UnreadablePicture(SourceError):
    """A file or address that is there, with a content that is no picture."""


def _opened(entry: str) -> PILImage.Image:
    is_web = entry.lower().startswith(WEB_PREFIXES)
    if not is_web and not os.path.isfile(entry):
        raise SourceError(f"{entry} does not exist or is not a file")
    try:
        if is_web:
            with urllib.request.urlopen(entry, timeout=FETCH_SECONDS) as answer:
                content: Any = io.BytesIO(answer.read())  # Any: file or path, as PIL accepts
        else:
            content = entry
        with image_open(content) as picture:
            upright = ImageOps.exif_transpose(picture)  # a loaded copy
    except (URLError, TimeoutError) as error:
        raise SourceError(f"{entry} cannot be fetched: {error}") from error
    except (OSError, PILImage.DecompressionBombError) as error:
        raise UnreadablePicture(f"{entry} cannot be opened as a picture: {error}") from error
    upright.filename = entry  # type: ignore[attr-defined]  # PIL keeps it on opened images only
    return upright
