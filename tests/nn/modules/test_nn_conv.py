"""Convolution layers."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.nn.modules import Conv, Conv2, DWConv, Focus, GhostConv, RepConv, conv
from ultralytics.nn.modules.conv import autopad
from ultralytics.nn.modules.scope import build_scope


@pytest.mark.parametrize(
    ("kernel", "padding", "dilation", "expected"),
    [
        pytest.param(3, None, 1, 1, id="odd"),
        pytest.param(1, None, 1, 0, id="point"),
        pytest.param(3, None, 2, 2, id="dilated"),
        pytest.param(3, 0, 1, 0, id="given"),
        pytest.param((1, 3), None, 1, [0, 1], id="list"),
        pytest.param((3, 5), None, 3, [3, 6], id="dilated-list"),
    ],
)
def test_padding_keeps_the_size(
    kernel: object, padding: int | None, dilation: int, expected: object
) -> None:
    assert autopad(kernel, padding, dilation) == expected  # type: ignore[arg-type]


def test_all_layers_share_one_default_activation() -> None:
    assert Conv(1, 2).act is DWConv(4, 4).act is Conv.default_act


def test_other_activations() -> None:
    own = nn.ReLU()
    assert Conv(1, 2, act=own).act is own
    assert isinstance(Conv(1, 2, act=False).act, nn.Identity)
    assert isinstance(Conv(1, 2, act=None).act, nn.Identity)


def test_a_build_scope_ends_with_its_block_and_stays_in_its_thread() -> None:
    seen: list[nn.Module] = []
    with build_scope(activation=nn.ReLU()):
        worker = threading.Thread(target=lambda: seen.append(Conv(1, 2).act))
        worker.start()
        worker.join()
        assert isinstance(Conv(1, 2).act, nn.ReLU)
    assert seen == [Conv.default_act]
    assert Conv(1, 2).act is Conv.default_act


def test_depthwise_groups_are_the_common_divisor() -> None:
    assert DWConv(12, 18, 3).conv.groups == 6


def test_focus_stacks_the_four_parities() -> None:
    layer = Focus(1, 4)
    layer.conv = nn.Identity()
    image = torch.arange(16.0).view(1, 1, 4, 4)
    stacked = layer(image)
    assert_close(stacked[0, :, 0, 0], torch.tensor([0.0, 4.0, 1.0, 5.0]))
    assert stacked.shape == (1, 4, 2, 2)


def test_ghost_output_starts_with_the_plain_half() -> None:
    layer = GhostConv(4, 8).eval()
    x = torch.rand(1, 4, 5, 5)
    assert_close(layer(x)[:, :4], layer.cv1(x))


def _used(layer: nn.Module) -> nn.Module:
    """A layer in float64 whose normalisation has seen data."""
    layer = layer.double()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias)
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return layer.eval()


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(RepConv(4, 8), id="two-paths"),
        pytest.param(RepConv(8, 8, bn=True), id="three-paths"),
        pytest.param(RepConv(8, 8, g=4, bn=True), id="grouped"),
        pytest.param(RepConv(4, 8, s=2), id="strided"),
    ],
)
def test_one_kernel_replaces_parallel_paths(layer: RepConv) -> None:
    layer = _used(layer)  # type: ignore[assignment]
    x = torch.rand(2, layer.c1, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        layer.fuse_convs()
        layer.fuse_convs()  # a second call changes nothing
        assert_close(layer.forward_fuse(x), expected, rtol=1e-12, atol=1e-12)
    assert set(dict(layer.named_parameters())) == {"conv.weight", "conv.bias"}


def test_repconv_refuses_other_kernels() -> None:
    with pytest.raises(ValueError, match="kernel of 3"):
        RepConv(4, 4, k=5)


def test_parallel_point_kernel_is_added_to_the_centre() -> None:
    layer = _used(Conv2(4, 6))
    x = torch.rand(1, 4, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        layer.fuse_convs()  # type: ignore[operator]
        assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    assert not hasattr(layer, "cv2")


def test_every_class_is_published_where_checkpoints_look() -> None:
    for name in conv.__all__:
        if isinstance(getattr(conv, name), type):
            assert getattr(conv, name).__module__ == "ultralytics.nn.modules.conv"


def test_wrong_spatial_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="3 or 7"):
        conv.SpatialAttention(5)
