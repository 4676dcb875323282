"""Split the images of a folder into list files for training, validation and test."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from ultralytics.data.formats import img2label_paths
from ultralytics.data.images import find_images
from ultralytics.errors import DatasetNotFound
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["autosplit"]

SPLITS = ("train", "val", "test")


def autosplit(
    path: str | Path,
    weights: Sequence[float] = (0.9, 0.1, 0.0),
    annotated_only: bool = False,
) -> None:
    """Write autosplit_train.txt, autosplit_val.txt and autosplit_test.txt beside a folder of images.

    The sorted images are dealt out with a generator of its own, seed 0, so the result never changes. Lines are
    "./<path relative to the parent>"; an empty split leaves no file.

    Args:
        path: folder, searched with all folders below it.
        weights: shares of train, val and test.
        annotated_only: leave out images without a label file.

    Raises:
        DatasetNotFound: no image in the folder.
    """
    folder = Path(path)
    files = sorted(find_images(folder))
    if not files:
        raise DatasetNotFound(f"no images found in {folder}")
    chosen = random.Random(0).choices(range(len(SPLITS)), weights=weights, k=len(files))
    lines: dict[str, list[str]] = {split: [] for split in SPLITS}
    for file, label, number in zip(files, img2label_paths(files), chosen, strict=True):
        if not annotated_only or os.path.exists(label):
            lines[SPLITS[number]].append(f"./{Path(file).relative_to(folder.parent).as_posix()}\n")
    for split, entries in lines.items():
        target = folder.parent / f"autosplit_{split}.txt"
        target.unlink(missing_ok=True)
        if entries:
            atomic_write(target, "".join(entries))
    counts = ", ".join(f"{len(entries)} {split}" for split, entries in lines.items())
    LOGGER.info(f"{folder} is split into {counts} images")
