"""The distance head."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.errors import NotAvailable
from ultralytics.nn.modules import Depth
from ultralytics.nn.tasks import DepthModel


@pytest.fixture
def levels() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, c, 16 // 2**i, 24 // 2**i) for i, c in enumerate((8, 12, 16))]


@pytest.fixture
def head() -> Depth:
    torch.manual_seed(0)
    return Depth(16, [8, 12, 16]).eval()


def last_layer(head: Depth) -> nn.Conv2d:
    layer = head.head[-1]
    assert isinstance(layer, nn.Conv2d)
    return layer


def constant(head: Depth, value: float) -> Depth:
    """The head with a last layer that ignores its input."""
    layer = last_layer(head)
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, value)
    return head


def test_distances_are_positive_at_a_quarter_of_the_image(
    head: Depth, levels: list[Tensor]
) -> None:
    with torch.no_grad():
        y = head(levels)
    assert isinstance(y, Tensor)
    assert y.shape == (2, 1, 32, 48)  # two cells of P3 side by side are one of the map
    assert (y > 0).all()


def test_training_gives_a_dictionary_and_gradients_everywhere(
    head: Depth, levels: list[Tensor]
) -> None:
    y = head.train()(levels)
    assert isinstance(y, dict)
    assert set(y) == {"depth"}
    y["depth"].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize(
    ("logarithm", "distance"), [(0.0, 1.0), (2.0, math.e**2), (9.0, math.e**5), (-9.0, math.e**-4)]
)
def test_logarithms_are_limited(
    head: Depth, levels: list[Tensor], logarithm: float, distance: float
) -> None:
    with torch.no_grad():
        y = constant(head, logarithm)(levels)
    assert_close(y, torch.full((2, 1, 32, 48), distance))


def test_calibration_acts_on_logarithms_and_only_at_inference(
    head: Depth, levels: list[Tensor]
) -> None:
    constant(head, 2.0)
    head.cal_a.fill_(0.5)
    head.cal_b.fill_(3.0)
    with torch.no_grad():
        assert_close(head(levels), torch.full((2, 1, 32, 48), math.exp(0.5 * 2 + 3)))
        assert_close(head.train()(levels)["depth"], torch.full((2, 1, 32, 48), math.exp(2)))
    assert {"cal_a", "cal_b"} <= set(head.state_dict())


def test_exported_maps_have_the_size_of_the_image(head: Depth, levels: list[Tensor]) -> None:
    with torch.no_grad():
        small = head(levels)
        head.export = True
        large = head(levels)
    assert large.shape == (2, 1, 128, 192)
    corners = [[0, 0], [0, -1], [-1, 0], [-1, -1]]  # kept by the enlargement
    for row, column in corners:
        assert_close(large[..., row, column], small[..., row, column])
    assert large.min() >= small.min() - 1e-6
    assert large.max() <= small.max() + 1e-6


def test_coarse_levels_reach_every_cell(head: Depth, levels: list[Tensor]) -> None:
    with torch.no_grad():
        before = head(levels)
        levels[-1] = levels[-1] + 1
        after = head(levels)
    assert (before != after).float().mean() > 0.99  # a few differ by less than rounding


def test_the_network_is_built_but_not_trained() -> None:
    model = DepthModel("yolo26n-depth.yaml", verbose=False)
    assert model.stride.tolist() == [32.0]
    assert model.yaml["nc"] == 1
    assert last_layer(model.model[-1]).bias.item() == pytest.approx(0.182)  # type: ignore[union-attr]
    with pytest.raises(NotAvailable, match="depth"):
        model.loss({"img": torch.rand(1, 3, 64, 64)})
