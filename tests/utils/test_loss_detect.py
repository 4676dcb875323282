"""Detection losses: golden runs of the specification, hooks, gradients, branch weights."""

from __future__ import annotations

import copy
import math
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.utils.loss import E2EDetectLoss, E2ELoss, v8DetectionLoss
from ultralytics.utils.tal import TaskAlignedAssigner


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


class Stub(nn.Module):
    """The few things a criterion asks of a model."""

    def __init__(self, bins: int, epochs: int = 10) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        stride = torch.tensor([8.0, 16.0])
        head = SimpleNamespace(stride=stride, nc=2, no=2 + 4 * bins, reg_max=bins)
        self.model = [head]
        self.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=epochs)


def outputs(bins: int) -> dict[str, Any]:
    boxes = 0.5 * wave(0.37, 2, 4 * bins, 20)
    return {
        "boxes": (boxes if bins > 1 else 1.6 + boxes).requires_grad_(),
        "scores": (2 * wave(0.53, 2, 2, 20) - 1).requires_grad_(),
        "feats": [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 2, 2)],
    }


def labels() -> dict[str, Tensor]:
    return {
        "batch_idx": torch.tensor([0.0, 0, 1]),
        "cls": torch.tensor([[0.0], [1], [1]]),
        "bboxes": torch.tensor([[0.4, 0.4, 0.5, 0.6], [0.7, 0.6, 0.3, 0.25], [0.5, 0.5, 0.8, 0.4]]),
    }


NO_LABELS = {k: v[:0] for k, v in labels().items()}
GOLDEN = [
    pytest.param(4, {}, (4.039167, 15.109412, 2.094958), id="bins"),
    pytest.param(1, {}, (4.046886, 13.180841, 0.175498), id="plain"),
    pytest.param(
        4, {"tal_topk": 7, "tal_topk2": 1}, (3.818944, 18.584385, 2.071319), id="one-bins"
    ),
    pytest.param(
        1, {"tal_topk": 7, "tal_topk2": 1}, (3.794728, 18.065893, 0.156268), id="one-plain"
    ),
]


@pytest.mark.parametrize(("bins", "kwargs", "expected"), GOLDEN)
def test_golden_runs(bins: int, kwargs: dict[str, int], expected: tuple[float, ...]) -> None:
    vector, items = v8DetectionLoss(Stub(bins), **kwargs)(outputs(bins), labels())
    assert list(items) == ["box_loss", "cls_loss", "dfl_loss" if bins > 1 else "l1_loss"]
    assert [v.item() for v in items.values()] == pytest.approx(expected, rel=1e-5)
    assert vector.tolist() == pytest.approx([2 * v for v in expected], rel=1e-5)


def test_targets_of_the_golden_run() -> None:
    targets, _, _ = v8DetectionLoss(Stub(4)).get_assigned_targets_and_loss(outputs(4), labels())
    foreground, slot, boxes, anchors, strides = targets
    first = foreground[0].nonzero()[:, 0]
    assert first.tolist() == [1, 2, 5, 6, 7, 9, 10, 11, 16, 19]
    assert slot[0, first].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0, 1]
    assert foreground[1].nonzero()[:, 0].tolist() == list(range(4, 12))
    assert_close(boxes[0, 1], torch.tensor([0.15, 0.1, 0.65, 0.7]) * 32)
    assert anchors.shape == (20, 2)
    assert strides.shape == (20, 1)


def test_class_weights() -> None:
    model = Stub(4)
    model.class_weights = torch.tensor([1.5, 0.5])
    _, items = v8DetectionLoss(model)(outputs(4), labels())
    assert [v.item() for v in items.values()] == pytest.approx(
        (4.039167, 14.443124, 2.094958), rel=1e-5
    )


@pytest.mark.parametrize("bins", [1, 4])
def test_no_labels(bins: int) -> None:
    preds = outputs(bins)
    vector, items = v8DetectionLoss(Stub(bins))(preds, NO_LABELS)
    assert [v.item() for v in items.values()] == pytest.approx((0, 20.642536, 0), rel=1e-5)
    vector.sum().backward()
    assert preds["boxes"].grad is not None
    assert not preds["boxes"].grad.any()
    assert preds["scores"].grad.all()


def dense_loss(
    criterion: v8DetectionLoss, preds: dict[str, Any], batch: dict[str, Tensor]
) -> Tensor:
    """The same loss from complete tensors: dense assigner call, dense targets, masked regression."""
    distances, logits = preds["boxes"].permute(0, 2, 1), preds["scores"].permute(0, 2, 1)
    targets, _, _ = criterion.get_assigned_targets_and_loss(preds, batch)
    _, _, _, anchors, strides = targets
    boxes = criterion.bbox_decode(anchors, distances)
    columns = (batch["batch_idx"][:, None], batch["cls"], batch["bboxes"])
    padded = criterion.preprocess(torch.cat(columns, 1), 2, torch.full((4,), 32.0))
    _, wanted, scores, foreground, _ = criterion.assigner(
        logits.detach().sigmoid(), boxes.detach() * strides, anchors * strides,
        padded[..., :1], padded[..., 1:], padded[..., 1:].sum(2, keepdim=True) > 0,
    )  # fmt: skip
    total = scores.sum().clamp(min=1)
    cls = F.binary_cross_entropy_with_logits(logits, scores, reduction="none").sum() / total
    box, dist = criterion.bbox_loss(
        distances, boxes, anchors, wanted / strides, scores, total, foreground,
        torch.tensor([32.0, 32.0]), strides,
    )  # fmt: skip
    return torch.stack((box * 7.5, cls * 0.5, dist * 1.5)) * 2


@pytest.mark.parametrize("bins", [1, 4])
@pytest.mark.parametrize("kwargs", [{}, {"tal_topk": 7, "tal_topk2": 1}])
def test_value_and_gradient_equal_the_dense_loss(bins: int, kwargs: dict[str, int]) -> None:
    criterion = v8DetectionLoss(Stub(bins), **kwargs)
    sparse, dense = outputs(bins), outputs(bins)
    vector, _ = criterion(sparse, labels())
    expected = dense_loss(criterion, dense, labels())
    assert_close(vector, expected)
    vector.sum().backward()
    expected.sum().backward()
    for name in ("boxes", "scores"):
        assert_close(sparse[name].grad, dense[name].grad, atol=1e-5, rtol=1e-4)


def test_order_of_labels_does_not_matter() -> None:
    criterion = v8DetectionLoss(Stub(4))
    expected, _ = criterion(outputs(4), labels())
    mixed = {name: value[[2, 0, 1]] for name, value in labels().items()}
    got, _ = criterion(outputs(4), mixed)
    assert_close(got, expected)


def test_padding_of_labels() -> None:
    rows = torch.tensor([[1.0, 5, 0.5, 0.5, 0.5, 0.5], [0, 6, 0.5, 0.5, 1, 1], [1, 7, 0, 0, 1, 1]])
    got = v8DetectionLoss(Stub(1)).preprocess(rows, 3, torch.tensor([20.0, 10, 20, 10]))
    assert got.shape == (3, 2, 5)
    assert got[0, 0].tolist() == [6, 0, 0, 20, 10]
    assert got[1].tolist() == [[5, 5, 2.5, 15, 7.5], [7, -10, -5, 10, 5]]
    assert not got[2].any()
    assert v8DetectionLoss(Stub(1)).preprocess(rows[:0], 3, torch.ones(4)).shape == (3, 0, 5)


def test_evaluation_outputs_are_accepted() -> None:
    criterion = v8DetectionLoss(Stub(4))
    expected, _ = criterion(outputs(4), labels())
    got, _ = criterion((torch.zeros(1), outputs(4)), labels())
    assert_close(got, expected)


def test_half_precision_outputs_are_computed_in_float32() -> None:
    preds = outputs(4)
    preds["boxes"], preds["scores"] = preds["boxes"].bfloat16(), preds["scores"].bfloat16()
    criterion = v8DetectionLoss(Stub(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vector, _ = criterion(preds, labels())
    assert vector.dtype == torch.float32
    expected, _ = criterion(outputs(4), labels())
    assert_close(vector, expected, rtol=0.02, atol=0.02)


class Foreign(nn.Module):
    """An assigner from outside the package: complete tensors in and out."""

    def __init__(self, inner: TaskAlignedAssigner) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        self.calls += 1
        return self.inner(*args)


def test_replaced_parts_are_used() -> None:
    criterion = v8DetectionLoss(Stub(4))
    expected, _ = criterion(outputs(4), labels())
    foreign = Foreign(criterion.assigner)
    criterion.assigner = foreign  # type: ignore[assignment]
    got, _ = criterion(outputs(4), labels())
    assert foreign.calls == 1
    assert_close(got, expected)
    criterion.bce = nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.ones(2))
    got, _ = criterion(outputs(4), labels())
    assert_close(got, expected)
    criterion.bce = nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.full((2,), 3.0))
    heavier, _ = criterion(outputs(4), labels())
    assert heavier[1] > got[1]


def test_overridden_hooks_are_used() -> None:
    class Custom(v8DetectionLoss):
        seen: list[str] = []

        def preprocess(self, *args: Any) -> Tensor:
            self.seen.append("preprocess")
            return super().preprocess(*args)

        def bbox_decode(self, *args: Any) -> Tensor:
            self.seen.append("bbox_decode")
            return super().bbox_decode(*args) + 0.01

        def get_assigned_targets_and_loss(self, *args: Any, **kwargs: Any) -> Any:
            self.seen.append("targets")
            return super().get_assigned_targets_and_loss(*args, **kwargs)

        def parse_output(self, preds: Any) -> Any:
            self.seen.append("parse")
            return super().parse_output(preds)

    got, _ = Custom(Stub(4))(outputs(4), labels())
    assert set(Custom.seen) == {"preprocess", "bbox_decode", "targets", "parse"}
    plain, _ = v8DetectionLoss(Stub(4))(outputs(4), labels())
    assert got[0] != plain[0]


def test_criterion_survives_copy_and_pickle_without_private_classes() -> None:
    criterion = v8DetectionLoss(Stub(4))
    expected, _ = criterion(outputs(4), labels())
    criterion.hyp = {"box": 7.5}
    stored = pickle.dumps(copy.deepcopy(criterion))
    for private in (b"ultralytics.geometry", b"ultralytics.utils.loss."):
        assert private not in stored
    again = pickle.loads(stored)
    again.hyp = Stub(4).args
    got, _ = again(outputs(4), labels())
    assert_close(got, expected)


def test_input_sizes_may_change_from_step_to_step() -> None:
    criterion = v8DetectionLoss(Stub(1))
    for side in (2, 3, 2, 5):
        anchors = (2 * side) ** 2 + side**2
        preds = {
            "boxes": torch.ones(1, 4, anchors),
            "scores": torch.zeros(1, 2, anchors),
            "feats": [torch.zeros(1, 1, 2 * side, 2 * side), torch.zeros(1, 1, side, side)],
        }
        one = {name: value[:1] for name, value in labels().items()}
        vector, _ = criterion(preds, one)
        assert torch.isfinite(vector).all()


def test_branch_weights_over_the_epochs() -> None:
    criterion = E2ELoss(Stub(1, epochs=100))
    weights = []
    for _ in range(99):
        criterion.update()
        weights.append(criterion.o2m)
        assert criterion.o2m + criterion.o2o == pytest.approx(1)
    assert weights[0] == pytest.approx(0.792929, abs=1e-6)
    assert weights[49] == pytest.approx(0.446465, abs=1e-6)
    assert weights[98] == pytest.approx(0.1)
    criterion.update()
    assert criterion.o2m == pytest.approx(0.1)


def test_golden_run_of_both_branches() -> None:
    criterion = E2ELoss(Stub(1))
    preds = {"one2many": outputs(1), "one2one": outputs(1)}
    vector, items = criterion(preds, labels())
    assert vector.tolist() == pytest.approx((7.992908, 28.315704, 0.343304), rel=1e-5)
    assert items["box_loss"].item() == pytest.approx(3.794728, rel=1e-5)
    for _ in range(9):
        criterion.update()
    vector, _ = criterion((None, preds), labels())
    assert vector.tolist() == pytest.approx((7.639887, 35.154778, 0.316382), rel=1e-5)


def test_plain_sum_of_both_branches() -> None:
    model = Stub(4)
    vector, items = E2EDetectLoss(model)({"one2many": outputs(4), "one2one": outputs(4)}, labels())
    many, _ = v8DetectionLoss(model)(outputs(4), labels())
    one, _ = v8DetectionLoss(model, tal_topk=1)(outputs(4), labels())
    assert_close(vector, many + one)
    assert_close(torch.stack(list(items.values())) * 2, vector.detach())
