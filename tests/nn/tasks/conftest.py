"""Small networks for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ultralytics.nn.tasks import DetectionModel, yaml_model_load

NARROW = {"n": [0.33, 0.125, 128], "x": [0.33, 0.25, 128]}


@pytest.fixture
def narrow() -> Callable[..., dict[str, Any]]:
    """Content of a model file with few channels."""

    def content(name: str = "yolo11n.yaml", **changes: Any) -> dict[str, Any]:
        return {**yaml_model_load(name), "scales": NARROW, **changes}

    return content


def settle(model: nn.Module) -> None:
    """Statistics as after training; a fresh network hardly depends on its input."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 2.0)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.1, 0.5)


@pytest.fixture
def build(narrow: Callable[..., dict[str, Any]]) -> Callable[..., DetectionModel]:
    """A small detection model by the name of its file."""

    def make(
        name: str = "yolo11n.yaml", nc: int = 4, ch: int = 3, **changes: Any
    ) -> DetectionModel:
        model = DetectionModel(narrow(name, **changes), ch=ch, nc=nc, verbose=False)
        settle(model)
        return model

    return make
