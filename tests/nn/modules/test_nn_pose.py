"""Pose heads and the flow: outputs, decoding written out, what folding drops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.nn.modules import Pose, Pose26
from ultralytics.nn.modules.block import RealNVP

CHANNELS = (16, 32)
SHAPE = (2, 3)


def levels() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(2, c, 4 >> i, 4 >> i) for i, c in enumerate(CHANNELS)]


def head(
    kind: type[Pose], shape: tuple[int, int] = SHAPE, end2end: bool = False, reg_max: int = 1
) -> Any:  # Any: a head, of which tests set everything
    torch.manual_seed(0)
    made = kind(3, shape, reg_max, end2end, CHANNELS)
    made.stride = torch.tensor([8.0, 16.0])
    return made.eval()


@pytest.mark.parametrize(("kind", "scale", "shift"), [(Pose, 2.0, 0.5), (Pose26, 1.0, 0.0)])
def test_points_are_decoded_as_written(kind: type[Pose], scale: float, shift: float) -> None:
    made = head(kind)
    raw = torch.tensor([[0.25, -1.0], [0.5, 0.0], [0.0, 2.0]])  # x, y, visibility of two anchors
    anchors = torch.tensor([[0.5, 1.5], [0.5, 0.5]])
    got = made._decode_keypoints(raw.repeat(2, 1)[None], anchors, torch.tensor([[8.0, 8.0]]))
    for a in range(2):
        for axis in range(2):
            want = (scale * raw[axis, a] + anchors[axis, a] - shift) * 8
            assert got[0, axis, a] == pytest.approx(float(want))
        assert got[0, 2, a] == pytest.approx(1 / (1 + math.exp(-float(raw[2, a]))))
    assert_close(got[:, :3], got[:, 3:])


def test_recorded_points_of_both_generations() -> None:
    raw = torch.tensor([[[0.25, -1.0], [0.5, 0.0], [0.0, 2.0]]])
    points, strides = torch.tensor([[0.5, 1.5], [0.5, 0.5]]), torch.tensor([[8.0, 8.0]])
    seen = [0.5, 0.880797]
    old = head(Pose, (1, 3))._decode_keypoints(raw, points, strides)
    assert_close(old, torch.tensor([[[4.0, -8.0], [8.0, 0.0], seen]]))
    new = head(Pose26, (1, 3))._decode_keypoints(raw, points, strides)
    assert_close(new, torch.tensor([[[6.0, 4.0], [8.0, 4.0], seen]]))


@pytest.mark.parametrize("kind", [Pose, Pose26])
@pytest.mark.parametrize("values", [2, 3])
def test_outputs_by_mode(kind: type[Pose], values: int) -> None:
    made = head(kind, (5, values), end2end=True)
    columns = 5 * values
    with torch.no_grad():
        y, raw = made(levels())
        assert y.shape == (2, 4 + 3 + columns, 20)
        assert raw["one2many"]["kpts"].shape == (2, columns, 20)
        assert "kpts_sigma" not in raw["one2many"]
        made.end2end = True
        assert made(levels())[0].shape == (2, 20, 6 + columns)
        made.export = True
        assert made(levels()).shape == (2, 20, 6 + columns)
        training = made.train()(levels())
    assert set(training) == {"one2many", "one2one"}
    assert ("kpts_sigma" in training["one2one"]) == (kind is Pose26)


def test_rows_without_suppression_keep_their_own_points() -> None:
    made = head(Pose26, end2end=True)
    made.end2end = True
    with torch.no_grad():
        rows, raw = made(levels())
        dense = made._inference(raw["one2one"])
    for image in range(2):
        for row in rows[image, :5]:
            score, cls = row[4], int(row[5])
            (anchor,) = (dense[image, 4 + cls] == score).nonzero()[0].tolist()
            assert_close(row[6:], dense[image, 7:, anchor])


@pytest.mark.parametrize("end2end", [False, True])
def test_folding_drops_what_only_training_needs(end2end: bool) -> None:
    made = head(Pose26, end2end=True)
    made.end2end = end2end
    with torch.no_grad():
        expected = made(levels())[0]
        made.fuse()
        assert_close(made(levels())[0], expected)
    assert made.flow_model is None
    assert made.cv4_sigma is None
    assert made.one2one_cv4_sigma is None
    assert (made.cv4 is None) == end2end
    assert (made.one2one_cv4 is None) == (not end2end)


def test_folding_a_single_branch_drops_the_flow() -> None:
    made = head(Pose26)
    made.fuse()
    assert made.flow_model is None
    assert made.cv4_sigma is None
    assert made(levels())[0].shape == (2, 13, 20)


def test_a_flow_of_zeros_is_a_standard_normal() -> None:
    torch.manual_seed(0)
    points = torch.randn(50, 2)
    flow = RealNVP()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
    normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    assert_close(flow.log_prob(points), normal.log_prob(points))


def _wavy() -> RealNVP:
    flow = RealNVP()
    with torch.no_grad():
        for j, parameter in enumerate(flow.parameters()):
            count = torch.arange(parameter.numel(), dtype=torch.float64)
            wave = 0.3 * torch.sin((0.11 + 0.01 * j) * count)
            parameter.copy_(wave.view(parameter.shape).float())
    return flow


def test_recorded_densities_of_a_flow() -> None:
    points = torch.tensor([[0.0, 0], [1, -0.5], [0.3, 2]])
    want = torch.tensor([-9.813354, -14.886734, -5.076269])
    assert_close(_wavy().log_prob(points), want, rtol=1e-5, atol=1e-5)


def test_the_density_of_a_flow_integrates_to_one() -> None:
    flow = RealNVP()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
        axis = torch.linspace(-12, 12, 481)
        grid = torch.cartesian_prod(axis, axis)
        density = flow.log_prob(grid).double().exp()
    cell = float(axis[1] - axis[0]) ** 2
    assert float(density.sum()) * cell == pytest.approx(1, abs=0.01)


def test_the_flow_computes_in_float32_under_autocast() -> None:
    flow = _wavy()
    points = torch.tensor([[1.0, -0.5]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(flow.log_prob(points), flow.log_prob(points.double()))
