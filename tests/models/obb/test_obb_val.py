"""Validation of rotated boxes end to end, on a detector that reads turned rectangles off the pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.yolo.obb import OBBValidator

from .conftest import CONF, SIZES_HW, TiltDetector, covered, objects_of, overlap

SIDE = 160
COUNT = 2 * (len(SIZES_HW) - 1)
Make = Callable[..., OBBValidator]


@pytest.fixture
def validator(tilted: Path, tmp_path: Path) -> Make:
    def make(**settings: Any) -> OBBValidator:
        args = {
            "data": str(tilted),
            "imgsz": SIDE,
            "batch": 2,
            "device": "cpu",
            "workers": 0,
            "plots": False,
            "mode": "val",
        }
        return OBBValidator(args=args | settings, save_dir=tmp_path / "run")

    return make


def polygon(values: list[float]) -> Any:  # Any: a shapely polygon
    from shapely.geometry import Polygon

    return Polygon(np.reshape(values, (4, 2)))


def truth_of(name: str) -> dict[int, Any]:
    """Polygons of a picture by class."""
    return {thing.label: thing.polygon for thing in objects_of(int(Path(name).stem))}


def test_a_perfect_detector(validator: Make) -> None:
    one = validator()
    assert one.args.conf == 0.01
    assert one.args.task == "obb"
    stats = one(model=TiltDetector())
    assert stats is not None
    assert set(stats) == {*one.metrics.keys, "fitness"}
    assert stats["metrics/mAP50(B)"] == pytest.approx(0.995)
    assert stats["metrics/mAP50-95(B)"] > 0.98
    assert one.confusion_matrix.matrix.tolist() == [[4, 0, 0], [0, 4, 0], [0, 0, 0]]
    assert one.metrics.nt_per_class.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("turn", "low", "high"),
    [
        pytest.param(math.pi, 0.98, 1, id="half-turn"),
        pytest.param(-3 * math.pi, 0.98, 1, id="whole-turns"),
        pytest.param(math.pi / 2, 0, 0.25, id="quarter-turn"),
        pytest.param(0.15, 0.5, 0.95, id="a-little"),
    ],
)
def test_angles_count(validator: Make, turn: float, low: float, high: float) -> None:
    stats = validator()(model=TiltDetector(turn))
    assert stats is not None
    assert low <= stats["metrics/mAP50-95(B)"] <= high


def test_one_class(validator: Make) -> None:
    one = validator(single_cls=True)
    stats = one(model=TiltDetector())
    assert stats is not None
    assert stats["metrics/mAP50(B)"] == pytest.approx(0.995)
    assert one.metrics.nt_per_class[0] == COUNT


def test_rows_of_the_json_file(validator: Make) -> None:
    one = validator(save_json=True, conf=0.7)
    stats = one(model=TiltDetector())
    assert not any("mAP_" in key for key in stats or {})
    rows = json.loads((one.save_dir / "predictions.json").read_text())
    assert len(rows) == COUNT
    assert not (one.save_dir / "predictions_txt").exists()
    for row in rows:
        assert [*row] == ["image_id", "file_name", "category_id", "score", "rbox", "poly"]
        assert row["score"] == pytest.approx(CONF)
        assert overlap(covered(row["rbox"]), polygon(row["poly"])) > 0.999
        wanted = truth_of(row["file_name"])[row["category_id"] - 1]
        assert overlap(polygon(row["poly"]), wanted) > 0.99
        assert polygon(row["poly"]).centroid.distance(wanted.centroid) < 0.25


def test_label_files_give_back_the_objects(validator: Make, tilted: Path, tmp_path: Path) -> None:
    """What `save_txt` writes is a data set again, with the same objects."""
    one = validator(save_txt=True, save_conf=False, conf=0.7)
    one(model=TiltDetector())
    folder = tmp_path / "again"
    (folder / "labels").mkdir(parents=True)
    (folder / "images").symlink_to(tilted.parent / "images" / "val")
    for file in (one.save_dir / "labels").iterdir():
        (folder / "labels" / file.name).write_text(file.read_text())
    description = folder / "again.yaml"
    description.write_text("train: images\nval: images\nnames: [red, blue]\n")
    data = check_det_dataset(str(description))
    dataset = build_yolo_dataset(one.args, data["val"], 2, data, mode="val", stride=32)
    assert len(dataset) == len(SIZES_HW)
    seen = 0
    for index in range(len(dataset)):
        sample = dataset[index]
        height, width = sample["img"].shape[1:]
        scale = torch.tensor([width, height, width, height, 1])
        (gain_y, gain_x), (left, top) = sample["ratio_pad"]
        wanted = truth_of(sample["im_file"])
        assert sorted(sample["cls"].flatten().tolist()) == sorted(wanted)
        for label, box in zip(
            sample["cls"].flatten().tolist(), sample["bboxes"] * scale, strict=True
        ):
            corners = np.array(covered(box.tolist()).exterior.coords)[:4]
            corners = (corners - (left, top)) / (gain_x, gain_y)
            assert overlap(polygon(corners.ravel().tolist()), wanted[label]) > 0.99
            seen += 1
    assert seen == COUNT


def test_confidences_in_label_files(validator: Make) -> None:
    one = validator(save_txt=True, save_conf=True, conf=0.7)
    one(model=TiltDetector())
    rows = [np.loadtxt(file, ndmin=2) for file in (one.save_dir / "labels").iterdir()]
    assert {row.shape[1] for row in rows} == {10}
    assert np.concatenate(rows)[:, 9] == pytest.approx(CONF)


@pytest.mark.slow
def test_pictures(validator: Make) -> None:
    one = validator(plots=True, visualize=True)
    one(model=TiltDetector())
    names = {file.name for file in one.save_dir.iterdir()}
    assert {"val_batch0_labels.jpg", "val_batch0_pred.jpg", "BoxPR_curve.png"} <= names
    assert {"confusion_matrix.png", "confusion_matrix_normalized.png"} <= names
    assert len(list((one.save_dir / "visualizations").iterdir())) == len(SIZES_HW)


def test_dota_files(tilted: Path, tmp_path: Path) -> None:
    """Tiles of a picture are put together; a class name with a space gets a hyphen."""
    folder = tmp_path / "DOTA"
    for part in ("images", "labels"):
        (folder / part / "val").mkdir(parents=True)
    for name in ("P1__128__0___0", "P1__128__100___40", "P2"):
        source = tilted.parent / "images" / "val" / "0.png"
        (folder / "images" / "val" / f"{name}.png").write_bytes(source.read_bytes())
        label = (tilted.parent / "labels" / "val" / "0.txt").read_text()
        (folder / "labels" / "val" / f"{name}.txt").write_text(label)
    (folder / "d.yaml").write_text("train: images/val\nval: images/val\nnames: [big red, blue]\n")
    model = TiltDetector()
    model.names = {0: "big red", 1: "blue"}
    args = {
        "data": str(folder / "d.yaml"),
        "imgsz": SIDE,
        "batch": 2,
        "device": "cpu",
        "workers": 0,
    }
    more = {"plots": False, "mode": "val", "save_json": True, "conf": 0.7}
    one = OBBValidator(args=args | more, save_dir=tmp_path / "run")
    one(model=model)
    assert {file.name for file in (one.save_dir / "predictions_txt").iterdir()} == {
        "Task1_big-red.txt",
        "Task1_blue.txt",
    }
    tiles = (one.save_dir / "predictions_txt" / "Task1_blue.txt").read_text().splitlines()
    assert [line.split()[0] for line in tiles] == ["P1__128__0___0", "P1__128__100___40", "P2"]
    whole = (one.save_dir / "predictions_merged_txt" / "Task1_blue.txt").read_text().splitlines()
    assert [line.split()[0] for line in whole] == ["P1", "P1", "P2"]
    first, second, _ = (np.array(line.split()[2:], float).reshape(4, 2) for line in whole)
    np.testing.assert_allclose(second - first, np.tile((100, 40), (4, 1)), atol=0.002)
    np.testing.assert_allclose(first.ravel(), [float(v) for v in tiles[0].split()[2:]], atol=0.03)


def test_users_subclass_the_validator(validator: Make, tilted: Path, tmp_path: Path) -> None:
    class Counting(OBBValidator):
        boxes = 0

        def update_metrics(self, preds: Any, batch: Any) -> None:
            Counting.boxes += sum(len(pred["cls"]) for pred in preds)
            assert all(pred["bboxes"].shape[1] == 5 for pred in preds)
            super().update_metrics(preds, batch)

    args = {**vars(validator(conf=0.7).args)}
    Counting(args=args, save_dir=tmp_path / "own")(model=TiltDetector())
    assert Counting.boxes == COUNT
