"""Prediction of rotated boxes on pictures of odd sizes, and its results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon

from ultralytics.engine.results import Results
from ultralytics.models.yolo.obb import OBBPredictor

from .conftest import SIZES_HW, TiltDetector, covered, objects_of, overlap


def predict(tilted: Path, tmp_path: Path, turn: float = 0.0, **settings: Any) -> list[Results]:
    given = {"imgsz": 160, "conf": 0.25, "device": "cpu", "mode": "predict", "task": "obb"}
    given |= {"batch": 1, "rect": True, "verbose": False, "save": False}
    given |= {"save_dir": str(tmp_path / "run")}
    predictor = OBBPredictor(overrides={**given, **settings})
    predictor.setup_model(TiltDetector(turn), verbose=False)
    return predictor(str(tilted.parent / "images" / "val"))


@pytest.mark.parametrize("rect", [True, False])
@pytest.mark.parametrize("imgsz", [160, 320, 640])
def test_drawn_rectangles_come_back(tilted: Path, tmp_path: Path, imgsz: int, rect: bool) -> None:
    found = predict(tilted, tmp_path, imgsz=imgsz, rect=rect)
    assert [result.orig_shape for result in found] == SIZES_HW
    assert len(found[-1].obb) == 0
    for index, result in enumerate(found):
        wanted = {thing.label: thing for thing in objects_of(index)}
        assert sorted(result.obb.cls.tolist()) == sorted(wanted)
        for box, corners, label in zip(
            result.obb.xywhr, result.obb.xyxyxyxy, result.obb.cls, strict=True
        ):
            truth = wanted[int(label)].polygon
            assert overlap(Polygon(corners.tolist()), covered(box.tolist())) > 0.999
            assert Polygon(corners.tolist()).centroid.distance(truth.centroid) < 0.25
            assert overlap(Polygon(corners.tolist()), truth) > 0.99


@pytest.mark.parametrize("turns", [-3, 2])
def test_angles_are_in_one_range(tilted: Path, tmp_path: Path, turns: int) -> None:
    plain = predict(tilted, tmp_path)
    turned = predict(tilted, tmp_path, turn=turns * math.pi)
    for one, other in zip(plain, turned, strict=True):
        assert (
            (other.obb.xywhr[:, 4] >= -math.pi / 4) & (other.obb.xywhr[:, 4] < 3 * math.pi / 4)
        ).all()
        np.testing.assert_allclose(other.obb.xywhr, one.obb.xywhr, atol=1e-4)


def test_fields_of_a_result(tilted: Path, tmp_path: Path) -> None:
    result = predict(tilted, tmp_path)[0]
    height, width = SIZES_HW[0]
    assert result.boxes is None
    np.testing.assert_allclose(
        result.obb.xyxyxyxyn.numpy() * (width, height), result.obb.xyxyxyxy, rtol=1e-5
    )
    corners = result.obb.xyxyxyxy
    np.testing.assert_allclose(result.obb.xyxy[:, :2], corners.amin(dim=1))
    np.testing.assert_allclose(result.obb.xyxy[:, 2:], corners.amax(dim=1))
    assert result.verbose() == "1 red, 1 blue, "
    assert [*result.summary()[0]["box"]] == ["x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"]


def test_files_of_a_run(tilted: Path, tmp_path: Path) -> None:
    predict(tilted, tmp_path, save=True, save_txt=True, save_crop=True)
    run = tmp_path / "run"
    assert {file.name for file in run.glob("*.jpg")} == {f"{i}.jpg" for i in range(len(SIZES_HW))}
    assert {file.name for file in (run / "labels").iterdir()} == {f"{i}.txt" for i in range(4)}
    assert np.loadtxt(run / "labels" / "0.txt").shape == (2, 9)
    assert {folder.name for folder in (run / "crops").iterdir()} == {"red", "blue"}


def test_only_some_classes(tilted: Path, tmp_path: Path) -> None:
    found = predict(tilted, tmp_path, classes=[1])
    assert [result.obb.cls.tolist() for result in found] == [[1.0]] * 4 + [[]]
