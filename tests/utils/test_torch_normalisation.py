"""Statistics of channels-last maps against double precision, gradients against the plain layer, plain copies."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.utils.torch_utils.normalisation import (
    ChannelsLastBatchNorm2d,
    channel_statistics,
    to_channels_last,
)

CPU = torch.device("cpu")
SHAPES = [(8, 16, 96, 96), (16, 64, 40, 40), (3, 5, 7, 9), (2, 300, 4, 4), (1, 3, 1, 2)]


def maps(shape: Any, seed: int = 0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3 + 2
    return x.contiguous(memory_format=torch.channels_last)


def pair(channels: int, **settings: Any) -> tuple[nn.BatchNorm2d, nn.Module]:
    """A plain layer in double precision and the one under test, with the same weights."""
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(channels, **settings)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return copy.deepcopy(layer).double(), to_channels_last(nn.Sequential(layer), CPU)[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_are_exact(shape: Any) -> None:
    x = maps(shape)
    var, mean = torch.var_mean(x.double(), (0, 2, 3), unbiased=False)
    found = channel_statistics(x)
    assert_close(found[0].double(), mean, rtol=2e-6, atol=1e-6)
    assert_close(found[1].double(), var, rtol=2e-6, atol=0)


@pytest.mark.parametrize("momentum", [0.03, None])
@pytest.mark.parametrize("shape", SHAPES)
def test_training_follows_double_precision(shape: Any, momentum: float | None) -> None:
    exact, layer = pair(shape[1], eps=1e-3, momentum=momentum)
    assert isinstance(layer, ChannelsLastBatchNorm2d)
    for seed in range(2):
        x, wanted = maps(shape, seed).requires_grad_(), maps(shape, seed).double().requires_grad_()
        grad = maps(shape, seed + 9)
        y, expected = layer(x), exact(wanted)
        assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
        y.backward(grad)
        expected.backward(grad.double())
        assert_close(x.grad.double(), wanted.grad, rtol=1e-4, atol=2e-4)
    for name, value in exact.state_dict().items():
        assert_close(layer.state_dict()[name].to(value.dtype), value, rtol=1e-5, atol=1e-6)
    for mine, given in zip(layer.parameters(), exact.parameters(), strict=True):
        assert_close(mine.grad.double(), given.grad, rtol=1e-4, atol=1e-3 * x.numel() ** 0.5 / 100)


def test_frozen_parameters_get_no_gradients() -> None:
    exact, layer = pair(5)
    layer.weight.requires_grad_(False)
    x, wanted = maps((3, 5, 7, 9)).requires_grad_(), maps((3, 5, 7, 9)).double().requires_grad_()
    layer(x).square().sum().backward()
    exact(wanted).square().sum().backward()
    assert layer.weight.grad is None
    assert_close(layer.bias.grad.double(), exact.bias.grad, rtol=1e-4, atol=1e-3)
    assert_close(x.grad.double(), wanted.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("changed", ["eval", "planes", "double", "autocast"])
def test_everything_else_is_the_plain_layer(changed: str) -> None:
    _, layer = pair(5)
    plain = copy.deepcopy(layer)
    x = maps((3, 5, 7, 9))
    if changed == "eval":
        layer.eval(), plain.eval()
    elif changed == "planes":
        x = x.contiguous()
    elif changed == "double":
        layer.double(), plain.double()
        x = x.double()
    with torch.autocast("cpu", torch.bfloat16, enabled=changed == "autocast"):
        assert torch.equal(layer(x), plain(x))
    assert torch.equal(layer.running_var, plain.running_var)


def test_copies_and_files_hold_plain_layers() -> None:
    _, layer = pair(5, eps=1e-3, momentum=0.03)
    layer(maps((3, 5, 7, 9)))
    stream = io.BytesIO()
    torch.save(layer, stream)
    assert b"ChannelsLast" not in stream.getvalue()
    stream.seek(0)
    for twin in (copy.deepcopy(layer), torch.load(stream, weights_only=False)):
        assert type(twin) is nn.BatchNorm2d
        assert (twin.eps, twin.momentum, twin.training) == (1e-3, 0.03, True)
        for name, value in layer.state_dict().items():
            assert torch.equal(twin.state_dict()[name], value)


def test_layers_of_a_users_own_stay() -> None:
    class Own(nn.BatchNorm2d):
        pass

    model = to_channels_last(nn.Sequential(Own(3), nn.BatchNorm2d(3, affine=False)), CPU)
    assert [type(layer) for layer in model] == [Own, nn.BatchNorm2d]
