"""Data sets of the classification task: a folder per split with a folder per class.

`data=` names the folder that holds `train` and `val` (or `validation`, `valid`) and perhaps `test`; a folder of
class folders without splits is split first. There is no description file. Specification chapter 30, 1.6.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ultralytics.data import description
from ultralytics.data.images import find_images
from ultralytics.data.problems import DescriptionValueError
from ultralytics.errors import DatasetError, DatasetNotFound, nearest
from ultralytics.utils.logging import LOGGER

__all__ = [
    "PUBLISHED",
    "Names",
    "check_cls_dataset",
    "class_names",
    "class_numbers",
    "is_converted",
    "list_class_images",
]

Names = Mapping[int, str] | Sequence[str]

SPLITS = ("train", "val", "test")
VAL_NAMES = ("val", "validation", "valid")
RGB = 3
# Archives that exist at ASSETS_URL, chapter 30, 1.6.
PUBLISHED = (
    "caltech101",
    "caltech256",
    "cifar10",
    "cifar100",
    "fashion-mnist",
    "imagenet10",
    "imagenet100",
    "imagenette",
    "imagewoof",
    "mnist",
    "mnist160",
)
BY_HAND = {"imagenet": "see image-net.org for how to get it"}
NDJSON_MARKER = ".ndjson.yaml"  # class names of a set that was converted from NDJSON


def check_cls_dataset(dataset: str | Path, split: str = "") -> dict[str, Any]:  # Any: see Returns
    """Find and check a data set of class folders.

    Args:
        dataset: folder, its name below the data sets folder, name of a sample or published set, archive, or
            address of an archive.
        split: the split about to be used; val stands in for a missing test split, and the other way round.

    Returns:
        Folders of "train", "val" and "test" (None where there is none), class count "nc", "names" as
        {0: name, ...} in alphabetical order, and "channels".

    Raises:
        DatasetNotFound: no such folder, no training images, or not the split asked for.
        DescriptionValueError: a file instead of a folder, or an unknown split.
        DatasetError: a folder whose images cannot be split by class.
    """
    if split not in ("", *SPLITS):
        raise DescriptionValueError(f"split={split!r} must be one of {', '.join(SPLITS)}")
    root = _locate(str(dataset))
    folders = _splits_of(root, str(dataset))
    _stand_in(folders, split)
    train = folders["train"]
    assert train is not None  # _splits_of raises otherwise
    names = class_names(train)
    _count(folders, names, split)
    return {**folders, "nc": len(names), "names": names, "channels": RGB}


# ---------------------------------------------------------------------------------------- the folder


def _locate(dataset: str) -> Path:
    """Folder of whatever the user named."""
    description.convert_ndjson_to_yolo_if_needed(dataset)
    path = Path(dataset)
    if "://" in dataset:
        path = description.fetch_dataset(dataset)
    if path.is_dir():
        return path.resolve()
    stored = description.datasets_dir() / dataset
    if stored.is_dir():
        return stored.resolve()
    if path.suffix.lower() in description.ARCHIVE_SUFFIXES:
        if not path.is_file():
            raise DatasetNotFound(f"data={dataset!r}: there is no such archive")
        return description.unpack_dataset(path)
    if path.suffix or path.is_file():
        raise DescriptionValueError(
            f"data={dataset!r} must be a folder for classification, with train/<class>/ and "
            "val/<class>/ in it; YAML files describe data of the other tasks"
        )
    return _by_name(dataset)


def _by_name(name: str) -> Path:
    """A set that is rendered or downloaded; anything else does not exist."""
    from ultralytics.data.samples import GENERATORS, ensure_sample

    if name in GENERATORS:
        return ensure_sample(name)
    if name in PUBLISHED:
        from ultralytics.utils.environment import ASSETS_URL

        return description.unpack_dataset(
            description.fetch_dataset(f"{ASSETS_URL}/{name}.zip"), delete=True
        )
    place = description.datasets_dir()
    if name in BY_HAND:
        raise DatasetNotFound(
            f"data={name!r} is not downloaded automatically; {BY_HAND[name]}, and put it in {place / name}"
        )
    known = sorted({*PUBLISHED, *(sample for sample in GENERATORS if sample.endswith("-cls"))})
    raise DatasetNotFound(
        f"classification data set {name!r} not found{nearest(name, known)}; looked in {Path.cwd()} and "
        f"{place}. Sets that can be had by name: {', '.join(known)}"
    )


def _splits_of(root: Path, dataset: str) -> dict[str, Path | None]:
    """Folder of every split; a set without a train folder is split now."""
    if not (root / "train").is_dir():
        root = _split_now(root, dataset)
    val = next((root / name for name in VAL_NAMES if (root / name).is_dir()), None)
    test = root / "test"
    return {"train": root / "train", "val": val, "test": test if test.is_dir() else None}


def _split_now(root: Path, dataset: str) -> Path:
    from ultralytics.data.split import split_classify_dataset

    counts = {name: len(_images_below(root / name)) for name in _folders(root)}
    filled = [name for name, count in counts.items() if count]
    if not filled:
        raise DatasetNotFound(
            f"data={dataset!r}: images not found; {root} has neither a train folder nor folders of "
            "classes with images"
        )
    if len(filled) == 1 or any(name in filled for name in (*VAL_NAMES, "test")):
        raise DatasetError(
            f"data={dataset!r} cannot be split: {root} has no train folder, and its folders with images "
            f"({', '.join(filled)}) do not look like classes"
        )
    LOGGER.warning(
        f"{root} has no train folder; its {sum(counts.values())} images of {len(filled)} classes are "
        f"copied, split 80:20, to {root}_split"
    )
    return split_classify_dataset(root, train_ratio=0.8)


def _stand_in(folders: dict[str, Path | None], split: str) -> None:
    """Let val and test replace each other; the split asked for must exist then."""
    for wanted, other in (("val", "test"), ("test", "val")):
        if split == wanted and folders[wanted] is None and folders[other] is not None:
            LOGGER.warning(f"There is no {wanted} split; using the {other} split.")
            folders[wanted] = folders[other]
    if split and folders[split] is None:
        train = folders["train"]
        raise DatasetNotFound(f"images not found: there is no {split} folder beside {train}")


# --------------------------------------------------------------------------------------- its content


def class_names(folder: Path) -> dict[int, str]:
    """Class names of a split: its folders in alphabetical order, or what an NDJSON conversion noted."""
    if is_converted(folder):
        from ultralytics.utils.yaml_io import YAML

        return description.check_class_names(YAML.load(folder.with_name(NDJSON_MARKER))["names"])
    return dict(enumerate(_folders(folder)))


def is_converted(folder: str | Path) -> bool:
    """Whether a split was made from NDJSON: its folders are called by class number then."""
    return Path(folder).with_name(NDJSON_MARKER).is_file()


def class_numbers(
    root: str | Path, folders: Sequence[str], names: Names | None, is_single: bool = False
) -> list[int | None]:
    """Class of every folder of a split; None for folders that are no class.

    Args:
        root: the split.
        folders: its folders.
        names: class names to find them among; folders count in their order when none is known.
        is_single: all of them are class 0.
    """
    if is_single:
        return [0] * len(folders)
    known = {} if names is None else {n: i for i, n in description.check_class_names(names).items()}
    if is_converted(root):
        limit = len(known) or len(folders)
        return [int(n) if n.isdecimal() and int(n) < limit else None for n in folders]
    words = list(folders)
    if folders and folders[0].startswith(description.WORDNET):
        words = [*description.in_words(dict(enumerate(folders))).values()]
    matched = [known.get(a, known.get(b)) for a, b in zip(folders, words, strict=True)]
    if any(c is not None for c in matched):
        return matched
    return [i if not known or i < len(known) else None for i in range(len(folders))]


def list_class_images(folder: str | Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Class folders of a split and its images with the number of their folder.

    Folders and files are in alphabetical order, the images of a class in folders below it included; hidden
    ones are left out.
    """
    names = _folders(Path(folder))
    images = [
        (file, index)
        for index, name in enumerate(names)
        for file in _images_below(Path(folder) / name)
    ]
    return names, images


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))


def _images_below(folder: Path) -> list[str]:
    """Images folder by folder, as torchvision's ImageFolder lists them."""
    return sorted(find_images(folder), key=os.path.split)


def _count(folders: dict[str, Path | None], names: dict[int, str], split: str) -> None:
    """Log what every split holds; classes that differ and empty splits are named."""
    seen: set[Path] = set()
    for name, folder in folders.items():
        if folder is None or folder in seen:
            continue
        seen.add(folder)
        found, images = list_class_images(folder)
        LOGGER.info(f"{name}: {folder} holds {len(images)} images in {len(found)} classes")
        if not images:
            text = f"images not found: {folder} has none in folders of classes"
            if name in ("train", split):
                raise DatasetNotFound(f"{name} split: {text}")
            LOGGER.warning(f"{name} split: {text}")
        elif name != "train" and not is_converted(folder):
            _compare(name, set(found), set(names.values()))


def _compare(split: str, found: set[str], known: set[str]) -> None:
    if extra := sorted(found - known):
        LOGGER.error(f"{split} split: classes {', '.join(extra[:10])} do not occur in training")
    if missing := sorted(known - found):
        LOGGER.warning(f"{split} split: no folder for the classes {', '.join(missing[:10])}")
