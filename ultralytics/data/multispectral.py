"""Colour pictures as pictures of many bands: what a camera with a band per wavelength might have seen."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ultralytics.data.images import find_images, read_image
from ultralytics.errors import DatasetError, DatasetNotFound
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["convert_to_multispectral"]

COLOUR_NM = (475.0, 510.0, 650.0)  # blue, green, red
BANDS_NM = (450.0, 700.0)
KEPT_SUFFIXES = (".tif", ".tiff")

Picture = np.ndarray[Any, np.dtype[np.uint8]]


def convert_to_multispectral(
    path: str | Path, n_channels: int = 10, replace: bool = False, zip: bool = False
) -> None:
    """Write a TIFF with a page per band beside every colour picture.

    Values are interpolated between blue (475 nm), green (510 nm) and red (650 nm), and extrapolated outside, for
    wavelengths spread evenly from 450 to 700 nm.

    Args:
        path: a picture, or a folder of pictures that is searched with all folders below it; TIFFs are left alone.
        n_channels: number of bands.
        replace: delete the originals.
        zip: pack the folder into `<folder>.zip` afterwards.

    Raises:
        DatasetNotFound: no picture there.
        DatasetError: two pictures of a folder have the same name but for the suffix. Nothing was written.
    """
    place = Path(path)
    found = map(Path, find_images(place)) if place.is_dir() else [place]
    files = sorted(file for file in found if file.suffix.lower() not in KEPT_SUFFIXES)
    if not files:
        raise DatasetNotFound(f"no colour pictures found in {place}")
    targets = Counter(file.with_suffix(".tiff") for file in files)
    double = next((target for target, count in targets.items() if count > 1), None)
    if double is not None:
        raise DatasetError(f"two pictures would become {double}; rename one of them")
    for file in files:
        _write_bands(read_image(str(file)), file.with_suffix(".tiff"), n_channels)
        if replace:
            file.unlink()
    LOGGER.info(f"Wrote {len(files)} pictures of {n_channels} bands in {place}")
    if zip and place.is_dir():
        shutil.make_archive(str(place), "zip", place.parent, place.name)


def spread_bands(picture: Picture, count: int) -> Picture:
    """(H, W, 3) BGR as (count, H, W) bands."""
    wanted = np.linspace(*BANDS_NM, count)
    known = np.array(COLOUR_NM)
    left = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, 1)
    share = ((wanted - known[left]) / (known[left + 1] - known[left]))[:, None, None]
    colours = picture.transpose(2, 0, 1).astype(np.float64)
    bands = colours[left] * (1 - share) + colours[left + 1] * share
    return bands.clip(0, 255).astype(np.uint8)


def _write_bands(picture: Picture, target: Path, count: int) -> None:
    done, data = cv2.imencodemulti(".tiff", list(spread_bands(picture, count)))
    if not done:
        raise OSError(f"{target} cannot be encoded")
    atomic_write(target, data.tobytes())
