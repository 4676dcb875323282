"""COCO annotations as label files, and the class ids of COCO.

COCO numbers its 80 classes with gaps from 1 to 90 (the paper lists 91); models number them 0 to 79. Boxes of COCO are
left, top, width, height in pixels; label rows are normalised (spec 30, 8.1 and 8.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.errors import DatasetError, DatasetNotFound, MissingExtra
from ultralytics.geometry.segments import merge_multi_segment
from ultralytics.utils.files import atomic_write, increment_path
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.yaml_io import YAML

__all__ = ["coco80_to_coco91_class", "coco91_to_coco80_class", "convert_coco"]

IDS_WITHOUT_CLASS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
PAPER_IDS = range(1, 92)
IMAGE_HOST = "http://images.cocodataset.org/"
POLYGON_NUMBERS = 6

Record = dict[str, Any]  # Any: values of a JSON object
Points = npt.NDArray[np.float64]


def coco80_to_coco91_class() -> list[int]:
    """Paper id of every one of the 80 classes."""
    return [number for number in PAPER_IDS if number not in IDS_WITHOUT_CLASS]


def coco91_to_coco80_class() -> list[int | None]:
    """Class index of every paper id minus 1, None for ids without a class."""
    index = {number: i for i, number in enumerate(coco80_to_coco91_class())}
    return [index.get(number) for number in PAPER_IDS]


def convert_coco(
    labels_dir: str | Path = "../coco/annotations/",
    save_dir: str | Path = "coco_converted/",
    use_segments: bool = False,
    use_keypoints: bool = False,
    cls91to80: bool = True,
    lvis: bool = False,
) -> None:
    """Write the label files of every COCO JSON in a folder, and a data.yaml with the class names.

    Crowd objects and boxes without area are left out; images without objects get no file. Class ids that the rule
    has no class for are numbered in the order of the `categories` instead, which is logged.

    Args:
        labels_dir: folder of the JSON files.
        save_dir: new folder to write to; a number is added to the name when it exists.
        use_segments: rows are outlines instead of boxes.
        use_keypoints: rows are boxes with keypoints; objects without a labelled keypoint are left out.
        cls91to80: ids are those of COCO; otherwise a class is its id minus 1.
        lvis: image names come from `coco_url`, and a list of all images is written for every file.

    Raises:
        DatasetNotFound: there is no JSON file.
        DatasetError: a file is no COCO annotation file. Nothing was written.
    """
    files = sorted(Path(labels_dir).resolve().glob("*.json"))
    if not files:
        raise DatasetNotFound(f"no .json file in {Path(labels_dir).resolve()}")
    classes, names = _numbering(files, cls91to80)
    target = increment_path(save_dir, mkdir=True)
    for name in ("labels", "images"):
        (target / name).mkdir(exist_ok=True)
    for file in files:
        content = _read(file)
        folder = target / "labels"
        if not lvis:
            folder /= file.stem.replace("instances_", "")
        folder.mkdir(exist_ok=True)
        paths = {image["id"]: _image_path(image, lvis) for image in content["images"]}
        written = _write_labels(content, paths, folder, classes, use_segments, use_keypoints)
        if lvis:
            lines = "".join(f"./images/{path}\n" for path in paths.values())
            atomic_write(target / f"{file.stem.replace('lvis_v1_', '')}.txt", lines)
        LOGGER.info(f"{file.name}: {written} label files for {len(paths)} images in {folder}")
    if names:
        YAML.save(target / "data.yaml", {"path": str(target.resolve()), "names": names})


def _read(file: Path) -> Record:
    try:
        content: Record = json.loads(file.read_bytes())
        if all(isinstance(content[key], list) for key in ("images", "annotations")):
            return content
    except (ValueError, TypeError, KeyError):
        pass
    raise DatasetError(f"{file} is no COCO annotation file: it needs 'images' and 'annotations'")


def _numbering(files: Iterable[Path], cls91to80: bool) -> tuple[dict[int, int], dict[int, str]]:
    """Class of every category id in use, and the names of the classes as far as they are given."""
    used: set[int] = set()
    named: dict[int, str] = {}
    for file in files:
        content = _read(file)
        used |= {row["category_id"] for row in content["annotations"]}
        named |= {row["id"]: str(row["name"]) for row in content.get("categories", ())}
    ids = sorted(used | named.keys())
    table = coco91_to_coco80_class() if cls91to80 else list(range(max(ids, default=0)))
    by_rule = {i: table[i - 1] if 1 <= i <= len(table) else None for i in ids}
    classes = {i: number for i, number in by_rule.items() if number is not None}
    if len(classes) < len(ids):
        odd = [i for i in ids if i not in classes]
        LOGGER.warning(f"category ids {odd[:5]} have no class by the rule; numbering all in order")
        classes = {i: number for number, i in enumerate(ids)}
    return classes, {classes[i]: name for i, name in sorted(named.items())}


def _image_path(image: Record, lvis: bool) -> str:
    return str(image["coco_url"]).removeprefix(IMAGE_HOST) if lvis else str(image["file_name"])


def _write_labels(
    content: Record,
    paths: dict[int, str],
    folder: Path,
    classes: dict[int, int],
    use_segments: bool,
    use_keypoints: bool,
) -> int:
    """Write one file per image with objects; returns how many."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    rows: dict[int, dict[str, None]] = {}  # ordered, without duplicates
    boxed = 0
    for entry in content["annotations"]:
        box = np.asarray(entry["bbox"], np.float64)
        if entry.get("iscrowd", False) or min(box[2:]) <= 0:
            continue
        size = np.asarray(sizes[entry["image_id"]], np.float64)
        if use_keypoints:
            values = _keypoint_row(entry, box, size)
        elif use_segments:
            outline = _outline(entry, size)
            boxed += outline is None
            values = ((_corners(box) if outline is None else outline) / size).reshape(-1)
        else:
            values = _box_row(box, size)
        if values is not None:
            numbers = (float(classes[entry["category_id"]]), *values)
            row = " ".join(f"{number:g}" for number in numbers)
            rows.setdefault(entry["image_id"], {})[row] = None
    if boxed:
        LOGGER.warning(f"{boxed} objects of {folder.name} have no outline; using their boxes")
    for image, lines in rows.items():
        file = (folder / paths[image]).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        earlier = file.read_text(encoding="utf-8") if file.exists() else ""
        atomic_write(file, earlier + "".join(f"{line}\n" for line in lines))
    return len(rows)


def _box_row(box: Points, size: Points) -> Points:
    return np.concatenate(((box[:2] + box[2:] / 2) / size, box[2:] / size))


def _corners(box: Points) -> Points:
    (x, y), (w, h) = box[:2], box[2:]
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _keypoint_row(entry: Record, box: Points, size: Points) -> Points | None:
    """Box and (x, y, visibility) triples; None when no keypoint is labelled."""
    points = np.asarray(entry.get("keypoints", ()), np.float64).reshape(-1, 3)
    if not (points[:, 2] > 0).any():
        return None
    scaled = points / (*size, 1.0)
    return np.concatenate((_box_row(box, size), scaled.reshape(-1)))


def _outline(entry: Record, size: Points) -> Points | None:
    """Corner points (P, 2) in pixels, the parts of an object joined; None when there are none."""
    parts = entry.get("segmentation")
    if isinstance(parts, dict):
        polygons = _contours(_decoded(parts), size)
    else:
        polygons = [np.asarray(part).reshape(-1, 2) for part in parts or () if _is_polygon(part)]
    if not polygons:
        return None
    return np.concatenate(merge_multi_segment(polygons)).astype(np.float64)


def _is_polygon(part: object) -> bool:
    if not isinstance(part, Sequence) or len(part) < POLYGON_NUMBERS or len(part) % 2:
        return False
    return all(isinstance(number, (int, float)) for number in part)


def _decoded(mask: Record) -> npt.NDArray[np.uint8]:
    """Pixels of a run-length mask: runs of 0 and 1 in turn, down the columns."""
    counts, (height, width) = mask["counts"], mask["size"]
    if isinstance(counts, list):
        flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
        return flat.reshape(width, height).T
    try:
        from faster_coco_eval import mask as coder
    except ImportError as error:
        raise MissingExtra(
            "compressed masks need faster-coco-eval: pip install 'ultralytics[coco]'"
        ) from error
    pixels: npt.NDArray[np.uint8] = coder.decode(mask)
    return pixels


def _contours(mask: npt.NDArray[np.uint8], size: Points) -> list[Points]:
    if mask.shape[::-1] != tuple(size):
        return []
    found, _ = cv2.findContours(
        np.ascontiguousarray(mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [contour.reshape(-1, 2).astype(np.float64) for contour in found if len(contour) > 2]
