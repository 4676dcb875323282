"""Which files a path source means: a file, a folder, a pattern, or a list of those in a .txt or .csv file.

Folders are read at their own level only; `folder/**` includes everything below. A path that exists is never taken as
a pattern, whatever characters its name has.
"""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable
from pathlib import Path

from ultralytics.data.formats import FORMATS_HELP_MSG, IMG_FORMATS, VID_FORMATS
from ultralytics.errors import SourceError

__all__ = ["expand", "has_media_suffix", "is_pattern", "list_media", "read_list_file"]

PATTERN_CHARACTERS = frozenset("*?[")


def has_media_suffix(name: str) -> bool:
    """Whether a name ends like an image or video file."""
    return name.rpartition(".")[2].lower() in IMG_FORMATS | VID_FORMATS


def is_pattern(text: str) -> bool:
    """Whether a text has characters of a pattern."""
    return bool(PATTERN_CHARACTERS & set(text))


def read_list_file(file: Path) -> list[str]:
    """Entries of a .txt file (one per line) or a .csv file (every cell).

    Blank entries and a first row that only says "source" are left out. An entry that does not exist from the working
    directory is taken relative to the list file if it exists there.

    Raises:
        SourceError: the file is not text.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not a UTF-8 text file: {error}") from error
    if file.suffix.lower() == ".csv":
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
        if rows and rows[0] == ["source"]:
            rows = rows[1:]
        entries = [cell for row in rows for cell in row]
    else:
        entries = [line.strip() for line in text.splitlines()]
    return [_near(entry, file.parent) for entry in entries if entry]


def _near(entry: str, folder: Path) -> str:
    beside = folder / entry
    return str(beside) if not Path(entry).exists() and beside.exists() else entry


def expand(entry: str) -> list[str]:
    """Files behind one entry, absolute and sorted, links not resolved.

    Raises:
        SourceError: there is no such file, folder or match.
    """
    path = os.path.abspath(os.path.expanduser(entry))
    if os.path.isdir(path):
        return sorted(glob.glob(os.path.join(glob.escape(path), "*.*")))
    if os.path.isfile(path):
        return [path]
    if is_pattern(path):
        return [found for found in sorted(glob.glob(path, recursive=True)) if os.path.isfile(found)]
    raise SourceError(f"{entry} does not exist")


def list_media(entries: Iterable[str]) -> tuple[list[str], list[str]]:
    """Image files and video files behind some entries, in order.

    Raises:
        SourceError: an entry does not exist, or none of the files is an image or a video.
    """
    asked = list(entries)
    files = [file for entry in asked for file in expand(entry)]
    images = [file for file in files if file.rpartition(".")[2].lower() in IMG_FORMATS]
    videos = [file for file in files if file.rpartition(".")[2].lower() in VID_FORMATS]
    if not images and not videos:
        shown = ", ".join(asked[:3]) + (", ..." if len(asked) > 3 else "")
        raise SourceError(
            f"No images or videos found in {shown or 'an empty list'}. {FORMATS_HELP_MSG}"
        )
    return images, videos
