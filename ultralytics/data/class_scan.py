"""Verify the images of a classification split with threads, reusing what an earlier scan found.

The cache file `<split folder>.cache` keeps one row per image; only images whose size or modification time changed are
read again. User files are never modified.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics.data.cache import (
    DATASET_CACHE_VERSION,
    join_names,
    load_dataset_cache_file,
    save_dataset_cache_file,
    split_names,
)
from ultralytics.data.problems import Problem
from ultralytics.data.verify import check_image
from ultralytics.errors import DatasetError
from ultralytics.utils.environment import NUM_THREADS, is_first_rank
from ultralytics.utils.logging import LOGGER

__all__ = ["Checked", "check_images"]

SCAN_FORMAT = "class-scan-1"
FILES_PER_TASK = 32
STATS = 2  # size and modification time


@dataclass(frozen=True)
class Checked:
    """What is known of one image.

    Attributes:
        stat: size in bytes and modification time in ns; -1 for a missing file.
        size_hw: height and width as displayed; 0 for an unusable image.
        note: what is wrong with it; empty when there is nothing to say.
    """

    stat: tuple[int, int]
    size_hw: tuple[int, int]
    note: str

    @property
    def is_usable(self) -> bool:
        """Whether the image can be read."""
        return self.size_hw[0] > 0

    def problem(self, file: str) -> Problem:
        """The note as an entry of a report."""
        return Problem(file, 0, self.note, "image kept" if self.is_usable else "image dropped")


def check_images(
    files: Sequence[str], cache: Path | None = None, prefix: str = ""
) -> list[Checked]:
    """Verify images, in their order.

    Args:
        files: image files.
        cache: file to reuse and update; None verifies everything and writes nothing.
        prefix: start of log lines.
    """
    known = _read(cache) if cache else {}
    stats = [_stat(file) for file in files]
    todo = [
        file
        for file, stat in zip(files, stats, strict=True)
        if file not in known or known[file].stat != stat or stat[0] < 0
    ]
    fresh = dict(zip(todo, _verify_all(todo, f"{prefix}Scanning {cache or 'images'}"), strict=True))
    merged = {**known, **fresh}
    if cache and todo:
        asked = set(files)
        kept = {f: one for f, one in merged.items() if f in asked or os.path.exists(f)}
        _write(cache, kept, prefix)
    return [merged[file] for file in files]


def _stat(file: str) -> tuple[int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _verify(file: str) -> Checked:
    stat = _stat(file)
    try:
        note, size_hw = check_image(file)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile files; reported as corrupt
        return Checked(stat, (0, 0), str(error) or type(error).__name__)
    return Checked(stat, size_hw, note)


def _verify_all(files: Sequence[str], title: str) -> list[Checked]:
    from ultralytics.utils.tqdm import TQDM

    found: list[Checked] = []
    if not files:
        return found
    tasks = [files[i : i + FILES_PER_TASK] for i in range(0, len(files), FILES_PER_TASK)]
    with (
        ThreadPoolExecutor(NUM_THREADS) as pool,
        TQDM[None](total=len(files), desc=title, disable=not is_first_rank() or None) as bar,
    ):
        for results in pool.map(lambda task: [_verify(file) for file in task], tasks):
            found += results
            bar.update(len(results))
    return found


def _write(path: Path, known: dict[str, Checked], prefix: str) -> None:
    rows = [(*one.stat, *one.size_hw) for one in known.values()]
    content = {
        "format": SCAN_FORMAT,
        "files": join_names([*known]),
        "rows": np.array(rows, np.int64).reshape(len(rows), 2 * STATS),
        "notes": {str(i): one.note for i, one in enumerate(known.values()) if one.note},
    }
    save_dataset_cache_file(prefix, path, content)


def _read(path: Path) -> dict[str, Checked]:
    """The cached scan; empty when there is none that can be used."""
    try:
        content = load_dataset_cache_file(path)
        if content.get("format") != SCAN_FORMAT or content["version"] != DATASET_CACHE_VERSION:
            return {}
        return _checked_rows(content)
    except OSError:
        return {}
    except (DatasetError, KeyError, TypeError, ValueError, AttributeError) as error:
        LOGGER.info(f"{path} is not used and will be replaced: {error}")
        return {}


def _checked_rows(content: dict[str, Any]) -> dict[str, Checked]:  # Any: see cache.Tree
    rows: npt.NDArray[np.int64] = content["rows"]
    files = split_names(content["files"])
    if rows.shape != (len(files), 2 * STATS) or rows.dtype != np.int64:
        raise ValueError("arrays do not fit")
    notes: dict[str, str] = content["notes"]
    return {
        file: Checked((a, b), (h, w), str(notes.get(str(i), "")))
        for i, (file, (a, b, h, w)) in enumerate(zip(files, rows.tolist(), strict=True))
    }
