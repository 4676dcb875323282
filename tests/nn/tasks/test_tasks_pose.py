"""Pose networks as a whole: shape of the keypoints, folding, checkpoints, weight transfer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics.nn.modules import Pose, Pose26
from ultralytics.nn.tasks import (
    DetectionModel,
    PoseModel,
    guess_model_task,
    load_checkpoint,
    write_checkpoint,
)
from ultralytics.utils.loss import E2ELoss, PoseLoss26, v8PoseLoss

FILES = ("yolov8n-pose.yaml", "yolo11n-pose.yaml", "yolo26n-pose.yaml")
Content = Callable[..., dict[str, Any]]


@pytest.fixture
def small(narrow: Content) -> Callable[..., PoseModel]:
    def make(name: str = "yolo11n-pose.yaml", **kwargs: Any) -> PoseModel:
        torch.manual_seed(0)
        return PoseModel(narrow(name), verbose=False, **kwargs)

    return make


@pytest.mark.parametrize("name", [*FILES, "yolov8n-pose-p6.yaml"])
def test_names_and_heads_tell_the_task(name: str, small: Callable[..., PoseModel]) -> None:
    assert guess_model_task(name) == "pose"
    assert guess_model_task(small(name)) == "pose"


@pytest.mark.parametrize("name", FILES)
def test_folding_changes_nothing(name: str, small: Callable[..., PoseModel]) -> None:
    model = small(name, nc=2, data_kpt_shape=(3, 3)).double().eval()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)[0]
        assert_close(model.fuse(verbose=False)(x)[0], expected, rtol=1e-9, atol=1e-9)
    assert model.is_fused()
    assert getattr(model.model[-1], "flow_model", None) is None


def test_the_shape_of_the_data_wins(
    small: Callable[..., PoseModel], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        model = small(data_kpt_shape=[4, 2], nc=1)
    assert "kpt_shape=[17, 3] with kpt_shape=[4, 2]" in caplog.text
    assert list(model.kpt_shape) == list(model.yaml["kpt_shape"]) == [4, 2]
    assert model.eval()(torch.rand(1, 3, 32, 32))[0].shape[1] == 4 + 1 + 8


def test_without_a_shape_the_file_decides(
    small: Callable[..., PoseModel], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        model = small()
        same = small(data_kpt_shape=(17, 3))
    assert "kpt_shape" not in caplog.text
    assert list(model.kpt_shape) == list(same.kpt_shape) == [17, 3]


@pytest.mark.parametrize(
    ("name", "kind", "loss"),
    [("yolo11n-pose.yaml", Pose, v8PoseLoss), ("yolo26n-pose.yaml", Pose26, PoseLoss26)],
)
def test_each_generation_has_its_loss(
    name: str, kind: type[Pose], loss: type[v8PoseLoss], small: Callable[..., PoseModel]
) -> None:
    model = small(name)
    model.args = {}  # type: ignore[assignment]  # nothing is read while the criterion is made
    criterion = model.init_criterion()
    assert type(model.model[-1]) is kind
    if isinstance(criterion, E2ELoss):
        assert type(criterion.one2many) is type(criterion.one2one) is loss
        assert criterion.one2one.assigner.topk2 == 1
        assert "rle_loss" in criterion.one2one.loss_names
    else:
        assert type(criterion) is loss


@pytest.mark.parametrize("name", FILES)
def test_checkpoints_keep_the_network(
    name: str, small: Callable[..., PoseModel], tmp_path: Path
) -> None:
    model = small(name, nc=1, data_kpt_shape=(4, 3)).eval()
    file = tmp_path / "pose.pt"
    write_checkpoint({"model": model, "train_args": {"task": "pose"}}, file)
    read, _ = load_checkpoint(file)
    assert type(read) is PoseModel
    assert list(read.kpt_shape) == [4, 3]
    assert type(read.model[-1]).__module__ == "ultralytics.nn.modules.head"
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert_close(read.eval()(x)[0], model(x)[0])


def test_detection_weights_start_a_pose_network(
    small: Callable[..., PoseModel], narrow: Content
) -> None:
    torch.manual_seed(5)
    source = DetectionModel(narrow("yolo11n.yaml"), nc=1, verbose=False)
    target = small(nc=1, data_kpt_shape=(4, 3))
    points = target.model[-1].cv4[0][0].conv.weight.clone()  # type: ignore[index,union-attr]
    target.load(source, verbose=False)
    given, own = source.state_dict(), target.state_dict()
    assert all(torch.equal(own[key], given[key]) for key in given)
    assert torch.equal(target.model[-1].cv4[0][0].conv.weight, points)  # type: ignore[index,union-attr]


def test_augmented_inference_runs_at_one_scale(
    small: Callable[..., PoseModel], caplog: pytest.LogCaptureFixture
) -> None:
    model = small(nc=1, data_kpt_shape=(4, 3)).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad(), caplog.at_level(logging.WARNING):
        assert_close(model(x, augment=True)[0], model(x)[0])
    assert "no augmented inference" in caplog.text
