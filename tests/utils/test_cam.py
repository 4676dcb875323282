"""Activation maps: the network's answer is unchanged and the map lies where the answer came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.nn.backends.pytorch import PyTorchBackend
from ultralytics.nn.tasks import (
    DetectionModel,
    OBBModel,
    PoseModel,
    SegmentationModel,
    SemanticSegmentationModel,
)
from ultralytics.utils.plotting import class_activation_map, feature_visualization


class Head(nn.Module):
    """Scores of two classes are the brightness of each cell; boxes do not matter."""

    def forward(self, levels: list[Tensor]) -> Tensor:
        cells = torch.cat([level.flatten(2) for level in levels], dim=2)
        boxes = cells.new_zeros(len(cells), 4, cells.shape[2])
        return torch.cat((boxes, cells[:, :1], 0.5 * cells[:, :1]), dim=1)


class Net(nn.Module):
    names = {0: "bright", 1: "less"}
    end2end = False

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.AvgPool2d(8), Head())

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.model[1]([self.model[0](x)])
        return output


@pytest.fixture
def picture() -> Tensor:
    x = torch.full((1, 3, 64, 64), 0.1)
    x[:, :, 8:16, 40:48] = 0.9
    return x


@pytest.mark.parametrize("classes", [None, [1]])
def test_the_map_lies_on_the_bright_cell(
    picture: Tensor, tmp_path: Path, classes: list[int] | None
) -> None:
    net = Net()
    output = class_activation_map(
        net, picture.clone(), ["a/pic.png"], tmp_path, conf=0.3, classes=classes
    )
    assert not output.requires_grad
    assert_close(output, net(picture))
    overlay = cv2.imread(str(tmp_path / "pic_cam.jpg")).astype(int)
    warm = overlay[..., 2] - overlay[..., 0]  # red against blue
    y, x = np.unravel_index(
        cv2.GaussianBlur(warm.astype(np.float32), (9, 9), 0).argmax(), warm.shape
    )
    assert abs(y - 12) <= 6
    assert abs(x - 44) <= 6


def test_names_are_kept_unique_and_one_file_is_written_per_picture(
    picture: Tensor, tmp_path: Path
) -> None:
    both = torch.cat((picture, picture.flip(3)))
    for _ in range(2):
        class_activation_map(Net(), both.clone(), ["a.jpg", "b.jpg"], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a_cam-2.jpg",
        "a_cam.jpg",
        "b_cam-2.jpg",
        "b_cam.jpg",
    ]


@pytest.mark.parametrize("end2end", [False, True])
def test_networks_of_the_library(tmp_path: Path, end2end: bool) -> None:
    torch.manual_seed(0)
    network = DetectionModel("yolo26n.yaml", nc=2, verbose=False)
    backend = PyTorchBackend(network, torch.device("cpu"), end2end=end2end, verbose=False)
    x = torch.rand(1, 3, 64, 64)
    output = class_activation_map(backend.model, x.clone(), ["x.png"], tmp_path)
    with torch.no_grad():
        assert_close(output[0], backend(x)[0], atol=1e-3, rtol=1e-3)
    assert (tmp_path / "x_cam.jpg").is_file()


@pytest.mark.parametrize(
    "build",
    [
        lambda: SegmentationModel("yolo11n-seg.yaml", nc=3, verbose=False),
        lambda: PoseModel("yolo11n-pose.yaml", nc=1, data_kpt_shape=(5, 3), verbose=False),
        lambda: OBBModel("yolo11n-obb.yaml", nc=3, verbose=False),
        lambda: SemanticSegmentationModel("yolo26n-sem.yaml", nc=3, verbose=False),
    ],
)
def test_networks_of_other_tasks(tmp_path: Path, build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net: Any = build().eval()
    picture = torch.rand(1, 3, 64, 64)
    output = class_activation_map(net, picture.clone(), ["p.png"], tmp_path, classes=[0], topk=2)
    assert_close(_tensors(output), _tensors(net(picture)), rtol=1e-4, atol=1e-4)
    overlay = cv2.imread(str(tmp_path / "p_cam.jpg")).astype(int)
    assert len(np.unique(overlay[..., 2] - overlay[..., 0])) > 20  # warm and cold places


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, Tensor):
        return [output.detach()]
    return [tensor for part in output for tensor in _tensors(part)]


def test_feature_maps(tmp_path: Path) -> None:
    feature_visualization(
        torch.rand(2, 5, 4, 4), "ultralytics.nn.modules.conv.Conv", 3, save_dir=tmp_path
    )
    assert np.load(tmp_path / "stage3_Conv_features.npy").shape == (5, 4, 4)
    assert (tmp_path / "stage3_Conv_features.png").is_file()
    feature_visualization(torch.rand(1, 5, 1, 4), "x.Conv", 4, save_dir=tmp_path)
    feature_visualization(torch.rand(1, 5, 4, 4), "x.Detect", 5, save_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
