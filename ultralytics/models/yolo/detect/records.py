"""Names and numbers under which validation writes its results: images, categories, label files, object sizes.

The rows are those of COCO result files. Specification chapter 45, section 6.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ultralytics.utils.metrics.coco import CocoSummary

__all__ = [
    "by_size",
    "category_ids",
    "common_folder",
    "image_id",
    "label_name",
    "load_json",
    "size_keys",
    "unique_names",
]


def unique_names(im_files: Sequence[str]) -> Callable[[str], str]:
    """Function that names an image: its file name, or its whole path where file names repeat."""
    counts = Counter(Path(file).name for file in im_files)

    def name_of(im_file: str) -> str:
        name = Path(im_file).name
        return name if counts[name] < 2 else str(im_file)

    return name_of


def common_folder(im_files: Sequence[str]) -> str:
    """Folder that holds all images, directly or in folders of its own."""
    return os.path.commonpath({Path(file).parent for file in im_files}) if im_files else ""


def label_name(im_file: str, root: str) -> str:
    """Name of a label file: the image's path below the common folder, its parts joined by "_"."""
    return "_".join(Path(im_file).relative_to(root).with_suffix(".txt").parts)


def category_ids(count: int, is_coco: bool) -> list[int]:
    """Category numbers of result rows by class: those of COCO, or 1, 2, 3 ..."""
    if is_coco:
        from ultralytics.data.converter import coco80_to_coco91_class

        return coco80_to_coco91_class()
    return list(range(1, count + 1))


def image_id(path: Path) -> int | str:
    """Number in the file name if it is one, otherwise the name."""
    stem = path.stem
    return int(stem) if stem.isascii() and stem.isdecimal() else stem


def load_json(source: Any) -> Any:  # Any: JSON values
    """Parsed content of a file; anything but a path is returned as it is."""
    if isinstance(source, (str, Path)):
        return json.loads(Path(source).read_text(encoding="utf-8"))
    return source


def size_keys(letter: str) -> list[str]:
    """Keys of average precision by object size."""
    return [f"metrics/mAP_{size}({letter})" for size in ("small", "medium", "large")]


def by_size(coco: CocoSummary, letter: str) -> dict[str, float]:
    """Average precision by object size; -1 where there is no such object."""
    values = (coco.ap_small, coco.ap_medium, coco.ap_large)
    return dict(zip(size_keys(letter), values, strict=True))
