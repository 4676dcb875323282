"""Verify the images and labels of a data set with threads, reusing what an earlier scan found.

The result is a flat table with one row per file; only files whose size or modification time changed since the cache
was written are read again. User files are never modified. Row-level decisions are those of `verify.salvage_rows`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
from ultralytics.data.labels import LabelStore, StoreBuilder, join_stores
from ultralytics.data.problems import Problem
from ultralytics.data.verify import (
    HIGH,
    LOW,
    LabelRows,
    LabelRule,
    check_image,
    read_label_text,
    salvage_rows,
)
from ultralytics.errors import DatasetError
from ultralytics.utils.environment import NUM_THREADS, is_first_rank
from ultralytics.utils.logging import LOGGER

__all__ = ["CORRUPT", "EMPTY", "FOUND", "MISSING", "Scan", "log_problems", "scan_files"]

CORRUPT, FOUND, MISSING, EMPTY = range(4)
LABEL_SCAN_FORMAT = "scan-1"
FILES_PER_TASK = 32
PROBLEMS_SHOWN = 10


@dataclass
class Scan:
    """One row per file, in the order asked for.

    Attributes:
        im_files: image paths.
        lb_files: label paths.
        stats: (n, 4) int64 image size, image mtime, label size, label mtime (ns); -1 when missing.
        state: (n,) uint8, one of CORRUPT, FOUND, MISSING, EMPTY.
        store: labels; corrupt files have no rows.
        problems: image index -> what is wrong with it or its label.
    """

    im_files: list[str]
    lb_files: list[str]
    stats: npt.NDArray[np.int64]
    state: npt.NDArray[np.uint8]
    store: LabelStore
    problems: dict[int, list[Problem]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.im_files)

    @property
    def usable(self) -> npt.NDArray[np.int64]:
        """Indexes of the files that are not corrupt."""
        return np.flatnonzero(self.state != CORRUPT)

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Numbers of label files found (empty ones included) and missing, of empty and of corrupt pairs, total."""
        number = np.bincount(self.state, minlength=4).tolist()
        found = number[FOUND] + number[EMPTY]
        return found, number[MISSING], number[EMPTY], number[CORRUPT], len(self)

    def all_problems(self) -> list[Problem]:
        """Every problem, in file order."""
        return [problem for i in sorted(self.problems) for problem in self.problems[i]]

    def pick(self, order: Sequence[int]) -> Scan:
        """The given rows, in that order."""
        return Scan(
            [self.im_files[i] for i in order],
            [self.lb_files[i] for i in order],
            self.stats[order],
            self.state[order],
            self.store.pick_images(order),
            {new: self.problems[old] for new, old in enumerate(order) if old in self.problems},
        )


def scan_files(
    im_files: Sequence[str],
    lb_files: Sequence[str],
    rule: LabelRule,
    cache: Path | None = None,
    prefix: str = "",
) -> Scan:
    """Verify image and label pairs.

    Args:
        im_files: images.
        lb_files: their label files, which may be missing.
        rule: what labels may contain.
        cache: file to reuse and update; None scans everything and writes nothing.
        prefix: start of log lines.
    """
    stats = _stat_files(im_files, lb_files)
    known = _read_scan(cache, rule) if cache else None
    source = _matching_rows(known, im_files, lb_files, stats)
    todo = [i for i, row in enumerate(source) if row < 0]
    fresh = _verify_all(
        [(im_files[i], lb_files[i]) for i in todo], stats[todo], rule, prefix, cache
    )
    if known is None:
        scan = fresh
    else:
        base = len(known)
        for position, i in enumerate(todo):
            source[i] = base + position
        both = _join(known, fresh)
        scan = both.pick(source)
        if cache and todo:
            fresh = both.pick([*source, *_unasked(known, set(im_files))])
    if cache and todo:
        _write_scan(cache, fresh, rule, prefix)
    return scan


def log_problems(problems: Sequence[Problem], prefix: str = "") -> None:
    """Warn about the first problems and count the rest."""
    for problem in problems[:PROBLEMS_SHOWN]:
        LOGGER.warning(f"{prefix}{problem}")
    if len(problems) > PROBLEMS_SHOWN:
        kinds = Counter(problem.action for problem in problems)
        summary = ", ".join(f"{count} {action}" for action, count in kinds.most_common())
        LOGGER.warning(
            f"{prefix}{len(problems)} problems in all ({summary}); "
            "ultralytics.data.report.check_dataset lists every one"
        )


def _stat_files(im_files: Sequence[str], lb_files: Sequence[str]) -> npt.NDArray[np.int64]:
    table = np.full((len(im_files), 4), -1, np.int64)
    for i, pair in enumerate(zip(im_files, lb_files, strict=True)):
        for column, file in zip((0, 2), pair, strict=True):
            try:
                found = os.stat(file)
            except OSError:
                continue
            table[i, column : column + 2] = found.st_size, found.st_mtime_ns
    return table


def _matching_rows(
    known: Scan | None,
    im_files: Sequence[str],
    lb_files: Sequence[str],
    stats: npt.NDArray[np.int64],
) -> list[int]:
    """Row of the known scan for every file that has not changed, else -1."""
    if known is None:
        return [-1] * len(im_files)
    row_of = {pair: i for i, pair in enumerate(zip(known.im_files, known.lb_files, strict=True))}
    rows = [row_of.get(pair, -1) for pair in zip(im_files, lb_files, strict=True)]
    if not rows or not len(known):
        return rows
    index = np.array(rows)
    same = (known.stats[index] == stats).all(1) & (stats[:, 0] >= 0)
    return np.where((index >= 0) & same, index, -1).tolist()


def _unasked(known: Scan, asked: set[str]) -> list[int]:
    """Rows of a known scan about other images that still exist; they stay in the cache."""
    return [
        i for i, file in enumerate(known.im_files) if file not in asked and os.path.exists(file)
    ]


def _join(first: Scan, second: Scan) -> Scan:
    moved = {i + len(first): found for i, found in second.problems.items()}
    return Scan(
        first.im_files + second.im_files,
        first.lb_files + second.lb_files,
        np.concatenate((first.stats, second.stats)),
        np.concatenate((first.state, second.state)),
        join_stores(first.store, second.store),
        {**first.problems, **moved},
    )


Pair = tuple[str, str]


@dataclass
class _Verified:
    state: int
    labels: LabelRows
    shape: tuple[int, int] = (0, 0)
    problems: list[Problem] = field(default_factory=list)


def _verify_all(
    pairs: Sequence[Pair],
    stats: npt.NDArray[np.int64],
    rule: LabelRule,
    prefix: str,
    cache: Path | None,
) -> Scan:
    builder, states, problems = StoreBuilder(), bytearray(), {}
    for i, one in enumerate(
        _verify_in_threads(pairs, rule, f"{prefix}Scanning {cache or 'files'}")
    ):
        builder.add(one.labels.rows, one.labels.polygons, one.labels.keypoints, one.shape)
        states.append(one.state)
        if one.problems:
            problems[i] = one.problems
    return Scan(
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        stats,
        np.frombuffer(bytes(states), np.uint8),
        builder.build(),
        problems,
    )


def _verify_in_threads(pairs: Sequence[Pair], rule: LabelRule, title: str) -> Iterator[_Verified]:
    """Results in order; each task handles a run of files to keep the queue short."""
    from ultralytics.utils.tqdm import TQDM

    if not pairs:
        return
    tasks = [pairs[i : i + FILES_PER_TASK] for i in range(0, len(pairs), FILES_PER_TASK)]
    run = lambda task: [verify_pair(im_file, lb_file, rule) for im_file, lb_file in task]
    with (
        ThreadPoolExecutor(NUM_THREADS) as pool,
        TQDM[None](total=len(pairs), desc=title, disable=not is_first_rank() or None) as bar,
    ):
        for results in pool.map(run, tasks):
            yield from results
            bar.update(len(results))


def verify_pair(im_file: str, lb_file: str, rule: LabelRule) -> _Verified:
    """Verify one image and its label file; bad rows are dropped and named."""
    nothing = salvage_rows("", rule)
    try:
        note, shape = check_image(im_file)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile files; reported as corrupt
        text = str(error) or type(error).__name__
        return _Verified(CORRUPT, nothing, problems=[Problem(im_file, 0, text, "image dropped")])
    problems = [Problem(im_file, 0, note, "image kept")] if note else []
    try:
        labels = salvage_rows(read_label_text(lb_file), rule)
    except FileNotFoundError:
        return _Verified(MISSING, nothing, shape, problems)
    except (OSError, ValueError) as error:
        problems.append(Problem(lb_file, 0, str(error), "image dropped"))
        return _Verified(CORRUPT, nothing, problems=problems)
    problems += [Problem(lb_file, line, text, "row dropped") for line, text in labels.bad]
    if labels.duplicates:
        text = f"{labels.duplicates} repeated rows"
        problems.append(Problem(lb_file, 0, text, "repetitions dropped"))
    if labels.polygons:
        problems += _far_points(lb_file, labels)
    return _Verified(FOUND if len(labels.rows) else EMPTY, labels, shape, problems)


def _far_points(lb_file: str, labels: LabelRows) -> list[Problem]:
    """A note about polygon points outside the image; they were always accepted and are kept."""
    points = np.concatenate(labels.polygons)
    low, high = float(points.min()), float(points.max())
    if low >= LOW and high <= HIGH:
        return []
    return [Problem(lb_file, 0, f"polygon points from {low:g} to {high:g} leave the image", "kept")]


def _rule_key(rule: LabelRule) -> list[Any]:  # Any: flags and numbers
    return [rule.keypoint, rule.class_count, list(rule.kpt_shape), rule.single_class]


def _write_scan(path: Path, scan: Scan, rule: LabelRule, prefix: str) -> None:
    store = scan.store
    content = {
        "format": LABEL_SCAN_FORMAT,
        "rule": _rule_key(rule),
        "im_files": join_names(scan.im_files),
        "lb_files": join_names(scan.lb_files),
        "stats": scan.stats,
        "state": scan.state,
        "block": store.block,
        "offsets": store.offsets,
        "shapes": store.shapes,
        "points": store.points,
        "point_offsets": store.point_offsets,
        "keypoints": store.keypoints,
        "problems": [
            [i, p.file, p.line, p.text, p.action]
            for i, found in scan.problems.items()
            for p in found
        ],
    }
    save_dataset_cache_file(prefix, path, content)


def _read_scan(path: Path, rule: LabelRule) -> Scan | None:
    """The cached scan, or None when there is none that can be used."""
    try:
        content = load_dataset_cache_file(path)
        if (
            content.get("format") != LABEL_SCAN_FORMAT
            or content["version"] != DATASET_CACHE_VERSION
        ):
            return None
        if content["rule"] != _rule_key(rule):
            return None
        return _checked_scan(content)
    except OSError:
        return None
    except (DatasetError, KeyError, TypeError, ValueError) as error:
        LOGGER.info(f"{path} is not used and will be replaced: {error}")
        return None


def _checked_scan(content: dict[str, Any]) -> Scan:  # Any: see cache.Tree
    """Assemble a scan and make sure that its parts fit together; raises ValueError otherwise."""
    names = ("block", "offsets", "shapes", "points", "point_offsets", "keypoints")
    store = LabelStore(**{name: content[name] for name in names})
    im_files, lb_files = split_names(content["im_files"]), split_names(content["lb_files"])
    n, m = len(im_files), len(store.block)
    runs = [(store.offsets, n, m)]
    if store.points is not None and store.point_offsets is not None:
        runs.append((store.point_offsets, m, len(store.points)))
    for offsets, count, end in runs:
        if len(offsets) != count + 1 or offsets[-1] != end or (np.diff(offsets) < 0).any():
            raise ValueError("offsets do not fit")
    sizes = {n, len(lb_files), len(content["stats"]), len(content["state"]), len(store.shapes)}
    if len(sizes) != 1 or store.block.dtype != np.float32 or store.block.shape[1:] != (5,):
        raise ValueError("arrays do not fit")
    problems: dict[int, list[Problem]] = {}
    for i, *rest in content["problems"]:
        problems.setdefault(int(i), []).append(Problem(*rest))
    return Scan(im_files, lb_files, content["stats"], content["state"], store, problems)
