"""Trainings of a few steps: both generations, files, columns, attributes, trainers that users derive."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.yolo.pose import PosePredictor, PoseTrainer, PoseValidator
from ultralytics.nn.tasks import PoseModel, load_checkpoint

Args = dict[str, Any]
METRICS = [f"metrics/{m}({k})" for k in "BP" for m in ("precision", "recall", "mAP50", "mAP50-95")]


@pytest.fixture
def args(dotted: Path, tmp_path: Path) -> Args:
    return {
        "data": str(dotted),
        "imgsz": 64,
        "epochs": 1,
        "batch": 3,
        "nbs": 3,
        "workers": 0,
        "device": "cpu",
        "plots": False,
        "verbose": False,
        "pretrained": False,
        "project": str(tmp_path),
        "name": "run",
    }


def columns(folder: Path) -> list[str]:
    with (folder / "results.csv").open(newline="") as file:
        return next(csv.reader(file))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("yolo11n-pose.yaml", ["box_loss", "pose_loss", "kobj_loss", "cls_loss", "dfl_loss"]),
        (
            "yolo26n-pose.yaml",
            ["box_loss", "pose_loss", "kobj_loss", "cls_loss", "l1_loss", "rle_loss"],
        ),
    ],
)
def test_a_run_of_each_generation(
    name: str, losses: list[str], narrow_file: Any, args: Args
) -> None:
    trainer = PoseTrainer(overrides=args | {"model": narrow_file(name)})
    trainer.train()
    train, val = ([f"{part}/{loss}" for loss in losses] for part in ("train", "val"))
    rates = [column for column in columns(trainer.save_dir) if column.startswith("lr/")]
    assert columns(trainer.save_dir) == ["epoch", "time", *train, *METRICS, *val, *rates]
    with (trainer.save_dir / "results.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert all(math.isfinite(float(value)) for value in row.values())
    assert list(trainer.loss_names) == losses
    network, ckpt = load_checkpoint(trainer.best)
    assert isinstance(network, PoseModel)
    assert list(network.kpt_shape) == [3, 3]
    assert network.kpt_names == {0: ["0", "1", "2"]}
    assert network.task == "pose"
    assert ckpt["train_args"]["task"] == "pose"


@pytest.mark.parametrize("name", ["yolo11n-pose.yaml", "yolo26n-pose.yaml"])
def test_one_batch_is_learnt(name: str, narrow_file: Any, learn: Any, dotted: Path) -> None:
    torch.manual_seed(0)
    settings = get_cfg(overrides={"task": "pose", "imgsz": 64, "epochs": 10})
    data = check_det_dataset(dotted)
    made = build_yolo_dataset(settings, data["val"], 2, data, mode="val")
    batch = made.collate_fn([made[4], made[4]])
    batch["img"] = batch["img"].float() / 255
    model = PoseModel(narrow_file(name), nc=1, data_kpt_shape=(3, 3), verbose=False)
    model.args = settings
    losses = learn(model, batch)
    assert all(math.isfinite(value) for step in losses for value in step.values())
    for kind in ("sum", "box_loss", "pose_loss", "cls_loss"):
        assert losses[-1][kind] < 0.8 * losses[0][kind], kind


class LoudTrainer(PoseTrainer):
    """As users derive one: another network, another validator, extra losses at hand."""

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
        model = super().get_model(cfg, weights, verbose)
        model.made_here = True
        return model

    def get_validator(self) -> Any:
        validator = super().get_validator()
        assert isinstance(validator, PoseValidator)
        self.seen_names = list(self.loss_names)
        return validator


def test_trainers_are_derived_as_users_do(narrow_file: Any, args: Args) -> None:
    given = args | {"model": narrow_file("yolo11n-pose.yaml"), "single_cls": True, "val": False}
    trainer = LoudTrainer(overrides=given)
    trainer.train()
    assert trainer.model.made_here
    assert trainer.seen_names[1:3] == ["pose_loss", "kobj_loss"]
    assert trainer.model.names == {0: "item"}
    assert trainer.model.kpt_names == {0: ["0", "1", "2"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo11n-pose.yaml", "yolo26n-pose.yaml"])
def test_a_student_follows_its_teacher(name: str, narrow_file: Any, args: Args) -> None:
    teacher = YOLO(narrow_file(name))
    trainer = PoseTrainer(overrides=args | {"model": narrow_file(name), "distill_model": teacher})
    trainer.train()
    assert trainer.loss_names[-1] == "dis_loss"
    assert trainer.loss_names[:2] == ("box_loss", "pose_loss")
    assert float(trainer.tloss["dis_loss"]) > 0


def test_tolerances_and_names_reach_the_network(
    narrow_file: Any, args: Args, make_dotted: Any
) -> None:
    data = make_dotted(
        extra="kpt_oks_sigmas: [0.1, 0.2, 0.3]\nkpt_names: {0: [red, green, blue]}\n"
    )
    trainer = PoseTrainer(
        overrides=args | {"model": narrow_file("yolo11n-pose.yaml"), "data": str(data)}
    )
    trainer.train()
    assert trainer.model.kpt_oks_sigmas == [0.1, 0.2, 0.3]
    assert trainer.model.kpt_names == {0: ["red", "green", "blue"]}
    assert trainer.validator.sigma.tolist() == [0.1, 0.2, 0.3]
    network, _ = load_checkpoint(trainer.best)
    assert network.kpt_names == {0: ["red", "green", "blue"]}
    assert network.kpt_oks_sigmas == [0.1, 0.2, 0.3]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 5])
def test_other_channel_counts(
    channels: int, narrow_file: Any, args: Args, make_dotted: Any
) -> None:
    data = make_dotted(extra=f"channels: {channels}\n")
    if channels == 5:
        import cv2
        import numpy as np

        for file in (data.parent / "images").rglob("*.png"):
            planes = np.tile(cv2.imread(str(file)), 2)[..., :5].transpose(2, 0, 1)
            cv2.imwritemulti(
                str(file.with_suffix(".tiff")), [np.ascontiguousarray(p) for p in planes]
            )
            file.unlink()
    model = YOLO(narrow_file("yolo11n-pose.yaml"))
    model.train(**args | {"data": str(data)})
    assert model.model.model[0].conv.in_channels == channels
    metrics = model.val(
        data=str(data), imgsz=64, device="cpu", plots=False, workers=0, verbose=False
    )
    assert math.isfinite(metrics.pose.map)
    assert metrics.box.map >= 0


def test_the_facade_knows_the_task(narrow_file: Any) -> None:
    model = YOLO(narrow_file("yolo26n-pose.yaml"))
    assert model.task == "pose"
    roles = model.task_map["pose"]
    assert roles["model"] is PoseModel
    assert (roles["trainer"], roles["validator"], roles["predictor"]) == (
        PoseTrainer,
        PoseValidator,
        PosePredictor,
    )
    image = torch.zeros(1, 3, 64, 64)
    (result,) = model.predict(image, imgsz=64, device="cpu", verbose=False)
    assert result.keypoints is not None
    assert result.keypoints.data.shape[1:] == (17, 3)


def test_augmented_prediction_is_that_of_one_scale(
    narrow_file: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = YOLO(narrow_file("yolo11n-pose.yaml"))
    image = torch.rand(1, 3, 64, 64)
    run = {"imgsz": 64, "device": "cpu", "verbose": False, "conf": 0.001}
    (plain,), (augmented,) = (model.predict(image, augment=flag, **run) for flag in (False, True))
    assert "no augmented inference" in caplog.text
    assert plain.keypoints is not None
    assert augmented.keypoints is not None
    assert torch.equal(plain.keypoints.data, augmented.keypoints.data)


@pytest.mark.slow
def test_pictures_of_a_run(narrow_file: Any, args: Args) -> None:
    trainer = PoseTrainer(
        overrides=args | {"model": narrow_file("yolo11n-pose.yaml"), "plots": True}
    )
    trainer.train()
    curves = [f"{t}{c}_curve.png" for t in ("Box", "Pose") for c in ("PR", "F1", "P", "R")]
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
