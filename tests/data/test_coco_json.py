"""COCO annotation files and mask pictures as labels. The expected rows are those of the specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from ultralytics.data.converter import convert_coco, convert_segment_masks_to_yolo_seg
from ultralytics.errors import DatasetError

TWO_PARTS = [
    [50.0, 10.0, 60.0, 10.0, 60.0, 30.0, 50.0, 30.0],
    [80.0, 10.0, 90.0, 10.0, 90.0, 30.0, 80.0, 30.0],
]


def entry(category: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": 7, "category_id": category, "bbox": box, "iscrowd": 0, **more}


def write_json(folder: Path, annotations: list[dict[str, Any]], **more: Any) -> None:
    folder.mkdir(exist_ok=True)
    images = [
        {"id": 7, "file_name": "sub/a.jpg", "width": 100, "height": 50, "coco_url": "x"},
        {"id": 8, "file_name": "b.jpg", "width": 100, "height": 50, "coco_url": "x"},
    ]
    content = {"images": images, "annotations": annotations, **more}
    (folder / "instances_val.json").write_text(json.dumps(content))


def converted(tmp_path: Path, annotations: list[dict[str, Any]], **options: Any) -> list[str]:
    write_json(tmp_path / "json", annotations, **options.pop("content", {}))
    convert_coco(tmp_path / "json", tmp_path / "out", **options)
    assert not list((tmp_path / "out").rglob("b.txt"))  # an image without objects
    file = tmp_path / "out" / "labels" / "val" / "sub" / "a.txt"
    return file.read_text().splitlines() if file.exists() else []


SAME = entry(1, [10, 10, 20, 20])


def test_boxes(tmp_path: Path) -> None:
    skipped = [entry(1, [1, 1, 0, 5]), entry(1, [1, 1, 5, 5], iscrowd=1)]
    rows = converted(tmp_path, [SAME, SAME, entry(90, [50, 10, 40, 20]), *skipped])
    assert rows == ["0 0.2 0.4 0.2 0.4", "79 0.7 0.4 0.4 0.4"]


def test_outlines(tmp_path: Path) -> None:
    rows = converted(
        tmp_path,
        [SAME, SAME, entry(90, [50, 10, 40, 20], segmentation=TWO_PARTS)],
        use_segments=True,
    )
    assert rows == [
        "0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6",
        "79 0.6 0.2 0.6 0.6 0.5 0.6 0.5 0.2 0.6 0.2 0.8 0.2 0.9 0.2 0.9 0.6 0.8 0.6 0.8 0.2",
    ]


def test_run_lengths_become_outlines(tmp_path: Path) -> None:
    mask = np.zeros((50, 100), np.uint8)
    mask[10:21, 20:41] = 1
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    part = {"counts": counts, "size": [50, 100]}
    (row,) = converted(tmp_path, [entry(1, [20, 10, 21, 11], segmentation=part)], use_segments=True)
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (100, 50)
    assert points.min(0) == pytest.approx([20, 10])
    assert points.max(0) == pytest.approx([40, 20])


def test_keypoints(tmp_path: Path) -> None:
    seen = entry(1, [10, 10, 20, 20], keypoints=[50, 25, 2, 0, 0, 0])
    unseen = entry(1, [10, 10, 20, 20], keypoints=[0, 0, 0, 0, 0, 0])
    rows = converted(tmp_path, [seen, unseen], use_keypoints=True)
    assert rows == ["0 0.2 0.4 0.2 0.4 0.5 0.5 2 0 0 0"]


@pytest.mark.parametrize(
    ("ids", "cls91to80", "classes"),
    [
        ([1, 2], False, ["0", "1"]),
        ([1, 90], True, ["0", "79"]),
        ([0, 5], False, ["0", "1"]),
        ([12, 300], True, ["0", "1"]),
    ],
)
def test_class_numbers(tmp_path: Path, ids: list[int], cls91to80: bool, classes: list[str]) -> None:
    boxes = [entry(i, [10, 10, 20 + n, 20]) for n, i in enumerate(ids)]
    categories = {"categories": [{"id": i, "name": f"kind {i}"} for i in ids]}
    rows = converted(tmp_path, boxes, cls91to80=cls91to80, content=categories)
    assert [row.split()[0] for row in rows] == classes
    names = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["names"]
    assert names == {int(c): f"kind {i}" for c, i in zip(classes, ids, strict=True)}


def test_lvis_names_come_from_the_address(tmp_path: Path) -> None:
    folder = tmp_path / "json"
    folder.mkdir()
    url = "http://images.cocodataset.org/train2017/000001.jpg"
    image = {"id": 7, "coco_url": url, "width": 100, "height": 50}
    content = {"images": [image], "annotations": [SAME]}
    (folder / "lvis_v1_train.json").write_text(json.dumps(content))
    convert_coco(folder, tmp_path / "out", lvis=True, cls91to80=False)
    label = tmp_path / "out" / "labels" / "train2017" / "000001.txt"
    assert label.read_text() == "0 0.2 0.4 0.2 0.4\n"
    assert (tmp_path / "out" / "train.txt").read_text() == "./images/train2017/000001.jpg\n"


def test_other_files_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no \.json file"):
        convert_coco(tmp_path / "json", tmp_path / "out")
    (tmp_path / "json" / "a.json").write_text("[]")
    with pytest.raises(DatasetError, match="no COCO annotation file"):
        convert_coco(tmp_path / "json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_masks(tmp_path: Path) -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[2:6, 3:9] = 1
    mask[8, 15] = 9
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "m.png"), mask)
    cv2.imwrite(str(tmp_path / "masks" / "none.png"), mask * 0)
    convert_segment_masks_to_yolo_seg(tmp_path / "masks", tmp_path / "out", classes=2)
    assert (tmp_path / "out" / "m.txt").read_text() == "0 0.15 0.2 0.15 0.5 0.4 0.5 0.4 0.2\n"
    assert (tmp_path / "out" / "none.txt").read_text() == ""
    with pytest.raises(FileNotFoundError, match="no mask pictures"):
        convert_segment_masks_to_yolo_seg(tmp_path, tmp_path / "out", classes=2)
