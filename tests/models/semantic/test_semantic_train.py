"""Training of class maps: runs of a few steps with both networks, weights of classes, users' subclasses, refusals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.drawn import SIZES, drawn_map
from ultralytics import YOLO
from ultralytics.errors import NotAvailable
from ultralytics.models.yolo.semseg import SemanticSegmentationTrainer
from ultralytics.nn.tasks import SemanticModel, SemanticSegmentationModel, yaml_model_load

NARROW = {"n": [0.33, 0.125, 128]}


def narrow(name: str, folder: Path) -> str:
    """A model file with few channels."""
    from ultralytics.utils import YAML

    content = {**yaml_model_load(name), "scales": NARROW}
    content.pop("yaml_file")
    YAML.save(folder / name, content)
    return str(folder / name)


def settings(folder: Path, data: Path, **more: Any) -> dict[str, Any]:
    given = {"data": str(data), "imgsz": 64, "epochs": 2, "batch": 2, "nbs": 2, "device": "cpu"}
    given |= {"plots": False, "verbose": False, "pretrained": False, "project": str(folder)}
    return {**given, "name": "run", "workers": 0, **more}


LOSSES = {
    "yolo26n-sem.yaml": ["ce_loss", "dice_loss", "aux_loss"],
    "yolo11n-semseg.yaml": ["loss"],
}
KINDS = {"yolo26n-sem.yaml": SemanticSegmentationModel, "yolo11n-semseg.yaml": SemanticModel}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_a_short_run(tmp_path: Path, drawn_set: Path, name: str) -> None:
    trainer = SemanticSegmentationTrainer(
        overrides=settings(tmp_path, drawn_set, model=narrow(name, tmp_path), plots=True)
    )
    trainer.train()
    rows = list(csv.DictReader((tmp_path / "run" / "results.csv").read_text().splitlines()))
    assert len(rows) == 2
    assert list(rows[0])[: 4 + 2 * len(LOSSES[name])] == [
        *("epoch", "time"),
        *(f"train/{loss}" for loss in LOSSES[name]),
        *("metrics/mIoU", "metrics/pixel_acc"),
        *(f"val/{loss}" for loss in LOSSES[name]),
    ]
    files = {file.name for file in (tmp_path / "run").iterdir()}
    assert {"labels.jpg", "train_batch0.jpg", "val_batch0_pred.jpg", "results.png"} <= files
    assert {"iou_bar_chart.png", "confusion_matrix.png"} <= files
    again = YOLO(tmp_path / "run" / "weights" / "best.pt")
    assert type(again.model) is KINDS[name]
    assert again.task == "semantic"
    assert again.names == {0: "red", 1: "green", 2: "blue"}
    metrics = again.val(imgsz=64, device="cpu", plots=False, verbose=False, project=str(tmp_path))
    assert 0 <= metrics.semseg.precision <= 1
    assert metrics.semseg.IoU == pytest.approx(trainer.metrics["metrics/mIoU"], abs=1e-5)


@pytest.mark.slow
def test_polygons_train_with_a_background(tmp_path: Path, drawn_set: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "labels" / split).mkdir(parents=True)
        for i in range(len(SIZES)):
            text = "0 0.1 0.1 0.6 0.1 0.6 0.6 0.1 0.6\n1 0.6 0.6 0.9 0.6 0.9 0.9 0.6 0.9\n"
            (tmp_path / "labels" / split / f"{i}.txt").write_text(text)
    (tmp_path / "masks").rename(tmp_path / "away")
    drawn_set.write_text(
        drawn_set.read_text()
        .replace("masks_dir: masks\n", "")
        .replace("[red, green, blue]", "[a, b]")
    )
    given = settings(tmp_path, drawn_set, epochs=1, model=narrow("yolo26n-sem.yaml", tmp_path))
    trainer = SemanticSegmentationTrainer(overrides=given)
    trainer.train()
    assert trainer.model.names == {0: "a", 1: "b", 2: "background"}
    metrics = YOLO(trainer.best).val(imgsz=64, device="cpu", plots=False, verbose=False)
    assert len(metrics.nt_per_class) == 3
    assert (metrics.nt_per_class > 0).all()


class Prepared(SemanticSegmentationTrainer):
    """A trainer whose parts are made, and nothing is trained."""

    def prepare(self) -> None:
        self._setup_train()


def test_weights_of_rare_classes(tmp_path: Path, drawn_set: Path) -> None:
    model = narrow("yolo26n-sem.yaml", tmp_path)
    trainer = Prepared(overrides=settings(tmp_path, drawn_set, model=model, cls_pw=0.5))
    trainer.prepare()
    counts = sum(
        np.bincount(drawn_map(i, *size).ravel(), minlength=3) for i, size in enumerate(SIZES)
    )
    assert trainer.get_class_counts().tolist() == counts.tolist()
    raw = (1 / np.log(1.02 + counts / counts.sum())) ** 0.5
    assert trainer.model.class_weights.tolist() == pytest.approx((raw / raw.mean()).tolist())
    criterion = trainer.model.init_criterion()
    assert torch.equal(criterion.class_weight, trainer.model.class_weights)
    assert trainer.loss_names == ("ce_loss", "dice_loss", "aux_loss")
    assert trainer.batch_size == 2
    assert trainer.test_loader.batch_size == 2


def test_users_change_network_and_data(tmp_path: Path, drawn_set: Path) -> None:
    class Mine(Prepared):
        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            model = super().get_model(cfg, weights, verbose)
            model.mine = True
            return model

        def build_dataset(self, img_path: Any, mode: str = "train", batch: Any = None) -> Any:
            dataset = super().build_dataset(img_path, mode, batch)
            dataset.transforms.insert(0, lambda sample: {**sample, "seen": 1})
            return dataset

    model = narrow("yolo11n-semseg.yaml", tmp_path)
    trainer = Mine(overrides=settings(tmp_path, drawn_set, model=model))
    trainer.prepare()
    assert trainer.model.mine
    assert trainer.loss_names == ("loss",)
    batch = next(iter(trainer.train_loader))
    assert batch["seen"] == (1, 1)
    prepared = trainer.preprocess_batch(batch)
    loss, items = trainer.model(prepared)
    assert torch.isfinite(loss)
    assert set(items) == {"loss"}


def test_single_cls_is_refused(tmp_path: Path, drawn_set: Path) -> None:
    with pytest.raises(NotAvailable, match="single_cls"):
        SemanticSegmentationTrainer(
            overrides=settings(tmp_path, drawn_set, model="yolo26n-sem.yaml", single_cls=True)
        )


def test_the_facade_knows_both_names() -> None:
    for name, kind in KINDS.items():
        for task in (None, "semseg", "semantic"):
            model = YOLO(name, task=task)
            assert type(model.model) is kind
            assert model.task == "semantic"


def test_weights_of_a_detector_start_a_semantic_network(tmp_path: Path) -> None:
    detector = YOLO("yolo11n.yaml")
    detector.save(tmp_path / "yolo11n.pt")
    model = YOLO("yolo11n-semseg.yaml").load(tmp_path / "yolo11n.pt")
    first = detector.model.model[0].conv.weight.half().float()
    assert torch.equal(model.model.model[0].conv.weight, first)


def test_gray_and_many_channels(tmp_path: Path, drawn_set: Path) -> None:
    for file in (drawn_set.parent / "images").rglob("*.png"):
        cv2.imwrite(str(file), cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2GRAY))
    with drawn_set.open("a") as stream:
        stream.write("channels: 1\n")
    model = narrow("yolo26n-sem.yaml", tmp_path)
    trainer = Prepared(overrides=settings(tmp_path, drawn_set, model=model))
    trainer.prepare()
    batch = trainer.preprocess_batch(next(iter(trainer.train_loader)))
    assert batch["img"].shape == (2, 1, 64, 64)
    assert torch.isfinite(trainer.model(batch)[0])
