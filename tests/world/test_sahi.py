"""The package sahi loads our checkpoints as its ultralytics model and cuts pictures for them, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics import YOLO

pytest.importorskip("sahi", reason="needs the package sahi")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (160, 200, 3), np.uint8)


def loaded(file: Path, size: int = 64) -> Any:
    from sahi import AutoDetectionModel

    return AutoDetectionModel.from_pretrained(
        model_type="ultralytics",
        model_path=str(file),
        confidence_threshold=1e-5,
        device="cpu",
        image_size=size,
    )


@pytest.fixture(scope="module", params=["yolo11n.yaml", "yolo11n-seg.yaml", "yolo11n-obb.yaml"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("sahi") / request.param.replace("yaml", "pt")
    YOLO(request.param).save(file)
    return file


@pytest.mark.slow
def test_a_whole_picture_is_predicted_as_we_do(weights: Path) -> None:
    from sahi.predict import get_prediction

    found = get_prediction(picture(), loaded(weights)).object_prediction_list
    # sahi takes RGB pictures, the interface BGR arrays
    bgr = np.ascontiguousarray(picture()[..., ::-1])
    ours = YOLO(weights)(bgr, imgsz=64, conf=1e-5, verbose=False)[0]
    rows = ours.obb if ours.obb is not None else ours.boxes
    assert len(rows) > 0
    scores = np.array([one.score.value for one in found], np.float32)
    assert np.isin(scores, rows.conf.numpy()).all()
    assert scores.max() == rows.conf.numpy().max()


@pytest.mark.slow
def test_slices_cover_the_picture(weights: Path) -> None:
    from sahi.predict import get_sliced_prediction

    found = get_sliced_prediction(
        picture(), loaded(weights), slice_height=96, slice_width=96, verbose=0
    )
    assert found.object_prediction_list
    assert all(one.bbox.area > 0 for one in found.object_prediction_list)
    assert {one.category.name for one in found.object_prediction_list} <= {
        str(i) for i in range(80)
    }
