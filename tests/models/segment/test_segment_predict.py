"""Prediction of masks: sizes, where they lie, and which detections are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ultralytics.models.yolo.segment import SegmentationPredictor

from .conftest import COUNT, OBJECTS, SIZES_HW, ellipses

SIDE = 160


@pytest.fixture
def predict(ellipse_set: Path, mask_reader: Any, tmp_path: Path) -> Any:
    def run(source: Any = None, model: Any = None, **settings: Any) -> Any:
        args = {"imgsz": SIDE, "device": "cpu", "mode": "predict", "verbose": False, "nms": False}
        where = {"project": str(tmp_path), "name": "run", "exist_ok": True}
        one = SegmentationPredictor(overrides={**args, **where, **settings})
        given = str(ellipse_set.parent / "images/val") if source is None else source
        return one(given, model or mask_reader())

    return run


def drawn(index: int) -> list[tuple[int, Any]]:
    """Class and pixels of the objects of a picture."""
    found = []
    for cls, outline in ellipses(index):
        mask = np.zeros(SIZES_HW[index], np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        found.append((cls, mask.astype(bool)))
    return found


def overlap(a: Any, b: Any) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("retina", [False, True])
@pytest.mark.parametrize("batch", [1, 7])
def test_masks_lie_on_the_objects(predict: Any, retina: bool, batch: int) -> None:
    results = predict(retina_masks=retina, batch=batch)
    assert len(results) == len(SIZES_HW)
    compared = 0
    for index, result in enumerate(results):
        truth = drawn(index)
        assert len(result) == len(truth)
        if not truth:
            assert result.masks is None
            assert result.boxes.shape == (0, 6)
            continue
        assert result.masks.data.dtype == torch.uint8
        if retina:
            assert result.masks.shape == (len(truth), *SIZES_HW[index])
        else:
            assert result.masks.shape[1] % 32 == result.masks.shape[2] % 32 == 0
        masks = result.masks.at_picture_size().numpy()
        for cls, mask in truth:
            found = masks[result.boxes.cls.numpy() == cls]
            assert max(overlap(mask, one) for one in found) > 0.93
            compared += 1
        for points, fractions in zip(result.masks.xy, result.masks.xyn, strict=True):
            assert points / SIZES_HW[index][::-1] == pytest.approx(fractions)
    assert compared == COUNT


def test_outlines_follow_the_objects(predict: Any) -> None:
    for index, result in enumerate(predict(retina_masks=True)):
        for points, cls in zip(
            result.masks.xy if result.masks else [], result.boxes.cls, strict=True
        ):
            mask = np.zeros(SIZES_HW[index], np.uint8)
            cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
            own = [m for c, m in drawn(index) if c == int(cls)]
            assert max(overlap(mask.astype(bool), m) for m in own) > 0.93


@pytest.mark.parametrize("retina", [False, True])
def test_detections_without_pixels_are_left_out(
    predict: Any, mask_reader: Any, retina: bool
) -> None:
    class Hollow(mask_reader):  # type: ignore[misc]  # a class given by a fixture
        def _read(self, rgb: Any) -> Any:
            rows, protos = super()._read(rgb)
            rows[0, 6:] = 0
            rows[0, 6 + OBJECTS] = -1  # the least sure of all masks
            return rows, protos

    results = predict(model=Hollow(), retina_masks=retina)
    assert sum(len(result) for result in results) == COUNT - len(SIZES_HW) + 1
    for result in results:
        if result.masks is not None:
            assert len(result.masks) == len(result.boxes)
            assert (result.masks.data.sum(dim=(1, 2)) > 0).all()


def test_a_tracker_that_reads_features_gets_every_row(ellipse_set: Path, mask_reader: Any) -> None:
    one = SegmentationPredictor(overrides={"imgsz": SIDE, "device": "cpu", "verbose": False})
    one.setup_model(mask_reader(), verbose=False)
    one.batch = (["x.jpg"], [], [])
    rows = torch.tensor([[10.0, 10, 30, 30, 0.9, 0, 1], [50, 50, 90, 90, 0.8, 1, -1]])
    picture = np.zeros((96, 96, 3), np.uint8)
    image, proto = torch.zeros(1, 3, 96, 96), torch.ones(1, 24, 24)
    for looks, count in ((True, 2), (False, 1)):
        one.observer = SimpleNamespace(looks=looks)
        result = one.construct_result(rows.clone(), image, picture, "x.jpg", proto)
        assert len(result.boxes) == len(result.masks) == count


@pytest.mark.parametrize(
    ("settings", "count"),
    [({"classes": [1]}, COUNT // 2), ({"max_det": 1}, len(SIZES_HW) - 1), ({"conf": 0.95}, 0)],
)
def test_filters(predict: Any, settings: dict[str, Any], count: int) -> None:
    results = predict(**settings)
    assert sum(len(result) for result in results) == count
    assert all((result.masks is None) == (len(result) == 0) for result in results)


def test_tensor_sources(predict: Any) -> None:
    picture = torch.full((1, 3, 96, 128), 0.5)
    picture[0, :, 20:60, 30:90] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    (result,) = predict(picture)
    assert result.masks.shape == (1, 96, 128)
    truth = np.zeros((96, 128), bool)
    truth[20:60, 30:90] = True
    assert overlap(truth, result.masks.data[0].numpy().astype(bool)) > 0.99


def test_written_labels_and_pictures(predict: Any, ellipse_set: Path, tmp_path: Path) -> None:
    predict(save=True, save_txt=True, save_conf=True)
    files = sorted((tmp_path / "run" / "labels").glob("*.txt"))
    assert len(files) == len(SIZES_HW) - 1
    for file in files:
        index = int(file.stem)
        for line in file.read_text().splitlines():
            cls, *numbers, conf = (float(word) for word in line.split())
            assert 0.7 < conf < 0.95
            points = np.reshape(numbers, (-1, 2)) * SIZES_HW[index][::-1]
            mask = np.zeros(SIZES_HW[index], np.uint8)
            cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
            own = [m for c, m in drawn(index) if c == int(cls)]
            assert max(overlap(mask.astype(bool), m) for m in own) > 0.93
    picture = cv2.imread(str(tmp_path / "run" / "0.jpg"))
    plain = cv2.imread(str(ellipse_set.parent / "images/val/0.png"))
    inside = np.any([m for _, m in drawn(0)], axis=0)
    assert np.abs(picture.astype(int) - plain)[inside].mean() > 20
