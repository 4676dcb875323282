"""Class maps on disk: which file belongs to an image, what its pixels mean, and which values are allowed.

A map is one channel of class ids at the size of its image; 255 means "not counted". Raw ids are what the file holds;
a table of 256 entries turns them into class ids. Specification chapter 30, section 1.7.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ultralytics.data.formats import IMG_FORMATS
from ultralytics.data.problems import DescriptionTypeError, DescriptionValueError
from ultralytics.errors import DatasetNotFound

__all__ = [
    "IGNORE",
    "Table",
    "allowed_values",
    "find_masks",
    "inverse_table",
    "mapping_table",
    "mask_mode",
    "read_mask",
    "resize_map",
]

IGNORE = 255
VALUES = 256
IGNORE_WORD = "ignore_label"
# Folder of images -> folder of masks, for descriptions that name none.
BESIDE = {"images": "annotations", "image": "annotation"}
OTHER_SUFFIXES = tuple(sorted(IMG_FORMATS - {"png"}))

Ids = npt.NDArray[Any]  # Any: uint8, or uint16 for files with ids above 255
Table = npt.NDArray[np.uint8]


# ------------------------------------------------------------------------------------------- files


def find_masks(im_files: Sequence[str], masks_dir: str | None) -> list[str]:
    """The mask of every image: a PNG, or the same stem with another image suffix; the PNG's name where none exists.

    Args:
        im_files: images.
        masks_dir: name that replaces the last path part "images"; None replaces the last "images" or "image" by
            "annotations" or "annotation".
    """
    stems = [_mask_stem(file, masks_dir) for file in im_files]
    return [_existing(stem) for stem in stems]


def _mask_stem(im_file: str, masks_dir: str | None) -> str:
    parts = im_file.split(os.sep)
    names = {"images": masks_dir} if masks_dir else BESIDE
    for i in range(len(parts) - 2, 0, -1):
        if parts[i] in names:
            parts[i] = names[parts[i]] or parts[i]
            break
    return os.path.splitext(os.sep.join(parts))[0]


def _existing(stem: str) -> str:
    first = f"{stem}.png"
    if os.path.exists(first):
        return first
    candidates = (f"{stem}.{suffix}" for suffix in OTHER_SUFFIXES)
    return next((file for file in candidates if os.path.exists(file)), first)


# ------------------------------------------------------------------------------------------ pixels


def mask_mode(file: str) -> str:
    """Pillow's name for the kind of pixels in a file: "L", "P", "I;16", "1", "RGB" ...

    Raises:
        OSError: no readable picture.
    """
    with Image.open(file) as picture:
        return str(picture.mode)


def read_mask(file: str, mode: str = "L") -> Ids:
    """Raw ids (H, W) of a mask file.

    Palette pictures give their gray levels when the palette is gray, else the palette numbers; two-level pictures
    give 0 and 1; colour pictures their gray level, which is an id only where red, green and blue are equal.

    Args:
        file: the picture.
        mode: Pillow's mode of it.

    Raises:
        DatasetNotFound: the file is missing or cannot be decoded.
    """
    from ultralytics.utils.patches import imread

    if mode == "P":
        return _palette_ids(file)
    ids = imread(file, cv2.IMREAD_ANYDEPTH)
    if ids is None:
        reason = "cannot be decoded" if os.path.exists(file) else "does not exist"
        raise DatasetNotFound(f"mask {file} {reason}; restore it, or delete it with its image")
    ids = ids[..., 0] if ids.ndim == 3 else ids
    return ids // 255 if mode == "1" else ids


def _palette_ids(file: str) -> Ids:
    with Image.open(file) as picture:
        numbers = np.asarray(picture)
        levels = np.asarray(picture.getpalette("RGB") or (), np.uint8).reshape(-1, 3)
    if len(levels) and (levels == levels[:, :1]).all():
        table = np.zeros(VALUES, np.uint8)
        table[: len(levels)] = levels[:VALUES, 0]
        return table[numbers]
    return numbers


def resize_map(ids: Ids, size_hw: tuple[int, int], centred: bool = True) -> Ids:
    """Nearest-neighbour resize, so that no class is invented.

    Args:
        ids: class map (H, W).
        size_hw: new size.
        centred: take the pixel at the centre of each new one, as images are resized; otherwise the one at its
            upper left corner, half a pixel away.
    """
    if ids.shape[:2] == tuple(size_hw):
        return ids
    how = cv2.INTER_NEAREST_EXACT if centred else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(ids, size_hw[::-1], interpolation=how))


# ------------------------------------------------------------------------------------------- values


def mapping_table(mapping: Mapping[Any, Any] | None) -> Table:  # Any: YAML values
    """Class id of every raw id 0 to 255; ids without an entry stay as they are.

    Raises:
        DescriptionTypeError: not a mapping.
        DescriptionValueError: an entry that is no id.
    """
    table = np.arange(VALUES, dtype=np.uint8)
    for raw, new in _pairs(mapping):
        if 0 <= raw < VALUES:
            table[raw] = new
    return table


def inverse_table(mapping: Mapping[Any, Any] | None) -> Table:  # Any: YAML values
    """Raw id of every class id, the last one where several were merged."""
    table = np.arange(VALUES, dtype=np.uint8)
    for raw, new in _pairs(mapping):
        table[new] = raw % VALUES
    return table


def _pairs(mapping: Mapping[Any, Any] | None) -> list[tuple[int, int]]:
    if mapping is None:
        return []
    if not isinstance(mapping, Mapping):
        raise DescriptionTypeError(
            f"'label_mapping' must map source ids to class ids, not be a {type(mapping).__name__}"
        )
    return [(_whole(raw, raw), _target(raw, new)) for raw, new in mapping.items()]


def _target(raw: object, new: object) -> int:
    if new is None or new == IGNORE_WORD:
        return IGNORE
    number = _whole(new, raw)
    if not 0 <= number < VALUES:
        raise DescriptionValueError(f"label_mapping: {raw} -> {new} is outside 0 to {IGNORE}")
    return number


def _whole(value: Any, raw: object) -> int:
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
    except (TypeError, ValueError):
        raise DescriptionValueError(
            f"label_mapping: {raw} -> {value!r} is no whole number; use an id, {IGNORE_WORD} or null"
        ) from None
    return int(value)


def allowed_values(table: Table, nc: int) -> npt.NDArray[np.bool_]:
    """Which raw ids 0 to 255 become a class or are ignored. One class allows 0 and 1, background and object."""
    return (table <= max(nc - 1, 1)) | (table == IGNORE)
