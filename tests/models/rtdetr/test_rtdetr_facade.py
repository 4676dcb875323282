"""RT-DETR from the facade: who does the work, and where boxes end up."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ultralytics import RTDETR, YOLO
from ultralytics.models.rtdetr import RTDETRPredictor, RTDETRTrainer, RTDETRValidator
from ultralytics.models.rtdetr.rows import select_rows
from ultralytics.models.rtdetr.val import RTDETRDataset
from ultralytics.nn import tasks
from ultralytics.utils.yaml_io import YAML

NARROW = {"n": [0.33, 0.125, 128]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model file with few channels and a small decoder."""
    content = {**tasks.yaml_model_load("yolov8n-rtdetr.yaml"), "scales": NARROW, "nc": 2}
    content["head"] = copy.deepcopy(content["head"])
    content["head"][-1][3] = ["nc", 32, 20, 2, 4, 2, 48]
    for key in ("yaml_file", "scale"):
        content.pop(key)
    path = tmp_path_factory.mktemp("files") / "yolov8n-rtdetr-small.yaml"
    YAML.save(path, content)
    return str(path)


@pytest.fixture(scope="module")
def trained(file: str, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> RTDETR:
    model = RTDETR(file)
    model.train(
        data=str(painted),
        imgsz=64,
        epochs=1,
        batch=4,
        device="cpu",
        workers=0,
        plots=False,
        verbose=False,
        project=str(tmp_path_factory.mktemp("runs")),
    )
    return model


def test_the_facade_is_chosen_by_the_last_layer(file: str, trained: RTDETR) -> None:
    for made in (YOLO(file), YOLO(trained.trainer.best), YOLO(trained), RTDETR(file)):
        assert type(made) is RTDETR
        assert made.task == "detect"
        assert made._smart_load("predictor") is RTDETRPredictor
    assert type(YOLO("yolo11n.yaml")) is YOLO


def test_training_writes_its_losses_and_a_file_that_opens(trained: RTDETR) -> None:
    trainer = trained.trainer
    assert isinstance(trainer, RTDETRTrainer)
    assert isinstance(trainer.validator, RTDETRValidator)
    header = trainer.csv.read_text().splitlines()[0]
    assert "train/giou_loss,train/cls_loss,train/l1_loss" in header
    assert "val/giou_loss,val/cls_loss,val/l1_loss" in header
    assert isinstance(trainer.train_loader.dataset, RTDETRDataset)
    again = RTDETR(trainer.best)
    assert again.names == trained.names
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert_close(again.model(x)[0], trained.model.eval()(x)[0])


def test_images_are_stretched(trained: RTDETR) -> None:
    dataset = trained.trainer.test_loader.dataset
    picture = np.zeros((30, 90, 3), np.uint8)
    assert dataset._resized(picture, *dataset._loading_mode()).shape == (64, 64, 3)
    sample = dataset[0]
    assert sample["img"].shape == (3, 64, 64)
    assert not dataset.rect


def test_rows_are_left_out_and_never_suppressed() -> None:
    rows = torch.tensor(
        [
            [
                [0.5, 0.5, 0.2, 0.4, 0.9, 1.0],
                [0.5, 0.5, 0.2, 0.4, 0.8, 1.0],  # the same place again stays
                [0.3, 0.3, 0.2, 0.2, 0.7, 0.0],
                [0.4, 0.4, 0.2, 0.2, 0.2, 1.0],
            ]
        ]
    )
    kept, numbers = select_rows((rows, None), 0.25, None, 300)
    assert numbers[0].tolist() == [0, 1, 2]
    assert_close(kept[0][0], torch.tensor([0.4, 0.3, 0.6, 0.7, 0.9, 1.0]))
    assert select_rows(rows, 0.25, [1], 300)[1][0].tolist() == [0, 1]
    assert select_rows(rows, 0.1, [1], 2)[1][0].tolist() == [0, 1]
    assert len(select_rows(rows, 0.95, None, 300)[0][0]) == 0


def test_boxes_are_fractions_of_the_picture(
    trained: RTDETR, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = torch.tensor([[[0.5, 0.25, 0.2, 0.1, 0.9, 1.0], [0.95, 0.5, 0.3, 0.2, 0.8, 0.0]]])
    model = RTDETR(trained)
    picture = np.random.default_rng(0).integers(0, 255, (50, 200, 3), dtype=np.uint8)
    model.predictor = None
    model.predict(picture, imgsz=64, verbose=False, device="cpu")
    predictor = model.predictor
    seen: list[torch.Size] = []

    def inference(im: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(im.shape)
        return answer.clone(), None

    monkeypatch.setattr(predictor, "inference", inference)
    (result,) = model.predict(picture, imgsz=64, verbose=False, device="cpu")
    assert seen == [(1, 3, 64, 64)]
    wanted = torch.tensor([[80.0, 10, 120, 15], [160, 20, 200, 30]])  # the second is clipped
    assert_close(result.boxes.xyxy, wanted)
    assert result.boxes.conf.tolist() == pytest.approx([0.9, 0.8])
    assert result.boxes.cls.tolist() == [1, 0]


def test_validation_counts_perfect_answers(
    trained: RTDETR, painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels given back as answers are all found, also in original pixels."""
    made: list[RTDETRValidator] = []

    class Told(RTDETRValidator):
        def preprocess(self, batch: Any) -> Any:
            made.append(self)
            self.batch = batch
            return super().preprocess(batch)

        def postprocess(self, preds: Any) -> Any:
            images = len(self.batch["img"])
            rows = torch.zeros(images, 5, 6)
            for image in range(images):
                own = self.batch["batch_idx"] == image
                rows[image, : own.sum(), :4] = self.batch["bboxes"][own].cpu()
                rows[image, : own.sum(), 4] = 0.9
                rows[image, : own.sum(), 5] = self.batch["cls"][own].flatten().cpu()
            return super().postprocess((rows, None))

    found = trained.val(
        validator=Told,
        data=str(painted),
        imgsz=96,
        plots=False,
        verbose=False,
        device="cpu",
        project=str(tmp_path),
    )
    assert found.box.map == pytest.approx(0.995, abs=1e-3)
    assert found.coco.ap == pytest.approx(1.0, abs=1e-3)
    assert not made[0].dataloader.dataset.rect


def test_wide_pictures_are_measured_in_their_own_pixels(trained: RTDETR, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"images/{split}/a.png"), np.zeros((40, 160, 3), np.uint8))
        (tmp_path / f"labels/{split}/a.txt").write_text("1 0.5 0.25 0.25 0.5\n")
    file = tmp_path / "wide.yaml"
    file.write_text(f"path: {tmp_path}\ntrain: images/train\nval: images/val\nnames: [a, b]\n")
    seen: list[Any] = []

    class Watching(RTDETRValidator):
        def _prepare_batch(self, si: int, batch: Any) -> Any:
            prepared = super()._prepare_batch(si, batch)
            seen.append(
                (prepared["bboxes"].clone(), self.scale_preds(prepared, prepared)["bboxes"])
            )
            return prepared

    trained.val(
        validator=Watching, data=str(file), imgsz=64, plots=False, device="cpu", verbose=False
    )
    ((inside, original),) = seen
    assert_close(inside, torch.tensor([[24.0, 0, 40, 32]]))
    assert_close(original, torch.tensor([[60.0, 0, 100, 20]]))


def test_embeddings_and_tracking_work_like_those_of_detectors(trained: RTDETR) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    assert trained.embed(picture, imgsz=64, verbose=False)[0].ndim == 1
    results = trained.track(picture, imgsz=64, verbose=False, persist=True)
    assert len(results) == 1
