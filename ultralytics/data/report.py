"""Report on a data set: every bad file and row with file, line, problem and action, counts per split, shared images.

Nothing is changed; the label cache of the splits is read and written as training would do.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.data.base import list_images
from ultralytics.data.cache import cache_path
from ultralytics.data.class_folders import check_cls_dataset, class_numbers, list_class_images
from ultralytics.data.class_scan import check_images
from ultralytics.data.colours import ColourTable, convert_colour_masks
from ultralytics.data.dataset.semantic import has_mask_files
from ultralytics.data.dataset.yolo import label_rule
from ultralytics.data.description import check_det_dataset
from ultralytics.data.formats import img2label_paths, is_image
from ultralytics.data.mask_scan import scan_masks
from ultralytics.data.masks import find_masks, mapping_table
from ultralytics.data.problems import Problem
from ultralytics.data.scan import scan_files
from ultralytics.errors import DatasetError, DatasetNotFound, NotAvailable
from ultralytics.registry import label_kind
from ultralytics.utils.files import atomic_write

__all__ = ["DatasetReport", "SplitSummary", "check_dataset"]

SPLITS = ("train", "val", "test")
HARMLESS = {"image kept", "kept"}
LINES_SHOWN = 50


@dataclass
class SplitSummary:
    """Counts of one split; `class_counts` has one number of objects per class, or of whatever `unit` says."""

    images: int
    labeled: int
    backgrounds: int
    corrupt: int
    objects: int
    class_counts: list[int]
    unit: str = "objects"


@dataclass
class DatasetReport:
    """Result of `check_dataset`.

    Attributes:
        data: the description's file.
        names: class names by id.
        splits: counts by split.
        problems: everything found, in file order.
        shared: pairs (image of train, image of val or test) with the same content.
    """

    data: str
    names: dict[int, str]
    splits: dict[str, SplitSummary] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Number of problems that cost an image or a row; notes do not count."""
        return sum(problem.action not in HARMLESS for problem in self.problems)

    @property
    def text(self) -> str:
        """The report for people: counts, then the first problems."""
        lines = [f"Data set {self.data}, {len(self.names)} classes"]
        for split, one in self.splits.items():
            lines.append(
                f"{split}: {one.images} images, {one.labeled} labeled, {one.backgrounds} backgrounds, "
                f"{one.corrupt} corrupt, {one.objects} {one.unit}"
            )
            absent = [self.names[i] for i, count in enumerate(one.class_counts) if not count]
            if absent and one.objects:
                more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
                lines.append(f"{split}: no {one.unit[:-1]} of {', '.join(absent[:10])}{more}")
        if self.shared:
            lines.append(
                f"{len(self.shared)} training images are also used for validation or test, so metrics will look "
                f"too good; first: {self.shared[0][0]} = {self.shared[0][1]}"
            )
        lines += [str(problem) for problem in self.problems[:LINES_SHOWN]]
        if len(self.problems) > LINES_SHOWN:
            lines.append(f"... and {len(self.problems) - LINES_SHOWN} more")
        lines.append(f"{self.bad} faults" if self.bad else "no faults")
        return "\n".join(lines)

    def records(self) -> list[dict[str, Any]]:  # Any: text and numbers
        """One dictionary per problem: file, line, problem, action."""
        shared = [Problem(a, 0, f"also used as {b}", "kept") for a, b in self.shared]
        return [problem.record() for problem in (*self.problems, *shared)]

    def save(self, path: str | Path) -> Path:
        """Write the problems as JSON lines."""
        target = Path(path)
        atomic_write(target, "".join(json.dumps(record) + "\n" for record in self.records()))
        return target

    def __str__(self) -> str:
        return self.text


def check_dataset(
    data: str | Path, task: str = "detect", strict: bool = False, file: str | Path | None = None
) -> DatasetReport:
    """Verify every image and label row of all splits.

    Args:
        data: as for training.
        task: what the data set is for.
        strict: raise when anything is bad.
        file: also write the problems there, as JSON lines.

    Raises:
        DatasetNotFound: no such data set.
        DatasetError: a bad description; with `strict` any fault, with the report as its text.
    """
    kind = label_kind(task)
    if kind == "none":
        raise NotAvailable(f"data sets of task {task} cannot be checked in this version")
    checks = {"folders": _check_folders, "maps": _check_maps}
    report = checks.get(kind, _check_label_files)(data, task)
    if file is not None:
        report.save(file)
    if strict and report.bad:
        raise DatasetError(report.text)
    return report


def _check_label_files(data: str | Path, task: str) -> DatasetReport:
    checked = check_det_dataset(data, required=())
    report = DatasetReport(str(checked["yaml_file"]), checked["names"])
    images: dict[str, list[str]] = {}
    for split in SPLITS:
        if checked.get(split):
            images[split] = _check_split(split, checked, task, report)
    return _with_shared(report, images)


def _check_maps(data: str | Path, task: str) -> DatasetReport:
    """Mask files, or the polygons that maps are drawn from."""
    checked = check_det_dataset(data, required=())
    if not has_mask_files(checked):
        return _check_label_files(data, task)
    report = DatasetReport(str(checked["yaml_file"]), checked["names"])
    images = {
        split: _check_mask_split(split, checked, report) for split in SPLITS if checked.get(split)
    }
    return _with_shared(report, images)


def _check_mask_split(split: str, data: dict[str, Any], report: DatasetReport) -> list[str]:
    """Add one split with mask files to the report and return its usable images."""
    files = _listed_images(split, data, report)
    if not files:
        return []
    masks = find_masks(files, data.get("masks_dir"))
    if data.get("colors"):
        masks = convert_colour_masks(masks, ColourTable.of(data), f"{split}: ")
    scan = scan_masks(files, masks, cache_path(masks), f"{split}: ")
    table, nc = mapping_table(data.get("label_mapping")), len(report.names)
    found = scan.problems(table, nc)
    report.problems += [problem for problem in found if problem is not None]
    usable = [i for i, problem in enumerate(found) if problem is None]
    counts = sum((scan.facts[i].counts(table)[:nc] for i in usable), np.zeros(nc, np.int64))
    report.splits[split] = SplitSummary(
        len(files),
        len(usable),
        0,
        len(files) - len(usable),
        int(counts.sum()),
        counts.tolist(),
        "pixels",
    )
    return [files[i] for i in usable]


def _check_folders(data: str | Path, task: str) -> DatasetReport:
    """Every image of a set whose folders are classes."""
    checked = check_cls_dataset(data)
    report = DatasetReport(str(checked["train"].parent), checked["names"])
    images = {
        split: _check_class_split(split, checked[split], report)
        for split in SPLITS
        if checked[split] is not None
    }
    return _with_shared(report, images)


def _check_class_split(split: str, root: Path, report: DatasetReport) -> list[str]:
    """Add one split of class folders to the report and return its usable images."""
    folders, listed = list_class_images(root)
    numbers = class_numbers(root, folders, report.names)
    report.problems += [
        Problem(str(root / name), 0, "not a class of training", "folder left out")
        for name, number in zip(folders, numbers, strict=True)
        if number is None
    ]
    files = [file for file, _ in listed]
    found = check_images(files, root.with_name(f"{root.name}.cache"), f"{split}: ")
    report.problems += [one.problem(f) for f, one in zip(files, found, strict=True) if one.note]
    usable = [i for i, one in enumerate(found) if one.is_usable]
    classes = [c for i in usable if (c := numbers[listed[i][1]]) is not None]
    counts = np.bincount(np.array(classes, np.int64), minlength=len(report.names)).tolist()
    corrupt = len(found) - len(usable)
    report.splits[split] = SplitSummary(len(found), len(usable), 0, corrupt, len(classes), counts)
    return [files[i] for i in usable]


def _with_shared(report: DatasetReport, images: dict[str, list[str]]) -> DatasetReport:
    held_out = [*images.get("val", []), *images.get("test", [])]
    report.shared = shared_images(images.get("train", []), held_out)
    return report


def _check_split(split: str, data: dict[str, Any], task: str, report: DatasetReport) -> list[str]:
    """Add one split to the report and return its usable images."""
    files = _listed_images(split, data, report)
    if not files:
        return []
    labels = img2label_paths(files)
    scan = scan_files(files, labels, label_rule(data, task), cache_path(labels), f"{split}: ")
    found, missing, empty, corrupt, total = scan.counts
    counts = np.bincount(scan.store.block[:, 0].astype(np.int64), minlength=len(report.names))
    report.splits[split] = SplitSummary(
        total, found - empty, missing + empty, corrupt, scan.store.objects, counts.tolist()
    )
    report.problems += scan.all_problems()
    if missing == total - corrupt:
        folder = os.path.dirname(labels[0])
        text = f"no label file for any image of the {split} split"
        report.problems.append(Problem(folder, 0, text, f"{split} split has no objects"))
    polygons, objects = scan.store.polygon_count, scan.store.objects
    needs_outlines = label_kind(task) in ("polygons", "corners", "maps")
    if polygons != objects and (polygons or needs_outlines):
        text = f"{objects} objects but {polygons} polygons"
        wanted = "split unusable" if needs_outlines else "polygons unused"
        report.problems.append(Problem(os.path.dirname(labels[0]), 0, text, f"{split} {wanted}"))
    return [scan.im_files[i] for i in scan.usable.tolist()]


def _listed_images(split: str, data: dict[str, Any], report: DatasetReport) -> list[str]:
    """Sorted images of a split; what is wrong with the list goes into the report."""
    try:
        listed = list_images(data[split])
    except DatasetNotFound as error:
        report.problems.append(Problem(str(data[split]), 0, str(error), f"{split} split unusable"))
        return []
    files = sorted(file for file in listed if is_image(file))
    if not files:
        report.problems.append(Problem(str(data[split]), 0, "no images", f"{split} split unusable"))
    report.problems += _repeated(files, split)
    return files


def _repeated(files: Sequence[str], split: str) -> list[Problem]:
    """Images that are listed more than once; `files` is sorted."""
    twice = sorted({a for a, b in pairwise(files) if a == b})
    return [
        Problem(file, 0, f"listed more than once in {split}", "used as often") for file in twice
    ]


def shared_images(first: Iterable[str], second: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of files with the same content; only files of equal size are read."""
    by_size: dict[int, list[str]] = defaultdict(list)
    for file in dict.fromkeys(first):
        by_size[os.path.getsize(file)].append(file)
    digests: dict[str, str] = {}
    pairs = []
    for other in dict.fromkeys(second):
        for file in by_size.get(os.path.getsize(other), []):
            if file == other or _digest(file, digests) == _digest(other, digests):
                pairs.append((file, other))
                break
    return pairs


def _digest(file: str, known: dict[str, str]) -> str:
    if file not in known:
        known[file] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return known[file]
