"""Heads of rotated boxes: outputs by mode, angles, decoded corners."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.nn.modules import OBB, OBB26

CHANNELS = (16, 32)


def levels(batch: int = 2, size: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, c, size >> i, size >> i) for i, c in enumerate(CHANNELS)]


def make(cls: type[OBB] = OBB, reg_max: int = 1, end2end: bool = False, **settings: Any) -> OBB:
    torch.manual_seed(0)
    head = cls(3, 1, reg_max, end2end, CHANNELS)
    head.stride = torch.tensor([8.0, 16.0])
    for name, value in settings.items():
        setattr(head, name, value)
    return head.eval()


@pytest.mark.parametrize("training", [True, False])
def test_angles_are_among_the_raw_outputs(training: bool) -> None:
    head = make(reg_max=4).train(training)
    raw = head(levels()) if training else head(levels())[1]
    assert set(raw) == {"boxes", "scores", "feats", "angle"}
    assert raw["angle"].shape == (2, 1, 20)


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        pytest.param(OBB, (-0.410911, 0.785398, 2.207202), id="bounded"),
        pytest.param(OBB26, (-2, 0, 3), id="raw"),
    ],
)
def test_angles_of_the_specification(cls: type[OBB], expected: tuple[float, ...]) -> None:
    assert_close(
        make(cls).decode_angles(torch.tensor([-2.0, 0, 3])),
        torch.tensor(expected, dtype=torch.float32),
        atol=1e-5,
        rtol=0,
    )


def test_bounded_angles_stay_in_range() -> None:
    angles = make().decode_angles(torch.linspace(-50, 50, 101))
    assert angles.min() >= -math.pi / 4
    assert angles.max() <= 3 * math.pi / 4


def test_a_decoded_box_has_its_anchor_at_the_given_distances() -> None:
    head = make()
    y, raw = head(levels())
    boxes, distances = y[0, :4].T.detach().numpy(), raw["boxes"][0].T.detach().numpy()
    angle = y[0, -1].detach().numpy()
    assert_close(y[:, -1:], raw["angle"])
    anchor, stride = np.array([1.5, 0.5]) * 8, 8  # second anchor of the first level
    (cx, cy, w, h), (left, top, right, bottom), a = boxes[1], distances[1], angle[1]
    along, across = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])
    offset = anchor - (cx, cy)
    assert offset @ along == pytest.approx(left * stride - w / 2, abs=1e-3)
    assert offset @ across == pytest.approx(top * stride - h / 2, abs=1e-3)
    assert w == pytest.approx((left + right) * stride, abs=1e-3)
    assert h == pytest.approx((top + bottom) * stride, abs=1e-3)


def test_rows_without_suppression_keep_centre_size_and_angle() -> None:
    head = make(OBB26, end2end=True)
    dense, _ = head(levels())
    assert dense.shape == (2, 8, 20)
    head.end2end = True
    head.max_det = 5
    rows, raw = head(levels())
    assert rows.shape == (2, 5, 7)
    assert set(raw) == {"one2many", "one2one"}
    head.max_det = 60
    head.agnostic_nms = True
    best = head(levels())[0][0]
    place = (raw["one2one"]["angle"][0, 0] == best[0, 6]).nonzero()[:, 0]
    assert place.numel() == 1
    scores = raw["one2one"]["scores"][0].sigmoid()
    assert best[0, 4] == scores.max()
    assert scores[int(best[0, 5]), place[0]] == scores.max()


@pytest.mark.parametrize("free", [True, False])
def test_fusing_drops_one_angle_branch(free: bool) -> None:
    head = make(OBB26, end2end=True)
    head.end2end = free
    before, _ = head(levels())
    head.fuse()
    after, _ = head(levels())
    assert (head.cv4 is None) == free
    assert (head.one2one_cv4 is None) != free
    assert_close(after, before)


def test_exported_output_is_one_tensor() -> None:
    head = make(export=True)
    assert head(levels()).shape == (2, 8, 20)
