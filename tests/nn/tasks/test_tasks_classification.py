"""Classification networks as a whole, and the layers that only they use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.errors import ConfigValueError
from ultralytics.nn.modules import Classify, TorchVision
from ultralytics.nn.tasks import (
    ClassificationModel,
    guess_model_task,
    load_checkpoint,
    write_checkpoint,
    yaml_model_load,
)
from ultralytics.nn.tasks.globals import Unknown, resolve

FILES = ("yolov8n-cls.yaml", "yolo11n-cls.yaml", "yolo26n-cls.yaml", "yolov8n-cls-resnet50.yaml")
Content = Callable[..., dict[str, Any]]


def _small_torchvision(**changes: Any) -> dict[str, Any]:
    return {**yaml_model_load("yolo11-cls-resnet18.yaml"), **changes}


def test_head_in_its_three_forms() -> None:
    head = Classify(16, 5)
    x = torch.rand(2, 16, 3, 4)
    assert_close(head.eval()(x)[0], head(x)[1].softmax(1))
    probs, logits = head(x)
    pooled = head.conv(x).mean((2, 3))
    assert_close(logits, pooled @ head.linear.weight.T + head.linear.bias)
    assert_close(probs.sum(1), torch.ones(2))
    head.export = True
    assert_close(head(x), probs)
    assert head.train()(x).shape == (2, 5)


def test_head_joins_several_maps() -> None:
    head = Classify(24, 3).eval()
    parts = [torch.rand(1, 16, 2, 2), torch.rand(1, 8, 2, 2)]
    assert_close(head(parts)[1], head(torch.cat(parts, 1))[1])


def test_a_file_may_name_several_rows_for_the_head(narrow: Content) -> None:
    content = narrow("yolo11n-cls.yaml", nc=3)
    content["head"] = [[[-1, 8], 1, "Classify", ["nc"]]]
    model = ClassificationModel(content, verbose=False).eval()
    assert model(torch.rand(1, 3, 64, 64))[0].shape == (1, 3)


@pytest.mark.parametrize("name", FILES)
def test_folding_changes_nothing(name: str, narrow: Content) -> None:
    model = ClassificationModel(narrow(name), nc=4, verbose=False).double().eval()
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)[1]
        assert_close(model.fuse(verbose=False)(x)[1], expected, rtol=1e-10, atol=1e-10)


def test_normalisation_keeps_the_constants_of_torch(narrow: Content) -> None:
    model = ClassificationModel(narrow("yolo11n-cls.yaml"), nc=2, verbose=False)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-5, 0.1)}


def test_facts_of_a_network(narrow: Content) -> None:
    model = ClassificationModel(narrow("yolo26n-cls.yaml", nc=3), verbose=False)
    assert model.stride.tolist() == [1.0]
    assert model.names == {0: "0", 1: "1", 2: "2"}
    assert guess_model_task(model.yaml) == guess_model_task(model) == "classify"
    assert not model.end2end


def test_class_count_comes_from_the_call_else_from_the_file(narrow: Content) -> None:
    content = narrow("yolo11n-cls.yaml")
    assert ClassificationModel(content, nc=7, verbose=False).model[-1].linear.out_features == 7
    assert content["nc"] == 7
    with pytest.raises(ConfigValueError, match="number of classes"):
        ClassificationModel(narrow("yolo11n-cls.yaml", nc=None), verbose=False)


@pytest.mark.parametrize("name", ["yolo11n-cls.yaml", "yolov8n-cls-resnet50.yaml"])
def test_channels_of_the_file_win(name: str, narrow: Content) -> None:
    for content, given, expected in ((narrow(name), 1, 1), (narrow(name, channels=5), 3, 5)):
        model = ClassificationModel(content, ch=given, nc=2, verbose=False)
        assert model.yaml["channels"] == expected
        assert next(model.parameters()).shape[1] == expected


@pytest.mark.parametrize(
    ("network", "last"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Linear(8, 10)), lambda m: m[-1].out_features),
        (
            nn.Sequential(nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 10), nn.ReLU())),
            lambda m: m[0][2].out_features,
        ),
        (
            nn.Sequential(nn.Sequential(nn.Dropout(), nn.Conv2d(8, 10, 1), nn.AvgPool2d(2))),
            lambda m: m[0][1].out_channels,
        ),
    ],
    ids=["linear", "classifier", "convolution"],
)
def test_new_outputs_of_other_networks(network: nn.Module, last: Callable[[Any], int]) -> None:
    before = list(network.parameters())
    ClassificationModel.reshape_outputs(network, 10)
    assert all(a is b for a, b in zip(before, network.parameters(), strict=True))
    ClassificationModel.reshape_outputs(network, 4)
    assert last(network) == 4


def test_new_outputs_of_our_networks(narrow: Content) -> None:
    model = ClassificationModel(narrow("yolo11n-cls.yaml"), nc=5, verbose=False).eval()
    ClassificationModel.reshape_outputs(model, 2)
    assert model(torch.rand(1, 3, 32, 32))[0].shape == (1, 2)


def test_torchvision_networks_start_at_random_and_lose_their_last_parts() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    ours = TorchVision("resnet18").eval()
    torch.manual_seed(0)
    theirs = resnet18(weights=None).eval()
    x = torch.rand(1, 3, 64, 64)
    expected = nn.Sequential(*list(theirs.children())[:-2])
    assert_close(ours(x), expected(x))
    steps = TorchVision("resnet18", split=True).eval()(x)
    assert len(steps) == 9
    assert steps[0] is x
    assert steps[-1].shape == (1, 512, 2, 2)


def test_torchvision_networks_can_stay_whole() -> None:
    whole = TorchVision("swin_t", None, False).eval()
    assert isinstance(whole.m.head, nn.Identity)


def test_unknown_torchvision_networks_are_refused_with_the_row() -> None:
    row = [-1, 1, "TorchVision", [512, "resnet19", None, True, 2]]
    with pytest.raises(ConfigValueError, match=r"row 0.*resnet19"):
        ClassificationModel(_small_torchvision(backbone=[row]), nc=2, verbose=False)


def test_files_with_torchvision_networks_open_again(tmp_path: Path) -> None:
    row = [-1, 1, "TorchVision", [576, "mobilenet_v3_small", None, True, 2]]
    model = ClassificationModel(_small_torchvision(backbone=[row]), nc=2, verbose=False)
    write_checkpoint({"model": model, "train_args": {}}, tmp_path / "m.pt")
    opened, _ = load_checkpoint(tmp_path / "m.pt")
    x = torch.rand(1, 3, 64, 64)
    assert_close(opened(x)[1], model.eval()(x)[1])


@pytest.mark.parametrize(
    "name",
    [
        "torchvision.models.resnet.conv1x1",
        "torchvision.models.resnet.ResNet18_Weights",
        "torchvision.models.resnet.Conv2d",
        "torchvision.models._api.import_module",
        "torchvision.ops.misc.os",
    ],
)
def test_only_layers_of_torchvision_are_names_of_a_file(name: str) -> None:
    with pytest.raises(Unknown):
        resolve(*name.rsplit(".", 1))
