"""Prediction of poses: keypoints come back to the pixels of odd-sized pictures, files, drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.pose.conftest import SIZES_HW, draw, scene
from ultralytics.engine.results import Results
from ultralytics.models.yolo.pose import PosePredictor

SIZES = [*SIZES_HW, (63, 65), (333, 127), (90, 511)]


def predictor(tmp_path: Path, model: Any, **settings: Any) -> PosePredictor:
    given = {"imgsz": 128, "device": "cpu", "mode": "predict", "batch": 1, "nms": False}
    given |= {"verbose": False, "save": False, "save_dir": str(tmp_path / "run"), "task": "pose"}
    made = PosePredictor(overrides={**given, **settings})
    made.setup_model(model, verbose=False)
    return made


@pytest.mark.parametrize("rect", [True, False])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_points_come_back_to_a_quarter_of_a_pixel(
    size: tuple[int, int], rect: bool, tmp_path: Path, reader: Any
) -> None:
    box, points = scene(size, np.random.default_rng(size[0]))
    imgsz = 160 if max(size) < 200 else 320
    (result,) = predictor(tmp_path, reader(), rect=rect, imgsz=imgsz)(
        source=draw(size, box, points)
    )
    assert result.keypoints is not None
    assert result.keypoints.data.shape == (1, 3, 3)
    assert np.abs(result.keypoints.xy[0].numpy() - points).max() < 0.25
    fractions = result.keypoints.xyn[0].numpy() * size[::-1]
    np.testing.assert_allclose(fractions, result.keypoints.xy[0], rtol=1e-5)
    assert result.keypoints.conf is not None
    assert result.keypoints.conf[0].tolist() == pytest.approx([0.97] * 3)
    assert result.keypoints.has_visible


def test_points_outside_are_moved_to_the_border(tmp_path: Path, reader: Any) -> None:
    run = predictor(tmp_path, reader())
    run.batch = ["x.jpg"], [], []
    row = torch.tensor([[10.0, 30, 60, 90, 0.9, 0, *(-5, 40, 1), *(140, 100, 0.5), *(64, 0, 0.2)]])
    result = run.construct_result(
        row, torch.zeros(1, 3, 128, 128), np.zeros((64, 128, 3), np.uint8), "x"
    )
    assert result.keypoints is not None
    # the picture is 128 wide and 64 high, so it starts at row 32 of the network input
    assert result.keypoints.xy[0].tolist() == [[0, 8], [128, 64], [64, 0]]
    assert result.keypoints.conf is not None
    assert result.keypoints.conf[0].tolist() == pytest.approx([1, 0.5, 0.2])


@pytest.mark.parametrize("shape", [[3, 3], [4, 2]])
def test_nothing_found(shape: list[int], tmp_path: Path, reader: Any) -> None:
    model = reader()
    model.kpt_shape = shape
    model.forward = lambda im, **_: torch.zeros(len(im), 1, 6 + shape[0] * shape[1])
    (result,) = predictor(tmp_path, model)(source=np.zeros((50, 70, 3), np.uint8))
    assert len(result) == 0
    assert result.keypoints is not None
    assert result.keypoints.data.shape == (0, *shape)
    assert result.keypoints.has_visible is (shape[1] == 3)
    assert result.verbose() == "(no detections), "
    result.save_txt(tmp_path / "none.txt")
    assert not (tmp_path / "none.txt").exists()


def found(tmp_path: Path, reader: Any) -> tuple[Results, Any]:
    box, points = scene((111, 160), np.random.default_rng(3))
    (result,) = predictor(tmp_path, reader())(source=draw((111, 160), box, points))
    return result, points


def test_text_and_tables(tmp_path: Path, reader: Any) -> None:
    result, points = found(tmp_path, reader)
    result.save_txt(tmp_path / "one.txt")
    values = [float(word) for word in (tmp_path / "one.txt").read_text().split()]
    assert len(values) == 5 + 9
    places = np.reshape(values[5:], (3, 3))[:, :2] * (160, 111)
    assert np.abs(places - points).max() < 0.25
    (row,) = result.summary()
    assert set(row["keypoints"]) == {"x", "y", "visible"}
    assert row["keypoints"]["x"] == pytest.approx(points[:, 0], abs=0.25)


def test_slices_keep_boxes_and_points_together(tmp_path: Path, reader: Any) -> None:
    result, _ = found(tmp_path, reader)
    assert len(result[[False]]) == 0
    one = result[0].numpy()
    assert one.keypoints is not None
    assert one.keypoints.xy.shape == (1, 3, 2)


def test_points_are_drawn_at_their_places(tmp_path: Path, reader: Any) -> None:
    result, points = found(tmp_path, reader)
    blank = np.zeros((111, 160, 3), np.uint8)
    with_points = result.plot(img=blank, boxes=False, kpt_radius=3)
    rows, columns = np.nonzero(with_points.any(axis=2))
    drawn = np.stack((columns + 0.5, rows + 0.5), axis=1)
    gaps = np.linalg.norm(drawn[:, None] - points[None], axis=2)
    assert gaps.min(axis=1).max() < 5
    assert (gaps.min(axis=0) < 1.5).all()
