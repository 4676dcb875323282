"""Names and numbers under which validation writes its results: images, categories, label files, object sizes.

The rows are those of COCO result files. Specification chapter 45, section 6.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.coco import CocoNumbers

__all__ = [
    "by_size",
    "category_ids",
    "common_folder",
    "image_id",
    "label_name",
    "load_json",
    "log_coco",
    "result_rows",
    "size_keys",
    "unique_names",
]

SIZES = ("small", "medium", "large")


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


def result_rows(
    im_file: str,
    categories: Sequence[int],
    scores: Sequence[float],
    found: Mapping[str, Sequence[Any]],
) -> list[dict[str, Any]]:
    """COCO result rows of one image.

    Args:
        im_file: file of the image.
        categories: category number of each detection.
        scores: its confidence.
        found: what was found, by name of the field, with one value per detection.
    """
    path = Path(im_file)
    head = {"image_id": image_id(path), "file_name": path.name}
    shapes = [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    return [
        {**head, "category_id": category, **shape, "score": round(score, 5)}
        for category, shape, score in zip(categories, shapes, scores, strict=True)
    ]


def load_json(source: Any) -> Any:  # Any: JSON values
    """Parsed content of a file; anything but a path is returned as it is."""
    if isinstance(source, (str, Path)):
        return json.loads(Path(source).read_text(encoding="utf-8"))
    return source


def size_keys(letter: str) -> list[str]:
    """Keys of average precision by object size."""
    return [f"metrics/mAP_{size}({letter})" for size in SIZES]


def by_size(coco: CocoNumbers, letter: str) -> dict[str, float]:
    """Average precision by those object sizes the numbers have; -1 where there is no such object."""
    values = [getattr(coco, f"ap_{size}", None) for size in SIZES]
    pairs = zip(size_keys(letter), values, strict=True)
    return {key: value for key, value in pairs if value is not None}


def log_coco(title: str, numbers: CocoNumbers) -> None:
    """Log COCO numbers below a title."""
    LOGGER.info(title)
    for line in numbers.lines():
        LOGGER.info(f"  {line}")
