"""Training of rotated boxes: samples, runs of a few steps, users' subclasses, bad labels."""

from __future__ import annotations

import csv
import logging
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from shapely.geometry import Polygon, box
from torch import nn

from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.yolo.obb import OBBTrainer, OBBValidator
from ultralytics.nn.tasks import OBBModel

from .conftest import COLOURS, covered, overlap

SIDE = 320


def settings(tilted: Path, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """Arguments of a run that takes seconds."""
    given = {"model": "yolo11n-obb.yaml", "data": str(tilted), "imgsz": 64, "epochs": 1}
    given |= {"batch": 2, "nbs": 2, "device": "cpu", "workers": 0, "plots": False}
    given |= {"verbose": False, "pretrained": False, "project": str(tmp_path), "name": "run"}
    return {**given, **changes}


def rectangles_in(picture: np.ndarray, channel: int) -> list[Polygon]:
    """Smallest rectangles around the parts of an RGB picture that are full of one channel."""
    other = picture[1].astype(int)
    mask = (picture[channel].astype(int) - other > 127).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for contour in contours:
        (cx, cy), (w, h), degrees = cv2.minAreaRect(contour.astype(np.float32) + 0.5)
        found.append(covered((cx, cy, w + 1, h + 1, math.radians(degrees))))
    return found


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_augmented_labels_stay_on_their_objects(tilted: Path, mosaic: float) -> None:
    """Whatever the transforms do, each label is the rectangle of what can be seen."""
    args = get_cfg(
        overrides={
            "task": "obb",
            "imgsz": SIDE,
            "mosaic": mosaic,
            "degrees": 40.0,
            "scale": 0.3,
            "flipud": 0.5,
            "hsv_h": 0.0,
            "hsv_s": 0.0,
            "hsv_v": 0.0,
        }
    )
    data = check_det_dataset(str(tilted))
    dataset = build_yolo_dataset(args, data["train"], 2, data, mode="train", stride=32)
    whole = box(2, 2, SIDE - 2, SIDE - 2)
    checked = 0
    for index in range(3 * len(dataset)):
        sample = dataset[index % len(dataset)]
        picture = sample["img"].numpy()
        scale = torch.tensor([SIDE, SIDE, SIDE, SIDE, 1])
        boxes = sample["bboxes"] * scale
        assert ((boxes[:, 4] >= -math.pi / 4) & (boxes[:, 4] < 3 * math.pi / 4)).all()
        for label, place in zip(sample["cls"].flatten().tolist(), boxes.tolist(), strict=True):
            wanted = covered(place)
            if min(place[2:4]) < 16 or not whole.contains(wanted):
                continue
            seen = rectangles_in(picture, 0 if label == 0 else 2)
            assert max(overlap(wanted, one) for one in seen) > 0.9
            checked += 1
    assert checked > 10


@pytest.mark.slow
def test_a_run_and_its_files(tilted: Path, tmp_path: Path) -> None:
    class Small(OBBTrainer):
        def get_model(
            self, cfg: Any = None, weights: Any = None, verbose: bool = True
        ) -> nn.Module:
            model = super().get_model(cfg, weights, verbose)
            assert isinstance(model, OBBModel)
            return model

    trainer = Small(overrides=settings(tilted, tmp_path, save_json=True))
    trainer.train()
    assert trainer.args.task == "obb"
    assert isinstance(trainer.validator, OBBValidator)
    with trainer.csv.open() as stream:
        (row,) = csv.DictReader(stream)
    columns = [name.strip() for name in row]
    losses = ("box_loss", "cls_loss", "dfl_loss", "angle_loss")
    assert [name for name in columns if "loss" in name] == [
        f"{phase}/{name}" for phase in ("train", "val") for name in losses
    ]
    assert all(math.isfinite(float(value)) for value in row.values())
    assert trainer.test_loader.batch_size == trainer.train_loader.batch_size

    model = YOLO(trainer.best)
    assert model.task == "obb"
    metrics = model.val(data=str(tilted), imgsz=64, device="cpu", plots=False, workers=0)
    assert 0 <= metrics.box.map <= metrics.box.map50 <= 1
    assert metrics.results_dict["fitness"] == metrics.box.map
    (result,) = model.predict(np.zeros((70, 90, 3), np.uint8), imgsz=64, conf=0.0, verbose=False)
    assert result.obb.xywhr.shape[1] == 5


@pytest.mark.slow
def test_both_branches_learn(tilted: Path, tmp_path: Path) -> None:
    run = settings(tilted, tmp_path, model="yolo26n-obb.yaml", single_cls=True)
    trainer = OBBTrainer(overrides=run)
    trainer.train()
    assert trainer.loss_names == ("box_loss", "cls_loss", "l1_loss", "angle_loss")
    assert all(math.isfinite(float(value)) for value in trainer.metrics.values())
    assert trainer.model.nc == 1
    model = YOLO(trainer.last)
    for nms in (None, False):
        (result,) = model.predict(
            np.zeros((64, 64, 3), np.uint8), imgsz=64, conf=0.0, nms=nms, verbose=False
        )
        assert result.obb.data.shape[1] == 7


@pytest.mark.slow
def test_a_student_follows_its_teacher(tilted: Path, tmp_path: Path) -> None:
    run = settings(tilted, tmp_path, model="yolo11n-obb.yaml", epochs=1)
    trainer = OBBTrainer(overrides=run | {"distill_model": YOLO("yolo11n-obb.yaml")})
    trainer.train()
    assert trainer.loss_names == ("box_loss", "cls_loss", "dfl_loss", "angle_loss", "dis_loss")
    assert float(trainer.tloss["dis_loss"]) > 0


def test_augmented_inference_runs_at_one_scale(caplog: pytest.LogCaptureFixture) -> None:
    model = OBBModel("yolov8n-obb.yaml", nc=2, verbose=False).eval()
    picture = torch.rand(1, 3, 64, 64)
    plain = model(picture)[0]
    with caplog.at_level(logging.WARNING):
        augmented = model(picture, augment=True)[0]
    torch.testing.assert_close(augmented, plain)
    assert "no augmented inference" in caplog.text


def test_boxes_are_no_labels_of_this_task(painted: Path, tmp_path: Path) -> None:
    trainer = OBBTrainer(overrides=settings(painted, tmp_path))
    with pytest.raises(ValueError, match="task obb needs a polygon for every object"):
        trainer.train()


DEGENERATE = {
    "point": "0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5",
    "line": "0.2 0.2 0.4 0.4 0.6 0.6 0.8 0.8",
    "upright-line": "0.5 0.1 0.5 0.3 0.5 0.6 0.5 0.9",
    "twice-the-same-corner": "0.2 0.2 0.2 0.2 0.6 0.2 0.6 0.6",
    "bow-tie": "0.2 0.2 0.6 0.6 0.6 0.2 0.2 0.6",
    "beyond-the-border": "-0.05 0.4 0.3 0.2 0.4 0.5 0.05 0.7",
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_corners_do_no_harm(tmp_path: Path, name: str) -> None:
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (tmp_path / part / split).mkdir(parents=True)
        for index in range(2):
            canvas = np.full((64, 64, 3), 120, np.uint8)
            cv2.rectangle(canvas, (10, 10), (40, 30), COLOURS[0], -1)
            cv2.imwrite(str(tmp_path / "images" / split / f"{index}.png"), canvas)
            good = "0.16 0.16 0.64 0.16 0.64 0.48 0.16 0.48"
            text = f"0 {good}\n0 {DEGENERATE[name]}\n"
            (tmp_path / "labels" / split / f"{index}.txt").write_text(text)
    (tmp_path / "d.yaml").write_text("train: images/train\nval: images/val\nnames: [red]\n")
    data = check_det_dataset(str(tmp_path / "d.yaml"))
    model = OBBModel("yolo11n-obb.yaml", nc=1, verbose=False)
    model.args = args = get_cfg(overrides={"task": "obb", "imgsz": 64})
    for mode in ("train", "val"):
        dataset = build_yolo_dataset(args, data[mode], 2, data, mode=mode, stride=32)
        batch = dataset.collate_fn([dataset[0], dataset[1]])
        assert batch["bboxes"].isfinite().all()
        assert len(batch["cls"]) >= 2
        loss, items = model.loss({**batch, "img": batch["img"].float() / 255})
        loss.sum().backward()
        assert all(value.isfinite() for value in items.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
