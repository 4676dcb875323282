"""Where the files of a run go, and writing them.

Every source has one base name inside a run; a second source of the same stem gets -2, -3, ... A video keeps its name
for all its frames, a stream for all its steps.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.data.formats import IMG_FORMATS, VID_FORMATS
from ultralytics.utils.patches import imwrite

__all__ = ["Names", "OldCrops", "without_media_suffix", "write_jpeg"]


def without_media_suffix(path: Path) -> Path:
    """A path without the suffix of an image or video; other dots stay."""
    suffix = path.suffix.lower().lstrip(".")
    return path.with_suffix("") if suffix in IMG_FORMATS | VID_FORMATS else path


class Names:
    """Base names handed out in one run."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._kept: dict[str, str] = {}

    def of(self, path: str, lasting: bool) -> str:
        """Base name of a picture.

        Args:
            path: where it came from.
            lasting: further pictures of the same path belong to the same source.
        """
        if lasting and path in self._kept:
            return self._kept[path]
        stem = without_media_suffix(Path(path)).name
        base, number = stem, 2
        while base in self._taken:
            base = f"{stem}-{number}"
            number += 1
        self._taken.add(base)
        if lasting:
            self._kept[path] = base
        return base


class OldCrops:
    """Crops that an earlier run left in a folder; those of a name are removed before it is written again."""

    def __init__(self, folder: Path) -> None:
        self._files = list(folder.glob("*/*.jpg")) if folder.is_dir() else []

    def clear(self, stem: str) -> None:
        """Remove what the earlier run wrote for a file name."""
        if not self._files:
            return
        pattern = re.compile(rf"{re.escape(stem)}(-\d+)?")
        old = [file for file in self._files if pattern.fullmatch(file.stem)]
        for file in old:
            file.unlink(missing_ok=True)
        self._files = [file for file in self._files if file not in old]


def write_jpeg(path: Path, image: np.ndarray[Any, Any]) -> None:
    """Write a BGR picture as `<path>.jpg`; missing folders are created.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not imwrite(f"{path}.jpg", image):
        raise OSError(f"image {path}.jpg cannot be written")
