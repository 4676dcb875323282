"""Split images: a folder into list files for training, validation and test, or class folders into two sets of them."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from ultralytics.data.formats import img2label_paths
from ultralytics.data.images import find_images
from ultralytics.errors import ConfigValueError, DatasetNotFound
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["autosplit", "split_classify_dataset"]

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


def split_classify_dataset(source_dir: str | Path, train_ratio: float = 0.8) -> Path:
    """Copy a folder of class folders to `<folder>_split`, with `train` and `val` in it.

    The sorted images of every class are shuffled with a generator of their own, seed 0, and the first share goes
    to train, so the result never changes. Files that are there already are not copied again; an image that moves
    to the other split leaves the first one. The source is not changed.

    Args:
        source_dir: folder with a folder of images per class; images further below keep their path.
        train_ratio: share of every class that goes to train.

    Returns:
        The new folder.

    Raises:
        DatasetNotFound: no images in folders below the source.
        ConfigValueError: a ratio outside [0, 1].
    """
    source = Path(source_dir)
    if not 0 <= train_ratio <= 1:
        raise ConfigValueError(f"train_ratio={train_ratio} must be between 0 and 1")
    folders = [e for e in source.iterdir() if e.is_dir() and not e.name.startswith(".")]
    classes = {folder.name: sorted(find_images(folder)) for folder in sorted(folders)}
    if not any(classes.values()):
        raise DatasetNotFound(f"no images found in folders of classes in {source}")
    target = source.with_name(f"{source.name}_split")
    for name, files in classes.items():
        random.Random(0).shuffle(files)
        first = int(len(files) * train_ratio)
        parts = {"train": files[:first], "val": files[first:]}
        for split, other in (("train", "val"), ("val", "train")):
            (target / split / name).mkdir(parents=True, exist_ok=True)
            for file in parts[split]:
                place = Path(name, os.path.relpath(file, source / name))
                (target / other / place).unlink(missing_ok=True)
                _copy_image(Path(file), target / split / place)
    counts = sum(map(len, classes.values()))
    LOGGER.info(f"{source}: {counts} images of {len(classes)} classes are split into {target}")
    return target


def _copy_image(source: Path, target: Path) -> None:
    """Copy a file with its time, unless the target has the same size and time."""
    here = source.stat()
    if target.is_file():
        there = target.stat()
        if (here.st_size, int(here.st_mtime)) == (there.st_size, int(there.st_mtime)):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)  # the time is set last, so a broken copy is made again
