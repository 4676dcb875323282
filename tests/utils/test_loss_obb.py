"""Loss of rotated boxes: golden runs of the specification, the angle term, labels, gradients."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.geometry.rotated import probiou
from ultralytics.utils.loss import E2ELoss, v8OBBLoss
from ultralytics.utils.loss.obb import angle_loss
from ultralytics.utils.tal import RotatedTaskAlignedAssigner


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


class Stub(nn.Module):
    """The few things a criterion asks of a model."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        stride = torch.tensor([8.0, 16.0])
        self.model = [SimpleNamespace(stride=stride, nc=2, no=2 + 4 * bins, reg_max=bins)]
        self.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, angle=1.0, epochs=10)


def outputs(bins: int) -> dict[str, Any]:
    boxes = 0.5 * wave(0.37, 2, 4 * bins, 20)
    return {
        "boxes": (boxes if bins > 1 else 1.6 + boxes).requires_grad_(),
        "scores": (2 * wave(0.53, 2, 2, 20) - 1).requires_grad_(),
        "angle": (0.6 * wave(0.47, 2, 1, 20)).requires_grad_(),
        "feats": [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 2, 2)],
    }


def labels() -> dict[str, Tensor]:
    rows = [[0.4, 0.4, 0.6, 0.5, 0.3], [0.7, 0.6, 0.3, 0.25, -0.2], [0.5, 0.5, 0.8, 0.4, 1.2]]
    return {
        "batch_idx": torch.tensor([0.0, 0, 1]),
        "cls": torch.tensor([[0.0], [1], [1]]),
        "bboxes": torch.tensor(rows),
    }


# Specification 20, section 7.
GOLDEN = [
    pytest.param(4, {}, (3.328911, 7.075951, 2.089744, 0.303627), id="bins"),
    pytest.param(1, {}, (3.200853, 6.567596, 0.234696, 0.319157), id="plain"),
    pytest.param(
        1, {"tal_topk": 7, "tal_topk2": 1}, (2.962795, 12.71804, 0.207693, 0.468073), id="one"
    ),
]


@pytest.mark.parametrize(("bins", "kwargs", "expected"), GOLDEN)
def test_golden_runs(bins: int, kwargs: dict[str, int], expected: tuple[float, ...]) -> None:
    vector, items = v8OBBLoss(Stub(bins), **kwargs)(outputs(bins), labels())
    distance = "dfl_loss" if bins > 1 else "l1_loss"
    assert list(items) == ["box_loss", "cls_loss", distance, "angle_loss"]
    assert [v.item() for v in items.values()] == pytest.approx(expected, rel=1e-5)
    assert vector.tolist() == pytest.approx([2 * v for v in expected], rel=1e-5)


def test_both_branches() -> None:
    preds = {"one2many": outputs(1), "one2one": outputs(1)}
    vector, items = E2ELoss(Stub(1), v8OBBLoss)(preds, labels())
    many, one = GOLDEN[1].values[2], GOLDEN[2].values[2]
    assert [v.item() for v in items.values()] == pytest.approx(one, rel=1e-5)
    expected = [2 * (0.8 * m + 0.2 * o) for m, o in zip(many, one, strict=True)]
    assert vector.tolist() == pytest.approx(expected, rel=1e-5)


def test_angle_term_of_the_specification() -> None:
    terms = angle_loss(
        torch.tensor([0.5, 2.0]), torch.tensor([[0.0, 0, 4, 2, 0.2], [0, 0, 2, 2, -1]])
    )
    weighed = (terms * torch.tensor([0.5, 0.8])).sum() / 1.3
    assert weighed.item() == pytest.approx(0.164294, abs=1e-6)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        pytest.param(0, 0, id="equal"),
        pytest.param(math.pi / 4, 1, id="diagonal"),
        pytest.param(math.pi / 2, 0, id="sides-exchanged"),
        pytest.param(3 * math.pi, 0, id="whole-turns"),
        pytest.param(math.pi / 12, 0.25, id="small"),
    ],
)
def test_angle_term_of_a_square(turn: float, expected: float) -> None:
    square = torch.tensor([[5.0, 5, 3, 3, 0.4]])
    assert angle_loss(torch.tensor([0.4 + turn]), square).item() == pytest.approx(
        expected, abs=1e-5
    )


def test_targets_are_rotated_boxes_in_pixels() -> None:
    targets, _, _ = v8OBBLoss(Stub(1)).get_assigned_targets_and_loss(outputs(1), labels())
    foreground, slot, boxes, _, _ = targets
    scale = torch.tensor([32, 32, 32, 32, 1])
    assert boxes.shape == (2, 20, 5)
    wanted = labels()["bboxes"] * scale
    assert_close(boxes[0][foreground[0]], wanted[slot[0][foreground[0]]])
    assert_close(boxes[1][foreground[1]], wanted[2].expand(int(foreground[1].sum()), 5))
    assert not boxes[~foreground].any()


def test_a_replaced_assigner_gets_complete_boxes() -> None:
    plain = v8OBBLoss(Stub(1))
    seen: dict[str, Tensor] = {}

    def assigner(scores: Tensor, boxes: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        seen["boxes"] = boxes
        return plain.assigner(scores, boxes, *rest)

    other = v8OBBLoss(Stub(1))
    other.assigner = assigner
    assert_close(other(outputs(1), labels())[0], plain(outputs(1), labels())[0])
    assert isinstance(plain.assigner, RotatedTaskAlignedAssigner)
    preds = outputs(1)
    left, top, right, bottom = preds["boxes"][0, :, 0]
    angle = preds["angle"][0, 0, 0]
    expected = torch.stack([left + right, top + bottom]) * 8
    assert_close(seen["boxes"][0, 0, 2:4], expected)
    assert_close(seen["boxes"][0, 0, 4], angle)


def test_thin_labels_are_left_out() -> None:
    batch = labels()
    thin = torch.tensor([[0.5, 0.5, 0.5, 1.9 / 32, 0.1], [0.5, 0.5, 0.06, 0.5, 0.1]])
    more = {
        "batch_idx": torch.tensor([0.0, 0, 1, 0, 1]),
        "cls": torch.tensor([[0.0], [1], [1], [0], [0]]),
        "bboxes": torch.cat((batch["bboxes"], thin)),
    }
    criterion = v8OBBLoss(Stub(1))
    assert_close(criterion(outputs(1), more)[0], criterion(outputs(1), batch)[0])


@pytest.mark.parametrize("bins", [1, 4])
def test_no_labels(bins: int) -> None:
    preds = outputs(bins)
    batch = {name: value[:0] for name, value in labels().items()}
    vector, items = v8OBBLoss(Stub(bins))(preds, batch)
    assert [v.item() for v in items.values()] == pytest.approx((0, 20.642536, 0, 0), rel=1e-5)
    vector.sum().backward()
    for name in ("boxes", "angle"):
        assert preds[name].grad is not None
        assert not preds[name].grad.any()


def test_labels_of_another_task_are_refused() -> None:
    batch = {**labels(), "bboxes": labels()["bboxes"][:, :4]}
    with pytest.raises(TypeError, match="not a OBB dataset"):
        v8OBBLoss(Stub(1))(outputs(1), batch)


def test_descent_turns_a_box_onto_its_label() -> None:
    wanted = torch.tensor([[16.0, 16, 20, 8, 0.6]])
    batch = {
        "batch_idx": torch.zeros(1),
        "cls": torch.zeros(1, 1),
        "bboxes": wanted / torch.tensor([32, 32, 32, 32, 1]),
    }
    preds = {
        "boxes": torch.full((1, 4, 20), 0.8).requires_grad_(),
        "scores": torch.zeros(1, 2, 20).requires_grad_(),
        "angle": torch.zeros(1, 1, 20).requires_grad_(),
        "feats": [torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)],
    }
    learnt = [preds["boxes"], preds["scores"], preds["angle"]]
    optimizer = torch.optim.Adam(learnt, lr=0.05)
    criterion = v8OBBLoss(Stub(1))
    for _ in range(200):
        optimizer.zero_grad()
        criterion(preds, batch)[0].sum().backward()
        optimizer.step()
    best = int(preds["scores"][0, 0].argmax())
    grid = criterion._grid(preds["feats"])
    raw = torch.cat((preds["boxes"], preds["angle"]), 1)[:, :, best].detach()
    box = criterion._scaled(criterion._decode(grid.points[best], raw), grid.strides[best])
    assert probiou(box, wanted).item() > 0.97
