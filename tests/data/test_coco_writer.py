"""Label files as COCO JSON: pycocotools reads it, and converting back gives the same rows."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.conftest import write_image, write_label
from ultralytics.data.converter import convert_coco, convert_yolo_to_coco
from ultralytics.errors import ConfigValueError, DatasetError

SIZE_HW = (50, 100)


def described(tmp_path: Path, text: str, more: str = "") -> Path:
    image = write_image(tmp_path / "images" / "val" / "a.png", SIZE_HW)
    write_image(tmp_path / "images" / "val" / "empty.png", (20, 30))
    write_label(image, text)
    file = tmp_path / "set.yaml"
    file.write_text(f"train: images/val\nval: images/val\nnames: [a, b]\n{more}")
    return file


def there_and_back(tmp_path: Path, data: Path, **options: bool) -> list[str]:
    folder = convert_yolo_to_coco(data).parent
    convert_coco(folder, tmp_path / "back", cls91to80=False, **options)
    files = list((tmp_path / "back" / "labels").rglob("*.txt"))
    assert [file.name for file in files] == ["a.txt"]
    return files[0].read_text().splitlines()


def test_boxes(tmp_path: Path) -> None:
    rows = ["0 0.2 0.4 0.2 0.4", "1 0.7 0.4 0.4 0.4"]
    assert there_and_back(tmp_path, described(tmp_path, "\n".join(rows))) == rows
    content = json.loads((tmp_path / "annotations" / "instances_val.json").read_text())
    assert [(i["file_name"], i["width"], i["height"]) for i in content["images"]] == [
        ("a.png", 100, 50),
        ("empty.png", 30, 20),
    ]
    assert content["annotations"][1] == {
        "id": 2,
        "image_id": 1,
        "category_id": 2,
        "bbox": [50.0, 10.0, 40.0, 20.0],
        "area": 800.0,
        "iscrowd": 0,
    }
    assert content["categories"] == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def test_outlines(tmp_path: Path) -> None:
    rows = ["1 0.1 0.2 0.5 0.2 0.5 0.6"]
    assert there_and_back(tmp_path, described(tmp_path, rows[0]), use_segments=True) == rows
    content = json.loads((tmp_path / "annotations" / "instances_val.json").read_text())
    assert content["annotations"][0]["segmentation"] == [[10, 10, 50, 10, 50, 30]]
    assert content["annotations"][0]["area"] == 400  # half of 40 x 20


def test_keypoints(tmp_path: Path) -> None:
    row = "0 0.2 0.4 0.2 0.4 0.1 0.2 2 0 0 0 0.3 0.6 1"
    data = described(tmp_path, row, "kpt_shape: [3, 3]\n")
    assert convert_yolo_to_coco(data).name == "person_keypoints_val.json"
    assert there_and_back(tmp_path, data, use_keypoints=True) == [row]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of its own
def test_pycocotools_reads_it(tmp_path: Path) -> None:
    tools: Any = pytest.importorskip("pycocotools.coco")
    file = convert_yolo_to_coco(described(tmp_path, "1 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6"))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = tools.COCO(str(file))
    mask = coco.annToMask(coco.anns[1])
    assert mask.shape == SIZE_HW
    assert np.argwhere(mask).min(0).tolist() == [10, 10]
    assert mask.sum() == pytest.approx(40 * 20, rel=0.05)


def test_bad_rows_are_left_out(tmp_path: Path) -> None:
    rows = there_and_back(tmp_path, described(tmp_path, "0 0.2 0.4 0.2 0.4\n7 0.5 0.5 0.1 0.1"))
    assert rows == ["0 0.2 0.4 0.2 0.4"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    data = described(tmp_path, "")
    with pytest.raises(ConfigValueError, match="no split 'test'"):
        convert_yolo_to_coco(data, split="test")
    with pytest.raises(ConfigValueError, match="80 classes"):
        convert_yolo_to_coco(data, cls80to91=True)
    for file in (tmp_path / "images" / "val").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(DatasetError, match="no usable image"):
        convert_yolo_to_coco(data)
