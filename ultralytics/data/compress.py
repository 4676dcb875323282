"""Smaller picture files."""

from __future__ import annotations

from pathlib import Path

from ultralytics.errors import ConfigValueError, DatasetNotFound
from ultralytics.utils.files import atomic_path

__all__ = ["compress_one_image"]

JPEG_SUFFIXES = (".jpg", ".jpeg")


def compress_one_image(
    f: str | Path, f_new: str | Path | None = None, max_dim: int = 1920, quality: int = 50
) -> None:
    """Write a picture as JPEG with its longer side at most `max_dim`, turned upright as its EXIF data says.

    Args:
        f: the picture; replaced when it is a JPEG and `f_new` is not given.
        f_new: where to write, ending in .jpg or .jpeg.
        max_dim: pixels; smaller pictures keep their size.
        quality: of the JPEG, 0 to 100.

    Raises:
        ConfigValueError: the target is not named as a JPEG.
        DatasetNotFound: the picture is missing or cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    target = Path(f if f_new is None else f_new)
    if target.suffix.lower() not in JPEG_SUFFIXES:
        raise ConfigValueError(
            f"{target} would hold a JPEG; give f_new= with a name ending in .jpg"
        )
    try:
        with Image.open(f) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (FileNotFoundError, UnidentifiedImageError) as error:
        raise DatasetNotFound(f"image {f} is missing or cannot be read") from error
    ratio = max_dim / max(upright.size)
    if ratio < 1:
        width, height = (max(int(side * ratio), 1) for side in upright.size)
        upright = upright.resize((width, height))
    with atomic_path(target) as temporary:
        upright.save(temporary, "JPEG", quality=quality, optimize=True)
