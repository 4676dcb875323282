"""Colour-coded masks turned into class maps, once.

A data set may paint the class of every pixel in a colour (`colors` in its YAML). Such a picture is converted by one
table look-up per pixel and kept as a one-channel PNG beside the folder of the original, so that everything else works
on class maps. Specification chapter 30, section 1.9.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ultralytics.data.masks import IGNORE, Table
from ultralytics.data.problems import DescriptionTypeError, DescriptionValueError
from ultralytics.errors import DatasetError
from ultralytics.utils.environment import NUM_THREADS, is_first_rank
from ultralytics.utils.files import atomic_path
from ultralytics.utils.logging import LOGGER

__all__ = ["ColourTable", "colour_ids", "convert_colour_masks"]

COLOURS = 1 << 24
FORMAT = "ids-1"  # part of the cache key: change it when the files change
ID_MODES = ("1", "L", "I", "I;16", "I;16B")  # one channel: such a mask holds ids already
BACKGROUND = "background"
NS_PER_S = 1_000_000_000

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ColourTable:
    """Which class a colour means.

    Attributes:
        colours: (r, g, b) of each class, by number.
        other: id of every other colour: the class called background if it is the last one, else 255.
    """

    colours: tuple[Colour, ...]
    other: int = IGNORE

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ColourTable:  # Any: YAML values
        """The table of a checked description.

        Raises:
            DescriptionTypeError, DescriptionValueError: colours that are missing, no colours, or given twice.
        """
        colours = _checked_colours(data["colors"], data["names"])
        last = str(data["names"][len(colours) - 1]).lower()
        return cls(colours, len(colours) - 1 if last == BACKGROUND else IGNORE)

    @property
    def key(self) -> str:
        """Eight characters that change with the meaning of any colour."""
        text = repr((FORMAT, self.colours, self.other))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def is_gray(self) -> bool:
        """Whether all classes are gray levels, so that one channel can be a painted mask as well."""
        return all(len({*colour}) == 1 for colour in self.colours)

    @cached_property
    def lookup(self) -> Table:
        """Id of each of the 2^24 colours, by red * 65536 + green * 256 + blue."""
        table = np.full(COLOURS, self.other, np.uint8)
        for number, (red, green, blue) in enumerate(self.colours):
            table[red << 16 | green << 8 | blue] = number
        return table


def _checked_colours(colours: Any, names: Mapping[int, str]) -> tuple[Colour, ...]:
    pairs = colours if isinstance(colours, Mapping) else dict(enumerate(colours or ()))
    if not isinstance(colours, (Mapping, list, tuple)):
        raise DescriptionTypeError(
            f"'colors' must give [r, g, b] for every class, not be a {type(colours).__name__}"
        )
    by_id = {int(key): value for key, value in pairs.items()}
    lacking = [f"{i} ({name})" for i, name in names.items() if i not in by_id]
    if lacking:
        raise DescriptionValueError(f"'colors' has no entry for class {', '.join(lacking[:5])}")
    result = tuple(_checked_colour(i, by_id[i]) for i in sorted(names))
    for number, colour in enumerate(result):
        if colour in result[:number]:
            first = result.index(colour)
            raise DescriptionValueError(
                f"'colors' gives {list(colour)} to both {names[first]!r} and {names[number]!r}"
            )
    return result


def _checked_colour(number: int, value: Any) -> Colour:
    is_triple = isinstance(value, (list, tuple)) and len(value) == 3
    if not is_triple or not all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        raise DescriptionValueError(
            f"'colors' of class {number} must be [r, g, b] of 0 to 255, not {value!r}"
        )
    return value[0], value[1], value[2]


def colour_ids(picture: Pixels, table: ColourTable) -> Table:
    """Class map (H, W) of an (H, W, 3) BGR picture."""
    four = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    four[..., 3] = 0
    codes = four.view("<u4")[..., 0]  # blue is the lowest byte
    return table.lookup.take(codes)


def convert_colour_masks(files: Sequence[str], table: ColourTable, prefix: str = "") -> list[str]:
    """Class map file of every colour-coded mask; those made before and still valid are reused.

    A mask that has one channel already, and one that is missing, keep their own name. Pixels of unknown colours
    are counted in a warning unless the set has a background class.

    Args:
        files: masks.
        table: what the colours mean.
        prefix: start of log lines.
    """
    folders = {folder: _id_folder(folder, table) for folder in {os.path.dirname(f) for f in files}}
    targets = [_target(file, folders) for file in files]
    todo = [i for i, file in enumerate(files) if not _is_current(file, targets[i])]
    for i, unknown in zip(
        todo, _convert_all([(files[i], targets[i]) for i in todo], table, prefix), strict=True
    ):
        if unknown is None:
            targets[i] = files[i]
        elif unknown and table.other == IGNORE:
            LOGGER.warning(
                f"{prefix}{files[i]}: {unknown} pixels have a colour of no class; they are not counted"
            )
    return targets


def _target(file: str, folders: Mapping[str, str]) -> str:
    folder, name = os.path.split(file)
    return os.path.join(folders[folder], f"{os.path.splitext(name)[0]}.png")


def _id_folder(folder: str, table: ColourTable) -> str:
    """Where class maps of a folder are kept: beside it, or below the data sets folder if that cannot be written."""
    home = Path(folder)
    beside = home.with_name(
        f"{home.name}-ids-{table.key}.cache"
    )  # as other caches of data sets end
    if beside.is_dir() or os.access(home.parent, os.W_OK):
        return str(beside)
    from ultralytics.utils.settings import SETTINGS

    place = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    return str(Path(SETTINGS["datasets_dir"]) / "class-maps" / place / beside.name)


def _is_current(file: str, target: str) -> bool:
    """Whether a class map exists that carries the time stamp of its original."""
    try:
        return os.stat(file).st_mtime_ns == os.stat(target).st_mtime_ns
    except OSError:
        return False


def _convert_all(
    pairs: Sequence[tuple[str, str]], table: ColourTable, prefix: str
) -> list[int | None]:
    from ultralytics.utils.tqdm import TQDM

    if not pairs:
        return []
    for folder in {os.path.dirname(target) for _, target in pairs}:
        os.makedirs(folder, exist_ok=True)
    table.lookup  # noqa: B018  built once, before the threads ask for it
    results: list[int | None] = []
    title = f"{prefix}Converting colours to class ids"
    with (
        ThreadPoolExecutor(NUM_THREADS) as pool,
        TQDM[None](total=len(pairs), desc=title, disable=not is_first_rank() or None) as bar,
    ):
        for result in pool.map(lambda pair: _convert(pair[0], pair[1], table), pairs):
            results.append(result)
            bar.update(1)
    return results


def _convert(file: str, target: str, table: ColourTable) -> int | None:
    """Write one class map; number of pixels of unknown colour, or None when the file is to be used as it is."""
    picture = _coloured(file, table.is_gray)
    if picture is None:
        return None
    ids = colour_ids(picture, table)
    done, data = cv2.imencode(".png", ids)
    if not done:
        raise DatasetError(f"OpenCV cannot write the class map {target}")
    stamp = os.stat(file).st_mtime_ns
    with atomic_path(target) as temporary:
        Path(temporary).write_bytes(data.tobytes())
        os.utime(temporary, ns=(stamp, stamp))
    return int(np.count_nonzero(ids == IGNORE))


def _coloured(file: str, gray_too: bool) -> Pixels | None:
    """The BGR pixels of a colour-coded mask; None for ids, and for files the scan will complain about."""
    try:
        with Image.open(file) as picture:
            if not gray_too and _is_one_channel(picture):
                return None
            rgb = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)


def _is_one_channel(picture: Image.Image) -> bool:
    """Whether a picture holds ids rather than colours; a palette of grays says so too."""
    if picture.mode == "P":
        levels = np.asarray(picture.getpalette("RGB") or ()).reshape(-1, 3)
        return bool((levels == levels[:, :1]).all())
    return picture.mode in ID_MODES
