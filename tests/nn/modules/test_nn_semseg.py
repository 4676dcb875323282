"""The semantic head in both designs: outputs by mode, exported forms, the class-gated projection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.nn.modules import Conv, SemanticSegment
from ultralytics.nn.modules.head.context import gated_projection

CHANNELS = (16, 32, 64)


def levels(count: int, batch: int = 2, size: int = 8) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, c, size >> i, size >> i) for i, c in enumerate(CHANNELS[:count])]


def plain(nc: int = 5, count: int = 2) -> SemanticSegment:
    torch.manual_seed(0)
    return SemanticSegment(nc, list(CHANNELS[:count])).eval()


def context(nc: int = 5, channel: bool = True) -> SemanticSegment:
    torch.manual_seed(0)
    return SemanticSegment(nc, 8, 16, channel, CHANNELS).eval()


def test_plain_head_gives_a_pair_in_training_only() -> None:
    made = plain()
    assert made(levels(2)).shape == (2, 5, 8, 8)
    main, auxiliary = made.train()(levels(2))
    assert main.shape == (2, 5, 8, 8)
    assert auxiliary.shape == (2, 5, 4, 4)


def test_plain_head_with_one_level_has_no_second_output() -> None:
    made = plain(count=1)
    assert made.aux_head is None
    assert made.train()(levels(1)).shape == (2, 5, 8, 8)


@pytest.mark.parametrize(
    ("nc", "form", "bakes", "expected"),
    [
        (5, None, False, torch.float32),
        (5, "onnx", False, torch.uint8),
        (5, "engine", False, torch.float32),
        (5, "engine", True, torch.uint8),
        (1, "openvino", False, torch.uint8),
        (300, "mnn", False, torch.int32),
    ],
)
def test_exported_output(nc: int, form: str | None, bakes: bool, expected: torch.dtype) -> None:
    made = plain(nc)
    logits = made(levels(2))
    made.export, made.format, made.bake_argmax = True, form, bakes
    out = made(levels(2))
    enlarged = nn.functional.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
    assert out.dtype == expected
    if expected == torch.float32:
        assert_close(out, enlarged)
    else:
        truth = enlarged.argmax(1) if nc > 1 else enlarged[:, 0] > 0
        assert (out == truth).all()


def test_context_head_enlarges_to_the_input() -> None:
    made = context()
    logits = made(levels(3))
    assert logits.shape == (2, 5, 64, 64)
    made.export, made.format = True, "onnx"
    assert (made(levels(3)) == logits.argmax(1)).all()
    auxiliary, main = made.train()(levels(3))
    assert auxiliary.shape == main.shape == (2, 5, 64, 64)


def test_arguments_may_be_named_or_in_the_order_of_either_design() -> None:
    assert not SemanticSegment(nc=3, ch=CHANNELS[:2]).has_context
    fourth = SemanticSegment(3, 8, 16, CHANNELS)
    named = SemanticSegment(nc=3, ns=8, npr=16, ch=CHANNELS)
    assert list(fourth.state_dict()) == list(named.state_dict())
    assert "channel_conv" in fourth._modules
    assert "channel_conv" not in context(channel=False)._modules


def outer(layer: Conv, features: Tensor, shares: Tensor) -> Tensor:
    """The projection with the product written out."""
    product = features[:, :, None] * shares[:, None]
    return layer(product.flatten(1, 2))


@pytest.mark.parametrize("classes", [1, 3, 19])
@pytest.mark.parametrize("training", [False, True])
def test_gated_projection_equals_the_product(classes: int, training: bool) -> None:
    torch.manual_seed(1)
    layer = Conv(6 * classes, 4, 1).double().train(training)
    features, shares = torch.rand(2, 6, 5, 3).double(), torch.rand(2, classes, 5, 3).double()
    inputs = [features.requires_grad_(), shares.requires_grad_(), layer.conv.weight]
    results = [f(layer, features, shares) for f in (gated_projection, outer)]
    slopes = [torch.autograd.grad(y.square().sum(), inputs) for y in results]
    assert_close(*results)
    for one, other in zip(*slopes, strict=True):
        assert_close(one, other)
    with torch.no_grad():
        assert_close(gated_projection(layer, features, shares), outer(layer, features, shares))


def test_gated_projection_of_a_fused_layer() -> None:
    torch.manual_seed(1)
    layer = Conv(12, 4, 1).eval()
    features, shares = torch.rand(1, 4, 3, 3), torch.rand(1, 3, 3, 3)
    before = outer(layer, features, shares)
    from ultralytics.utils.torch_utils.fusion import fuse_conv_and_bn

    layer.conv = fuse_conv_and_bn(layer.conv, layer.bn)
    del layer.bn
    assert_close(gated_projection(layer, features, shares), before)


# Specification chapter 11, section D: fills and figures of both variants at scale n.
GOLDEN = {
    False: [(0.229454521, 0.0025798374), (0.188075973, 0.0232449282)],
    True: [(0.212191018, -0.0799777456), (0.229794796, -0.108144682)],
}


def fill(model: nn.Module) -> None:
    state = model.state_dict()
    for number, name in enumerate(sorted(state)):
        value = state[name]
        if not value.is_floating_point() or "dfl.conv" in name:
            continue
        drawn = np.random.RandomState(number).standard_normal(tuple(value.shape))
        if name.endswith("running_var"):
            drawn = 1 + 0.1 * np.abs(drawn)
        elif value.ndim > 1:
            drawn = drawn * math.sqrt(2 / np.prod(value.shape[1:]))
        else:
            drawn = 0.1 * drawn + (1 if name.endswith(".weight") else 0)
        state[name] = torch.from_numpy(np.asarray(drawn)).reshape(value.shape)
    model.load_state_dict(state)


@pytest.mark.parametrize("channel", [False, True])
def test_published_figures(channel: bool) -> None:
    from ultralytics.nn.tasks import SemanticModel, yaml_model_load

    content: dict[str, Any] = yaml_model_load("yolo11n-semseg.yaml")  # Any: content of a model file
    content["head"][-1][-1] += [] if channel else [False]
    model = SemanticModel(content, verbose=False).double()
    fill(model)
    model.eval()
    model.model[-1].training = True
    image = np.random.RandomState(12345).random_sample((1, 3, 128, 192))
    with torch.no_grad():
        auxiliary, main = model(torch.from_numpy(image))
    for map_, (size, element) in zip((main, auxiliary), GOLDEN[channel], strict=True):
        assert map_.abs().mean().item() == pytest.approx(size, rel=1e-7)
        assert map_.flatten()[map_.numel() // 2].item() == pytest.approx(element, rel=1e-7)
