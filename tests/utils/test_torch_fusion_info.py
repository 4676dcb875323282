"""Folding of normalisation, counting, and small preparations of weights and images."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.nn.modules import Conv
from ultralytics.utils.torch_utils import (
    fuse_conv_and_bn,
    fuse_deconv_and_bn,
    get_flops,
    get_num_gradients,
    get_num_params,
    initialize_weights,
    intersect_dicts,
    model_info,
    scale_img,
)
from ultralytics.utils.torch_utils.info import count_macs


def _used(channels: int) -> nn.BatchNorm2d:
    bn = nn.BatchNorm2d(channels).double().eval()
    nn.init.uniform_(bn.weight, 0.5, 2)
    nn.init.uniform_(bn.bias)
    bn.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
    bn.running_var.uniform_(0.1, 2)  # type: ignore[union-attr]
    return bn


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_folded_convolution_computes_the_same(groups: int, bias: bool) -> None:
    conv = nn.Conv2d(4, 8, 3, padding=1, groups=groups, bias=bias).double()
    bn, x = _used(8), torch.rand(2, 4, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = bn(conv(x))
        fused = fuse_conv_and_bn(conv, bn)
        assert_close(fused(x), expected, rtol=1e-12, atol=1e-12)
    assert not any(p.requires_grad for p in fused.parameters())


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_folded_transposed_convolution_computes_the_same(groups: int, bias: bool) -> None:
    conv = nn.ConvTranspose2d(4, 8, 2, 2, groups=groups, bias=bias).double()
    bn, x = _used(8), torch.rand(2, 4, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = bn(conv(x))
        assert_close(fuse_deconv_and_bn(conv, bn)(x), expected, rtol=1e-12, atol=1e-12)


def test_normalisation_without_statistics_cannot_be_folded() -> None:
    bn = nn.BatchNorm2d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="running statistics"):
        fuse_conv_and_bn(nn.Conv2d(4, 4, 1), bn)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        pytest.param(nn.Conv2d(3, 8, 3, padding=1), 3 * 8 * 9 * 64, id="convolution"),
        pytest.param(nn.Conv2d(4, 8, 3, 2, 1, groups=4), 8 * 9 * 16, id="grouped-strided"),
        pytest.param(nn.ConvTranspose2d(3, 8, 2, 2), 3 * 64 * 8 * 4, id="transposed"),
        pytest.param(nn.BatchNorm2d(3), 4 * 3 * 64, id="normalisation"),
        pytest.param(nn.Upsample(scale_factor=2), 0, id="nearest"),
        pytest.param(nn.Upsample(scale_factor=2, mode="bilinear"), 11 * 3 * 256, id="bilinear"),
        pytest.param(nn.AdaptiveAvgPool2d(1), 3 * 64 + 3, id="pool"),
        pytest.param(nn.MaxPool2d(3, 1, 1), 0, id="max-pool"),
    ],
)
def test_multiply_adds_of_single_layers(layer: nn.Module, macs: int) -> None:
    channels = getattr(layer, "in_channels", 3)
    assert count_macs(nn.Sequential(layer), torch.rand(1, channels, 8, 8)) == macs


class Attending(nn.Module):
    """Cost grows with the square of the number of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x).flatten(2)
        return tokens.transpose(1, 2) @ tokens


@pytest.mark.parametrize("imgsz", [320, (320, 640)])
def test_extrapolation_is_exact_with_attention(imgsz: int | tuple[int, int]) -> None:
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    tokens = height * width
    assert get_flops(Attending(), imgsz) == pytest.approx(2 * (12 * tokens + 4 * tokens**2) / 1e9)


def test_counting_leaves_no_trace() -> None:
    model = nn.Sequential(Conv(3, 4, 3), nn.Dropout())
    model[1].eval()
    model.train(False)
    model[0].train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    get_flops(model, 64)
    assert [m.training for m in (model, model[0], model[1])] == [False, True, False]
    assert not any(m._forward_hooks for m in model.modules())
    for key, value in model.state_dict().items():
        assert_close(value, before[key])


def test_a_network_that_cannot_run_counts_as_zero() -> None:
    assert get_flops(nn.Sequential(nn.Linear(3, 4)), 64) == 0.0
    assert get_flops(nn.Sequential(nn.ReLU()), 64) == 0.0


def test_shared_activations_count_once() -> None:
    model = nn.Sequential(Conv(3, 4), Conv(4, 4))
    layers, params, gradients, _ = model_info(model, imgsz=32) or (0, 0, 0, 0)
    assert layers == 5
    assert params == gradients == get_num_params(model) == 12 + 8 + 16 + 8
    model[0].conv.weight.requires_grad_(False)
    assert get_num_gradients(model) == 32


def test_details_list_every_parameter(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(Conv(3, 4))
    with caplog.at_level(logging.INFO):
        model_info(model, detailed=True, imgsz=32)
        assert model_info(model, verbose=False) is None
    assert "0.conv.weight" in caplog.text
    assert "Model summary: 3 layers, 20 parameters, 20 gradients" in caplog.text


def test_constants_are_set_on_plain_normalisation_only() -> None:
    class Own(nn.BatchNorm2d):
        pass

    model = nn.Sequential(nn.BatchNorm2d(2), Own(2), nn.LayerNorm(2))
    initialize_weights(model)
    assert (model[0].eps, model[0].momentum) == (1e-3, 0.03)
    assert (model[1].eps, model[2].eps) == (1e-5, 1e-5)


def test_entries_that_fit() -> None:
    a = {"x": torch.zeros(2), "y": torch.zeros(3), "z": torch.zeros(1), "only": torch.zeros(1)}
    b = {"x": torch.zeros(2), "y": torch.zeros(4), "z": torch.zeros(1)}
    assert list(intersect_dicts(a, b, exclude=("z",))) == ["x"]


@pytest.mark.parametrize(
    ("ratio", "same", "shape"),
    [
        (1.0, False, (60, 90)),
        (0.5, False, (32, 64)),
        (0.5, True, (60, 90)),
        (0.83, False, (64, 96)),
    ],
)
def test_views_are_padded_to_the_stride(ratio: float, same: bool, shape: tuple[int, int]) -> None:
    image = torch.rand(1, 3, 60, 90)
    view = scale_img(image, ratio, same_shape=same)
    assert view.shape[2:] == shape
    if ratio == 0.5:
        assert_close(view[..., 30:, :], torch.full_like(view[..., 30:, :], 0.447))
    assert (view is image) == (ratio == 1.0)
