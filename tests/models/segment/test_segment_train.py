"""Trainings of a few steps: both generations, files, columns, trainers that users derive, resuming, other pictures."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ultralytics import YOLO
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.segment import SegmentationTrainer, SegmentationValidator
from ultralytics.nn.tasks import DetectionModel, SegmentationModel, load_checkpoint
from ultralytics.nn.tasks.checkpoint import read_exact_state

Args = dict[str, Any]
LOSSES = {
    "yolo11n-seg.yaml": ["box_loss", "seg_loss", "cls_loss", "dfl_loss", "sem_loss"],
    "yolo26n-seg.yaml": ["box_loss", "seg_loss", "cls_loss", "l1_loss", "sem_loss"],
}
METRICS = [f"metrics/{m}({k})" for k in "BM" for m in ("precision", "recall", "mAP50", "mAP50-95")]


@pytest.fixture
def args(ellipse_set: Path, tmp_path: Path) -> Args:
    return {
        "data": str(ellipse_set),
        "imgsz": 64,
        "epochs": 1,
        "batch": 4,
        "nbs": 4,
        "workers": 0,
        "device": "cpu",
        "plots": False,
        "verbose": False,
        "pretrained": False,
        "project": str(tmp_path),
        "name": "run",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_a_run_of_each_generation(name: str, narrow_file: Any, args: Args) -> None:
    trainer = SegmentationTrainer(overrides=args | {"model": narrow_file(name)})
    trainer.train()
    with (trainer.save_dir / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    train, val = ([f"{part}/{loss}" for loss in LOSSES[name]] for part in ("train", "val"))
    rates = [column for column in row if column.startswith("lr/")]
    assert list(row) == ["epoch", "time", *train, *METRICS, *val, *rates]
    assert all(math.isfinite(float(value)) for value in row.values())
    assert list(trainer.loss_names) == LOSSES[name]
    network, ckpt = load_checkpoint(trainer.best)
    assert isinstance(network, SegmentationModel)
    assert network.task == ckpt["train_args"]["task"] == "segment"
    assert network.names == {0: "red", 1: "blue"}


class CountingTrainer(SegmentationTrainer):
    """As users derive one: another network, another validator, a look at every batch."""

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
        model = super().get_model(cfg, weights, verbose)
        model.made_here = True
        return model

    def get_validator(self) -> Any:
        validator = super().get_validator()
        assert isinstance(validator, SegmentationValidator)
        self.seen_names = list(self.loss_names)
        return validator

    def preprocess_batch(self, batch: Any) -> Any:
        batch = super().preprocess_batch(batch)
        self.shapes = getattr(self, "shapes", set()) | {tuple(batch["masks"].shape[1:])}
        self.objects = getattr(self, "objects", 0) + len(batch["cls"])
        return batch


@pytest.mark.parametrize(("ratio", "side"), [(4, 16), (1, 64)])
def test_trainers_are_derived_as_users_do(
    ratio: int, side: int, narrow_file: Any, args: Args
) -> None:
    given = args | {"model": narrow_file("yolo11n-seg.yaml"), "mask_ratio": ratio, "val": False}
    trainer = CountingTrainer(overrides=given | {"single_cls": True})
    trainer.train()
    assert trainer.model.made_here
    assert trainer.seen_names == LOSSES["yolo11n-seg.yaml"]
    assert trainer.model.names == {0: "item"}
    assert trainer.shapes == {(side, side)}
    assert trainer.objects > 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo11n-seg.yaml", "yolo26n-seg.yaml"])
def test_a_student_follows_its_teacher(name: str, narrow_file: Any, args: Args) -> None:
    given = args | {"model": narrow_file(name), "distill_model": YOLO(narrow_file(name))}
    trainer = SegmentationTrainer(overrides=given)
    trainer.train()
    assert trainer.loss_names == (*LOSSES[name], "dis_loss")
    assert float(trainer.tloss["dis_loss"]) > 0


def test_the_facade_takes_callbacks_and_a_trainer(narrow_file: Any, args: Args) -> None:
    seen = []
    model = YOLO(narrow_file("yolo11n-seg.yaml"))
    model.add_callback("on_train_batch_end", lambda trainer: seen.append(type(trainer)))
    model.train(**args, trainer=CountingTrainer, overlap_mask=False)
    assert seen == [CountingTrainer] * 2
    assert {shape[-2:] for shape in model.trainer.shapes} == {(16, 16)}
    assert model.trainer.best.is_file()


@pytest.mark.parametrize("name", LOSSES)
def test_one_batch_is_learnt(name: str, narrow_file: Any, learn: Any, ellipse_set: Path) -> None:
    from ultralytics.cfg import get_cfg

    torch.manual_seed(0)
    settings = get_cfg(overrides={"task": "segment", "imgsz": 64, "epochs": 10})
    data = check_det_dataset(ellipse_set)
    made = build_yolo_dataset(settings, data["val"], 2, data, mode="val")
    batch = made.collate_fn([made[0], made[4]])
    batch["img"] = batch["img"].float() / 255
    model = SegmentationModel(narrow_file(name), nc=2, verbose=False)
    model.args = settings
    losses = learn(model, batch)
    assert all(math.isfinite(value) for step in losses for value in step.values())
    for kind in ("sum", "box_loss", "seg_loss", "cls_loss"):
        assert losses[-1][kind] < 0.8 * losses[0][kind], kind


def test_detection_weights_start_a_segmentation_network(narrow_file: Any, tmp_path: Path) -> None:
    """The chain YOLO("yolo11n-seg.yaml").load("yolo11n.pt"): everything but the mask branches comes from the file."""
    detect = YOLO(narrow_file("yolo11n.yaml"))
    assert isinstance(detect.model, DetectionModel)
    file = tmp_path / "yolo11n.pt"
    detect.save(file)
    model = YOLO(narrow_file("yolo11n-seg.yaml")).load(file)
    assert model.task == "segment"
    given, taken = detect.model.state_dict(), model.model.state_dict()
    for key, value in taken.items():
        if re.search(r"\.(proto|cv4)\.", key):
            assert key not in given
        else:
            assert_close(
                value.float(), given[key].float(), rtol=1e-3, atol=1e-4
            )  # the file is half


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 5])
def test_other_channel_counts(
    channels: int, narrow_file: Any, args: Args, ellipse_set: Path, tmp_path: Path
) -> None:
    for file in ellipse_set.parent.rglob("*/*/*"):
        copy = tmp_path / "set" / file.relative_to(ellipse_set.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt" or (file.suffix == ".png" and channels == 1):
            copy.write_bytes(file.read_bytes())
        elif file.suffix == ".png":
            planes = np.tile(cv2.imread(str(file)), 2)[..., :5].transpose(2, 0, 1)
            pages = [np.ascontiguousarray(plane) for plane in planes]
            assert cv2.imwritemulti(str(copy.with_suffix(".tiff")), pages)
    data = tmp_path / "set" / "set.yaml"
    data.write_text(ellipse_set.read_text() + f"channels: {channels}\n")
    model = YOLO(narrow_file("yolo26n-seg.yaml"))
    model.train(**args | {"data": str(data)})
    assert model.model.model[0].conv.in_channels == channels
    metrics = model.val(
        data=str(data), imgsz=64, device="cpu", plots=False, workers=0, verbose=False
    )
    assert math.isfinite(metrics.seg.map)
    assert 0 <= metrics.box.map <= 1
    (result,) = model.predict(
        np.zeros((64, 64, channels), np.uint8), imgsz=64, device="cpu", verbose=False
    )
    assert result.orig_shape == (64, 64)


def test_augmented_prediction_is_that_of_one_scale(
    narrow_file: Any, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    model = YOLO(narrow_file("yolo11n-seg.yaml"))
    image = torch.rand(1, 3, 64, 64)
    run = {"imgsz": 64, "device": "cpu", "verbose": False, "conf": 1e-9}
    (plain,), (augmented,) = (model.predict(image, augment=flag, **run) for flag in (False, True))
    assert "no augmented inference" in caplog.text
    assert plain.masks is not None
    assert augmented.masks is not None
    assert torch.equal(plain.masks.data, augmented.masks.data)


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_same_weights(narrow_file: Any, args: Args) -> None:
    """Polygons, mosaics and masks follow the same random numbers after the break."""
    given = args | {"model": narrow_file("yolo26n-seg.yaml"), "epochs": 3, "close_mosaic": 1}
    given |= {"copy_paste": 0.5, "multi_scale": 0.3}
    whole = SegmentationTrainer(overrides=given | {"name": "whole"})
    whole.train()

    class Stopped(Exception):
        pass

    def stop(trainer: Any) -> None:
        if trainer.epoch == 1:
            raise Stopped

    cut = SegmentationTrainer(overrides=given | {"name": "cut"})
    cut.add_callback("on_train_batch_end", stop)
    with pytest.raises(Stopped):
        cut.train()
    again = SegmentationTrainer(overrides={"model": str(cut.last), "resume": True})
    again.train()
    one, other = (read_exact_state(trainer.last) for trainer in (whole, again))
    assert one is not None
    assert other is not None
    for part in ("model", "ema"):
        for key, value in one[part].items():
            assert torch.equal(value, other[part][key]), key


@pytest.mark.slow
def test_pictures_of_a_run(narrow_file: Any, args: Args) -> None:
    trainer = SegmentationTrainer(
        overrides=args | {"model": narrow_file("yolo11n-seg.yaml"), "plots": True}
    )
    trainer.train()
    curves = [f"{t}{c}_curve.png" for t in ("Box", "Mask") for c in ("PR", "F1", "P", "R")]
    expected = {
        *curves,
        *(f"train_batch{i}.jpg" for i in (0, 1)),
        *(f"val_batch0_{kind}.jpg" for kind in ("labels", "pred")),
        "labels.jpg",
        "results.png",
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
    }
    assert expected <= {p.name for p in trainer.save_dir.iterdir()}


def test_networks_come_from_files_of_either_kind(
    narrow_file: Any, args: Args, tmp_path: Path
) -> None:
    trainer = SegmentationTrainer(overrides=args | {"model": narrow_file("yolo26n-seg.yaml")})
    made = trainer.get_model(cfg=narrow_file("yolo11n-seg.yaml"), verbose=False)
    assert isinstance(made, SegmentationModel)
    assert made.model[-1].nc == 2
    file = tmp_path / "given.pt"
    given = YOLO(narrow_file("yolo11n-seg.yaml"))
    given.save(file)
    for weights in (file, str(file)):
        taken = trainer.get_model(weights=weights, verbose=False)
        assert_close(
            taken.model[0].conv.weight, given.model.model[0].conv.weight, rtol=1e-3, atol=1e-4
        )


def test_a_trainer_without_anything_gives_networks_but_no_training(
    narrow_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = SegmentationTrainer()
    made = trainer.get_model(cfg=narrow_file("yolo26n-seg.yaml"))
    assert isinstance(made, SegmentationModel)
    assert made.model[-1].nc == 80  # as the file says
    with pytest.raises(ConfigValueError, match="train needs a model"):
        trainer.train()
    assert not list(tmp_path.rglob("weights"))


def test_training_says_that_tiles_are_not_for_it(
    narrow_file: Any, args: Args, caplog: pytest.LogCaptureFixture
) -> None:
    SegmentationTrainer(overrides=args | {"model": narrow_file("yolo11n-seg.yaml"), "tile": 64})
    assert "tile has no effect on training" in caplog.text
