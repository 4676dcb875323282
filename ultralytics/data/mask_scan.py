"""Verify the images and class maps of a data set with threads, reusing what an earlier scan found.

What is kept of a mask is its size, its mode and how many pixels have each raw id, so that neither another class count
nor another `label_mapping` needs a new look at the pixels. Sizes are (height, width).
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
    load_dataset_cache_file,
    save_dataset_cache_file,
)
from ultralytics.data.masks import IGNORE, VALUES, Table, allowed_values, mask_mode, read_mask
from ultralytics.data.problems import Problem
from ultralytics.data.verify import check_image
from ultralytics.errors import DatasetError
from ultralytics.utils.environment import NUM_THREADS, is_first_rank

__all__ = ["MaskFacts", "MaskScan", "scan_masks"]

MASK_SCAN_FORMAT = "masks-1"
COLOUR_MODES = ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")
BEYOND = VALUES  # stands for all ids above 255
LISTED_VALUES = 5


@dataclass(frozen=True)
class MaskFacts:
    """What is known of an image and its mask.

    Attributes:
        mode: Pillow's mode of the mask.
        shape: size of the image.
        ids, pixels: raw ids that occur, and on how many pixels; 256 stands for all larger ones.
        fault: why the pair cannot be used, or empty.
        is_mask_fault: whether the fault is the mask's.
    """

    mode: str = ""
    shape: tuple[int, int] = (0, 0)
    ids: tuple[int, ...] = ()
    pixels: tuple[int, ...] = ()
    fault: str = ""
    is_mask_fault: bool = True

    def forbidden(self, table: Table, nc: int) -> str:
        """The values that are neither a class nor ignored, in words; empty when there are none."""
        allowed = allowed_values(table, nc)
        bad = [
            f"{i if i < BEYOND else 'above 255'} ({n} pixels)"
            for i, n in zip(self.ids, self.pixels, strict=True)
            if i == BEYOND or not allowed[i]
        ]
        if not bad:
            return ""
        shown = ", ".join(bad[:LISTED_VALUES]) + (", ..." if len(bad) > LISTED_VALUES else "")
        return (
            f"the mask has value {shown}; allowed are 0 to {max(nc - 1, 1)}, and {IGNORE} for pixels "
            "that are not counted. Map other values with 'label_mapping'"
        )

    def counts(self, table: Table) -> npt.NDArray[np.int64]:
        """Pixels of each class id 0 to 255."""
        known = [(i, n) for i, n in zip(self.ids, self.pixels, strict=True) if i < VALUES]
        ids = table[[i for i, _ in known]]
        return np.bincount(ids, [n for _, n in known], minlength=VALUES).astype(np.int64)


@dataclass(frozen=True)
class MaskScan:
    """Facts of every pair, in the order asked for."""

    im_files: list[str]
    mask_files: list[str]
    facts: list[MaskFacts]

    def problems(self, table: Table, nc: int) -> list[Problem | None]:
        """What is wrong with each pair, given the class ids; None for usable ones."""
        found: list[Problem | None] = []
        for im_file, mask_file, fact in zip(
            self.im_files, self.mask_files, self.facts, strict=True
        ):
            text = fact.fault or fact.forbidden(table, nc)
            file = mask_file if fact.is_mask_fault else im_file
            found.append(Problem(file, 0, text, "image dropped") if text else None)
        return found


def scan_masks(
    im_files: Sequence[str], mask_files: Sequence[str], cache: Path | None = None, prefix: str = ""
) -> MaskScan:
    """Verify pairs of images and masks.

    Args:
        im_files: images.
        mask_files: their masks, which may be missing.
        cache: file to reuse and update; None looks at everything and writes nothing.
        prefix: start of log lines.
    """
    pairs = list(zip(im_files, mask_files, strict=True))
    stamps = [_stamp(pair) for pair in pairs]
    known = _read_scan(cache) if cache else {}
    todo = [i for i, key in enumerate(zip(pairs, stamps, strict=True)) if key not in known]
    fresh = _verify_all([pairs[i] for i in todo], f"{prefix}Scanning {cache or 'masks'}")
    known |= {(pairs[i], stamps[i]): fact for i, fact in zip(todo, fresh, strict=True)}
    if cache and todo:
        asked = set(pairs)
        others = {k: v for k, v in known.items() if k[0] not in asked and os.path.exists(k[0][0])}
        mine = {key: known[key] for key in zip(pairs, stamps, strict=True)}
        _write_scan(cache, others | mine, prefix)
    facts = [known[key] for key in zip(pairs, stamps, strict=True)]
    return MaskScan(list(im_files), list(mask_files), facts)


Pair = tuple[str, str]
Stamp = tuple[int, int, int, int]  # sizes and modification times; -1 where a file is missing
Known = dict[tuple[Pair, Stamp], MaskFacts]


def _stamp(pair: Pair) -> Stamp:
    numbers: list[int] = []
    for file in pair:
        try:
            found = os.stat(file)
        except OSError:
            numbers += (-1, -1)
        else:
            numbers += (found.st_size, found.st_mtime_ns)
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _verify_all(pairs: Sequence[Pair], title: str) -> list[MaskFacts]:
    from ultralytics.utils.tqdm import TQDM

    if not pairs:
        return []
    facts = []
    with (
        ThreadPoolExecutor(NUM_THREADS) as pool,
        TQDM[None](total=len(pairs), desc=title, disable=not is_first_rank() or None) as bar,
    ):
        for fact in pool.map(_verify, pairs):
            facts.append(fact)
            bar.update(1)
    return facts


def _verify(pair: Pair) -> MaskFacts:
    """Look at one image and its mask."""
    im_file, mask_file = pair
    try:
        _, shape = check_image(im_file)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile files; reported as corrupt
        return MaskFacts(fault=str(error) or type(error).__name__, is_mask_fault=False)
    if not os.path.exists(mask_file):
        return MaskFacts(fault="the mask of this image does not exist", shape=shape)
    try:
        mode = mask_mode(mask_file)
        ids = read_mask(mask_file, mode)
    except Exception as error:  # noqa: BLE001  as above
        return MaskFacts(fault=f"the mask cannot be read: {error}", shape=shape)
    if ids.shape != shape:
        fault = f"the mask is {ids.shape[0]} x {ids.shape[1]} (h x w), its image {shape[0]} x {shape[1]}"
        return MaskFacts(mode, shape, fault=fault)
    if mode in COLOUR_MODES and not _is_gray(mask_file):
        fault = (
            f"the mask is a colour picture ({mode}), but one channel of class ids is needed; give the "
            "colours of the classes under 'colors' in the data set's YAML"
        )
        return MaskFacts(mode, shape, fault=fault)
    values, counts = _counted(ids)
    return MaskFacts(mode, shape, tuple(values.tolist()), tuple(counts.tolist()))


def _is_gray(file: str) -> bool:
    from ultralytics.utils.patches import imread

    pixels = imread(file)
    return pixels is not None and bool((pixels == pixels[..., :1]).all())


def _counted(ids: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids that occur and their pixels; everything above 255 counts as 256."""
    flat = ids.ravel() if ids.dtype == np.uint8 else np.clip(ids.ravel(), 0, BEYOND)
    counts = np.bincount(flat, minlength=BEYOND + 1)
    values = np.flatnonzero(counts)
    return values, counts[values]


# ------------------------------------------------------------------------------------------- cache


def _write_scan(path: Path, known: Known, prefix: str) -> None:
    facts = list(known.values())
    content = {
        "format": MASK_SCAN_FORMAT,
        "im_files": [pair[0] for pair, _ in known],
        "mask_files": [pair[1] for pair, _ in known],
        "stamps": np.array([stamp for _, stamp in known], np.int64),
        "modes": [fact.mode for fact in facts],
        "shapes": np.array([fact.shape for fact in facts], np.int32),
        "faults": [fact.fault for fact in facts],
        "mask_faults": np.array([fact.is_mask_fault for fact in facts]),
        "lengths": np.array([len(fact.ids) for fact in facts], np.int32),
        "ids": np.array([i for fact in facts for i in fact.ids], np.int32),
        "pixels": np.array([n for fact in facts for n in fact.pixels], np.int64),
    }
    save_dataset_cache_file(prefix, path, content)


def _read_scan(path: Path) -> Known:
    """Cached facts by pair and stamp; nothing when there is no cache that can be used."""
    try:
        content = load_dataset_cache_file(path)
        if content.get("format") != MASK_SCAN_FORMAT or content["version"] != DATASET_CACHE_VERSION:
            return {}
        return _checked(content)
    except (OSError, DatasetError, KeyError, TypeError, ValueError):
        return {}


def _checked(content: dict[str, Any]) -> Known:  # Any: see cache.Tree
    """Assemble the facts; parts that do not fit together raise ValueError."""
    ends = np.cumsum(content["lengths"])
    runs = [slice(int(e - n), int(e)) for e, n in zip(ends, content["lengths"], strict=True)]
    ids, pixels = content["ids"].tolist(), content["pixels"].tolist()
    if len(ids) != len(pixels) or (len(ends) and int(ends[-1]) != len(ids)):
        raise ValueError("lengths do not fit")
    rows = zip(
        content["im_files"],
        content["mask_files"],
        content["stamps"].tolist(),
        content["modes"],
        content["shapes"].tolist(),
        content["faults"],
        content["mask_faults"].tolist(),
        runs,
        strict=True,
    )
    known: Known = {}
    for im_file, mask_file, stamp, mode, shape, fault, is_mask, run in rows:
        fact = MaskFacts(
            mode, (shape[0], shape[1]), tuple(ids[run]), tuple(pixels[run]), fault, is_mask
        )
        known[(im_file, mask_file), (stamp[0], stamp[1], stamp[2], stamp[3])] = fact
    return known
