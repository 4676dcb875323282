"""A data set of label files as one COCO annotation file: the way back from `convert_coco`.

COCO boxes are left, top, width, height in pixels, category ids start at 1, and polygons are flat lists of pixels.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics.data.base import list_images
from ultralytics.data.coco import coco80_to_coco91_class
from ultralytics.data.description import check_det_dataset
from ultralytics.data.formats import img2label_paths
from ultralytics.data.scan import CORRUPT, verify_pair
from ultralytics.data.verify import LabelRows, LabelRule
from ultralytics.errors import ConfigValueError, DatasetError
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["convert_yolo_to_coco"]

Record = dict[str, Any]  # Any: values of a JSON object
Floats = npt.NDArray[np.float64]


def convert_yolo_to_coco(
    data: str | Path,
    split: str = "val",
    save_file: str | Path | None = None,
    cls80to91: bool = False,
) -> Path:
    """Write the labels of a split as a COCO annotation file.

    Boxes, outlines, rotated boxes (as outlines of four corners) and keypoints are kept; what the label files do not
    say, such as crowds, is not there. Bad rows and unreadable images are left out with a warning.

    Args:
        data: description of a data set for detect, segment, pose or obb.
        split: "train", "val" or "test".
        save_file: default annotations/instances_<split>.json in the folder of the data set, or person_keypoints_...
            for keypoints, which are the names of COCO.
        cls80to91: number the 80 COCO classes as COCO does, with gaps up to 90; otherwise a category is its class
            plus 1.

    Returns:
        The written file.

    Raises:
        DatasetNotFound: the data set or its images are missing.
        DatasetError: no image can be used.
        ConfigValueError: the data set does not have this split, or not the 80 classes of COCO.
    """
    described = check_det_dataset(str(data), required=(split,))
    if not described.get(split):
        raise ConfigValueError(f"{data} has no split {split!r}")
    names: dict[int, str] = described["names"]
    numbers = coco80_to_coco91_class() if cls80to91 else list(range(1, len(names) + 1))
    if len(numbers) != len(names):
        raise ConfigValueError(f"cls80to91 needs the 80 classes of COCO; {data} has {len(names)}")
    shape = described.get("kpt_shape")
    rule = LabelRule(len(names), bool(shape), tuple(shape) if shape else (0, 0))
    files = sorted(list_images(described[split]))
    content = _content(files, rule, numbers)
    content["categories"] = [_category(described, i, number) for i, number in enumerate(numbers)]
    if not content["images"]:
        raise DatasetError(f"no usable image in {described[split]}")
    kind = "person_keypoints" if shape else "instances"
    default = Path(described["path"]) / "annotations" / f"{kind}_{split}.json"
    target = default if save_file is None else Path(save_file)
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, json.dumps(content))
    counts = f"{len(content['annotations'])} objects in {len(content['images'])} images"
    LOGGER.info(f"Wrote {counts} to {target}")
    return target


def _content(files: Sequence[str], rule: LabelRule, numbers: Sequence[int]) -> Record:
    images: list[Record] = []
    annotations: list[Record] = []
    titles = _titles(files)
    for file, label in zip(files, img2label_paths(files), strict=True):
        pair = verify_pair(file, label, rule)
        for problem in pair.problems:
            LOGGER.warning(str(problem))
        if pair.state == CORRUPT:
            continue
        height, width = pair.shape
        number = len(images) + 1
        entry = {"id": number, "file_name": titles[file], "width": width, "height": height}
        images.append(entry)
        annotations += [
            {"id": len(annotations) + i, "image_id": number, **row}
            for i, row in enumerate(_objects(pair.labels, (width, height), numbers), 1)
        ]
    return {"images": images, "annotations": annotations}


def _titles(files: Sequence[str]) -> dict[str, str]:
    """Bare file names; where two agree, both with their path."""
    counts = Counter(Path(file).name for file in files)
    return {f: Path(f).name if counts[Path(f).name] == 1 else Path(f).as_posix() for f in files}


def _objects(labels: LabelRows, size: tuple[int, int], numbers: Sequence[int]) -> list[Record]:
    """One record per object, without ids."""
    scale = np.array(size, np.float64)
    records = []
    for i, (cls, *box) in enumerate(labels.rows.astype(np.float64)):
        centre, sides = np.array(box[:2]) * scale, np.array(box[2:]) * scale
        record: Record = {
            "category_id": numbers[int(cls)],
            "bbox": _rounded(np.concatenate((centre - sides / 2, sides))),
            "area": round(float(sides.prod()), 3),
            "iscrowd": 0,
        }
        if labels.polygons:
            outline = labels.polygons[i].astype(np.float64) * scale
            record |= {"segmentation": [_rounded(outline)], "area": round(_area(outline), 3)}
        if labels.keypoints is not None:
            points = labels.keypoints[i].astype(np.float64) * (*scale, 1.0)
            points[points[:, 2] == 0] = 0  # COCO's form of a point that is not labelled
            seen = int((points[:, 2] > 0).sum())
            record |= {"keypoints": _rounded(points), "num_keypoints": seen}
        records.append(record)
    return records


def _rounded(values: Floats) -> list[float]:
    return [float(value) for value in values.reshape(-1).round(3)]


def _area(outline: Floats) -> float:
    """Area of a polygon by the shoelace formula."""
    x, y = outline.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _category(described: Mapping[str, Any], index: int, number: int) -> Record:
    record: Record = {"id": number, "name": described["names"][index]}
    if described.get("kpt_shape"):
        points = described["kpt_shape"][0]
        given = described.get("kpt_names") or {}
        record["keypoints"] = list(given.get(index, [str(i) for i in range(points)]))
    return record
