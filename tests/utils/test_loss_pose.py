"""Pose losses: golden runs of the specification, and the same loss written out with loops."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.geometry.keypoints import OKS_SIGMA
from ultralytics.nn.modules.block import RealNVP
from ultralytics.utils.loss import E2ELoss, PoseLoss26, v8DetectionLoss, v8PoseLoss

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5, "pose": 12.0, "kobj": 1.0, "rle": 1.0}


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


def still_flow() -> RealNVP:
    flow = RealNVP()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
    return flow


class Stub(nn.Module):
    """The few things a criterion asks of a model."""

    def __init__(
        self, bins: int = 1, shape: tuple[int, int] = (3, 3), flow: RealNVP | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        stride = torch.tensor([8.0, 16.0])
        head = SimpleNamespace(
            stride=stride, nc=2, no=2 + 4 * bins, reg_max=bins, kpt_shape=shape, flow_model=flow
        )
        self.model = [head]
        self.args = SimpleNamespace(**GAINS, epochs=10)
        self.kpt_oks_sigmas: list[float] | None = None


def outputs(bins: int = 1, values: int = 3, sigma: bool = False) -> dict[str, Any]:
    boxes = 0.5 * wave(0.37, 2, 4 * bins, 20)
    points = 0.8 * wave(0.61, 2, 9, 20)
    if values == 2:
        points = points.unflatten(1, (3, 3))[:, :, :2].flatten(1, 2)
    found = {
        "boxes": (boxes if bins > 1 else 1.6 + boxes).requires_grad_(),
        "scores": (2 * wave(0.53, 2, 2, 20) - 1).requires_grad_(),
        "kpts": points.requires_grad_(),
        "feats": [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 2, 2)],
    }
    if sigma:
        found["kpts_sigma"] = wave(0.83, 2, 6, 20).requires_grad_()
    return found


def labels() -> dict[str, Tensor]:
    flags = torch.tensor([[2.0, 2, 1], [2, 0, 2], [1, 2, 0]])
    places = (0.4 + 0.1 * wave(0.9, 3, 3), 0.5 + 0.1 * wave(1.3, 3, 3), flags)
    return {
        "batch_idx": torch.tensor([0.0, 0, 1]),
        "cls": torch.tensor([[0.0], [1], [1]]),
        "bboxes": torch.tensor([[0.4, 0.4, 0.5, 0.6], [0.7, 0.6, 0.3, 0.25], [0.5, 0.5, 0.8, 0.4]]),
        "keypoints": torch.stack(places, dim=-1),
    }


ONE = {"tal_topk": 7, "tal_topk2": 1}
GOLDEN = [
    pytest.param(
        v8PoseLoss, 4, None, {}, (4.039167, 7.465467, 0.715804, 15.109412, 2.094958), id="v8"
    ),
    pytest.param(
        PoseLoss26, 1, None, {}, (5.366911, 5.6079, 0.729875, 10.101672, 0.314538), id="26"
    ),
    pytest.param(
        PoseLoss26,
        1,
        still_flow,
        {},
        (5.366911, 5.6079, 0.729875, 10.101672, 0.314538, 20.965683),
        id="26-flow",
    ),
    pytest.param(
        PoseLoss26,
        1,
        still_flow,
        ONE,
        (5.28458, 4.241322, 0.589821, 12.748893, 0.312531, 12.157087),
        id="26-flow-one",
    ),
]


@pytest.mark.parametrize(("kind", "bins", "flow", "kwargs", "expected"), GOLDEN)
def test_golden_runs(
    kind: type[v8PoseLoss], bins: int, flow: Any, kwargs: dict[str, int], expected: tuple[float]
) -> None:
    criterion = kind(Stub(bins, flow=flow and flow()), **kwargs)
    vector, items = criterion(outputs(bins, sigma=flow is not None), labels())
    assert list(items) == criterion.loss_names
    assert [v.item() for v in items.values()] == pytest.approx(expected, abs=2e-5)
    assert_close(vector, 2 * torch.stack(list(items.values())))


def looped(
    preds: dict[str, Any], found: tuple[Tensor, ...], batch: dict[str, Tensor], sigmas: list[float]
) -> tuple[float, float]:
    """Place and visibility terms of a v8 head, one keypoint at a time, from the assigned anchors."""
    foreground, slots, boxes, points, strides = found
    places, flags, count = 0.0, 0.0, 0
    for image in range(2):
        own = (batch["batch_idx"] == image).nonzero()[:, 0]
        for anchor in foreground[image].nonzero()[:, 0].tolist():
            count += 1
            label = own[slots[image, anchor]]
            step = float(strides[anchor])
            x1, y1, x2, y2 = (boxes[image, anchor] / step).tolist()
            seen = [bool(flag) for flag in batch["keypoints"][label, :, 2]]
            for k, sigma in enumerate(sigmas):
                raw = preds["kpts"][image, 3 * k : 3 * k + 3, anchor].tolist()
                guess = [2 * raw[i] + float(points[anchor, i]) - 0.5 for i in (0, 1)]
                want = (batch["keypoints"][label, k, :2] * 32 / step).tolist()
                squared = (guess[0] - want[0]) ** 2 + (guess[1] - want[1]) ** 2
                spread = (2 * sigma) ** 2 * (x2 - x1) * (y2 - y1) * 2
                if seen[k]:
                    places += len(sigmas) / sum(seen) * (1 - math.exp(-squared / spread))
                chance = 1 / (1 + math.exp(-raw[2]))
                flags -= math.log(chance if seen[k] else 1 - chance)
    total = count * len(sigmas)
    return places / total * GAINS["pose"], flags / total * GAINS["kobj"]


def test_terms_equal_loops_over_anchors_and_keypoints() -> None:
    model = Stub(4)
    model.kpt_oks_sigmas = [0.05, 0.1, 0.2]
    criterion = v8PoseLoss(model)
    preds, batch = outputs(4), labels()
    _, items = criterion(preds, batch)
    found, _, _ = criterion.get_assigned_targets_and_loss(preds, batch)
    places, flags = looped(preds, found, batch, model.kpt_oks_sigmas)
    assert items["pose_loss"].item() == pytest.approx(places, rel=1e-5)
    assert items["kobj_loss"].item() == pytest.approx(flags, rel=1e-5)


def test_likelihood_equals_a_loop_over_visible_points() -> None:
    flow = RealNVP()
    torch.manual_seed(0)
    criterion = PoseLoss26(Stub(flow=flow))
    preds, batch = outputs(sigma=True), labels()
    _, items = criterion(preds, batch)
    known = criterion._labelled(batch, 2, preds)
    inputs = criterion._assigner_inputs(preds, known)
    (foreground, slots, _, points, strides), _, _ = criterion.get_assigned_targets_and_loss(
        preds, batch, **inputs
    )
    parts = []
    for image, anchor in foreground.nonzero().tolist():
        target = known[image, slots[image, anchor]]
        for k in range(3):
            if target[k, 2] == 0:
                continue
            guess = preds["kpts"][image, 3 * k : 3 * k + 2, anchor] + points[anchor]
            sigma = preds["kpts_sigma"][image, 2 * k : 2 * k + 2, anchor].sigmoid()
            error = (guess - target[k, :2] / strides[anchor]) / sigma
            laplace = (torch.log(2 * sigma) + error.abs()).sum()
            parts.append(laplace + 2 * (-flow.log_prob(error[None])[0]) + sigma.log().sum())
    assert items["rle_loss"].item() == pytest.approx(torch.stack(parts).mean().item(), rel=1e-4)


def test_the_detection_part_is_that_of_detection() -> None:
    batch = labels()
    _, pose = v8PoseLoss(Stub(4))(outputs(4), batch)
    _, boxes = v8DetectionLoss(Stub(4))(outputs(4), batch)
    assert {name: pose[name].item() for name in boxes} == {k: v.item() for k, v in boxes.items()}


def test_labels_without_flags_are_all_visible() -> None:
    batch = labels()
    bare = {**batch, "keypoints": batch["keypoints"][..., :2]}
    full = batch["keypoints"].clone()
    full[..., 2] = 2
    criterion = v8PoseLoss(Stub(4))
    _, without = criterion(outputs(4), bare)
    _, flagged = criterion(outputs(4), {**batch, "keypoints": full})
    assert without == flagged


def test_heads_without_a_visibility_channel_have_no_visibility_loss() -> None:
    _, items = v8PoseLoss(Stub(4, (3, 2)))(outputs(4, values=2), labels())
    _, with_channel = v8PoseLoss(Stub(4))(outputs(4), labels())
    assert items["kobj_loss"] == 0
    assert_close(items["pose_loss"], with_channel["pose_loss"])


@pytest.mark.parametrize("kind", [v8PoseLoss, PoseLoss26])
@pytest.mark.parametrize("points", [torch.zeros(0, 3, 3), torch.zeros(0, 3)])
def test_no_labels(kind: type[v8PoseLoss], points: Tensor) -> None:
    batch = {**{k: v[:0] for k, v in labels().items()}, "keypoints": points}
    preds = outputs(sigma=True)
    vector, items = kind(Stub(flow=RealNVP()))(preds, batch)
    vector.sum().backward()
    assert preds["kpts"].grad is not None
    assert not preds["kpts"].grad.any()
    zeros = {k: v.item() for k, v in items.items() if k != "cls_loss"}
    assert set(zeros.values()) == {0.0}


def test_validation_outputs_have_no_likelihood() -> None:
    criterion = PoseLoss26(Stub(flow=RealNVP()))
    _, items = criterion((torch.zeros(0), outputs()), labels())
    assert items["rle_loss"] == 0
    assert items["pose_loss"] > 0


def test_stray_points_leave_the_likelihood_finite() -> None:
    preds = outputs(sigma=True)
    with torch.no_grad():
        preds["kpts"][:, 0] = math.nan
        preds["kpts"][:, 3] = 1e6
        preds["kpts_sigma"][:, 3] = -500
    _, items = PoseLoss26(Stub(flow=RealNVP()))(preds, labels())
    assert math.isfinite(items["rle_loss"].item())


def test_order_of_labels_does_not_matter() -> None:
    batch = labels()
    order = torch.tensor([2, 0, 1])
    _, plain = PoseLoss26(Stub())(outputs(), batch)
    _, mixed = PoseLoss26(Stub())(outputs(), {k: v[order] for k, v in batch.items()})
    for name, value in plain.items():
        assert_close(mixed[name], value)


def test_half_precision_outputs_are_computed_in_float32() -> None:
    preds = {
        k: v if k == "feats" else v.detach().bfloat16() for k, v in outputs(sigma=True).items()
    }
    full = {k: v if k == "feats" else v.float() for k, v in preds.items()}
    criterion = PoseLoss26(Stub(flow=still_flow()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, half = criterion(preds, labels())
    _, whole = criterion(full, labels())
    assert half["rle_loss"].dtype == torch.float32
    for name, value in whole.items():
        assert_close(half[name], value)


def test_both_branches_are_weighted() -> None:
    criterion = E2ELoss(Stub(flow=still_flow()), PoseLoss26)
    preds = {"one2many": outputs(sigma=True), "one2one": outputs(sigma=True)}
    vector, items = criterion(preds, labels())
    many, _ = criterion.one2many(outputs(sigma=True), labels())
    one, shown = criterion.one2one(outputs(sigma=True), labels())
    assert_close(vector, 0.8 * many + 0.2 * one)
    assert items == shown


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ((17, 3), None, OKS_SIGMA.tolist()),
        ((17, 2), None, [1 / 17] * 17),
        ((3, 3), None, [1 / 3] * 3),
        ((3, 3), [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
    ],
)
def test_tolerances(shape: tuple[int, int], given: Any, expected: list[float]) -> None:
    model = Stub(shape=shape)
    model.kpt_oks_sigmas = given
    assert v8PoseLoss(model).sigmas.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    "given", [[0.1, 0.2], [0.1, 0.2, 0.0], [0.1, 0.2, -1], [0.1, 0.2, math.nan]]
)
def test_unusable_tolerances_are_refused(given: list[float]) -> None:
    model = Stub()
    model.kpt_oks_sigmas = given
    with pytest.raises(ValueError, match="kpt_oks_sigmas must be 3 positive numbers"):
        v8PoseLoss(model)
