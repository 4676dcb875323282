"""Reading and writing images, showing them, storing torch files; temporary argument changes.

Images are uint8 (or the file's own depth where that is asked for) arrays of shape (height, width,
channels) in BGR order; a single channel keeps its axis. No function of another library is replaced.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

__all__ = [
    "image_open",
    "imread",
    "imshow",
    "imwrite",
    "override_configs",
    "torch_load",
    "torch_save",
]

Image: TypeAlias = NDArray[Any]  # Any: the depth follows the file

PIL_SUFFIXES = (".avif", ".heic", ".heif")
HEIF_SUFFIXES = (".heic", ".heif")
TIFF_SUFFIXES = (".tif", ".tiff")
SAVE_WAITS = (0.5, 1.0, 2.0)  # seconds after each failed try


def imread(filename: str | Path, flags: int = cv2.IMREAD_COLOR) -> Image | None:
    """Decode an image file whose path may hold any characters.

    With IMREAD_UNCHANGED the single-channel pages of a TIFF become the channels of one image. Samples
    of 16 bits are reduced to their high byte unless IMREAD_ANYDEPTH is among the flags (the set bits
    of IMREAD_UNCHANGED do not count).

    Returns:
        The image, or None when the file is missing or cannot be decoded.
    """
    path = Path(filename)
    suffix = path.suffix.lower()
    try:
        if suffix in PIL_SUFFIXES:
            return _read_with_pil(path, flags)
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not data.size:
        return None
    image = _decode_tiff(data, flags) if suffix in TIFF_SUFFIXES else _decode(data, flags)
    if image is None:
        return None
    keeps_depth = flags != cv2.IMREAD_UNCHANGED and flags & cv2.IMREAD_ANYDEPTH
    if image.dtype == np.uint16 and not keeps_depth:
        image = (image >> 8).astype(np.uint8)
    return image[..., None] if image.ndim == 2 else image


def _decode(data: NDArray[np.uint8], flags: int) -> Image | None:
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:
        return None


def _decode_tiff(data: NDArray[np.uint8], flags: int) -> Image | None:
    """A colour TIFF in its own depth up to 16 bits; OpenCV itself would round those to 8, not cut."""
    if flags == cv2.IMREAD_UNCHANGED:
        return _decode_pages(data)
    deep = _decode(data, flags | cv2.IMREAD_ANYDEPTH) if flags & cv2.IMREAD_COLOR else None
    return deep if deep is not None and deep.dtype.kind == "u" else _decode(data, flags)


def _decode_pages(data: NDArray[np.uint8]) -> Image | None:
    """All single-channel pages as channels, otherwise the first page."""
    try:
        found, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if not (found and pages):
        return None
    flat = all(page.ndim == 2 and page.shape == pages[0].shape for page in pages)
    return np.stack(pages, axis=2) if flat else pages[0]


def _read_with_pil(path: Path, flags: int) -> Image | None:
    """Formats OpenCV may lack, always 8 bits."""
    with image_open(path) as picture:
        if flags == cv2.IMREAD_GRAYSCALE:
            return np.asarray(picture.convert("L"))[..., None]
        with_alpha = flags == cv2.IMREAD_UNCHANGED and picture.mode in {"RGBA", "LA", "PA"}
        if with_alpha:
            return cv2.cvtColor(np.asarray(picture.convert("RGBA")), cv2.COLOR_RGBA2BGRA)
        return cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR)


def image_open(filename: Any, *args: Any, **kwargs: Any) -> PILImage.Image:
    """`PIL.Image.open` that also reads HEIC and HEIF where the pi-heif or pillow-heif package is there.

    Args:
        filename: whatever PIL accepts.
        args: passed on.
        kwargs: passed on.

    Raises:
        PIL.UnidentifiedImageError: the content is no image that PIL can read.
    """
    if str(filename).lower().endswith(HEIF_SUFFIXES):
        _register_heif()
    return PILImage.open(filename, *args, **kwargs)


def _register_heif() -> None:
    for name in ("pi_heif", "pillow_heif"):
        with contextlib.suppress(ModuleNotFoundError):
            __import__(name).register_heif_opener()
            return


def imwrite(filename: str | Path, img: Image, params: list[int] | None = None) -> bool:
    """Encode an image by the suffix of its file name, which may hold any characters.

    Args:
        filename: target; its folder must exist.
        img: BGR image.
        params: encoder options of OpenCV.

    Returns:
        Whether the file was written.
    """
    path = Path(filename)
    try:
        done, data = cv2.imencode(path.suffix, img, params or [])
        if done:
            data.tofile(path)
    except (cv2.error, OSError):
        return False
    return bool(done)


def imshow(winname: str, mat: Image) -> None:
    """Show an image in a window whose name may hold any characters."""
    cv2.imshow(winname.encode("unicode_escape").decode(), mat)


def torch_load(*args: Any, **kwargs: Any) -> Any:
    """`torch.load` with its safe default; pass `weights_only=False` to run what a file contains."""
    import torch

    kwargs.setdefault("weights_only", True)
    return torch.load(*args, **kwargs)


def torch_save(*args: Any, **kwargs: Any) -> None:
    """`torch.save`, tried up to four times when the storage fails."""
    import torch

    for wait in SAVE_WAITS:
        try:
            torch.save(*args, **kwargs)
        except RuntimeError:
            time.sleep(wait)
        else:
            return
    torch.save(*args, **kwargs)


@contextlib.contextmanager
def override_configs(
    args: SimpleNamespace, overrides: dict[str, Any] | None = None
) -> Iterator[SimpleNamespace]:
    """Change values of an argument object for a block; the object itself is restored afterwards."""
    if not overrides:
        yield args
        return
    before = copy(vars(args))
    vars(args).update(overrides)
    try:
        yield args
    finally:
        vars(args).clear()
        vars(args).update(before)
