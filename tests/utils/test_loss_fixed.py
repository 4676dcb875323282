"""The losses in tensors of fixed shapes: the same losses and gradients, and nothing the host would wait for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tests.syncs import recorded
from ultralytics.geometry import assign_fixed, pairs
from ultralytics.utils.loss import E2ELoss, detect, v8DetectionLoss, v8OBBLoss

CLASSES = 3
IMAGES = 3
SIZES = {"tiny": (8, 4), "large": (32, 16)}  # below and above the size with a rule of its own


class Stub(nn.Module):
    """The few things a criterion asks of a model."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        head = SimpleNamespace(
            stride=torch.tensor([8.0, 16.0]), nc=CLASSES, no=CLASSES + 4 * bins, reg_max=bins
        )
        self.model = [head]
        self.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, angle=1.0, epochs=10)


def outputs(bins: int, sizes: tuple[int, ...], seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    anchors = sum(side * side for side in sizes)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    boxes = noise(IMAGES, 4 * bins, anchors)
    return {
        "boxes": (boxes if bins > 1 else 2 + boxes).requires_grad_(),
        "scores": noise(IMAGES, CLASSES, anchors).requires_grad_(),
        "angle": noise(IMAGES, 1, anchors).requires_grad_(),
        "feats": [torch.zeros(IMAGES, 1, side, side) for side in sizes],
    }


def labels(count: int, columns: int, seed: int) -> dict[str, Tensor]:
    """Crowded labels in no order, some of them without extent, and one image without any."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand((count, columns), generator=generator)
    boxes = torch.cat((0.2 + 0.6 * values[:, :2], 0.02 + 0.4 * values[:, 2:4], values[:, 4:]), 1)
    boxes[3::7] = 0
    return {
        "batch_idx": torch.randint(0, IMAGES - 1, (count,), generator=generator).float(),
        "cls": torch.randint(0, CLASSES, (count, 1), generator=generator).float(),
        "bboxes": boxes,
    }


def made(
    criterion: Any, preds: dict[str, Any], batch: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
    vector, items = criterion(preds, batch)
    leaves = [preds[name] for name in ("boxes", "scores", "angle")]
    grads = torch.autograd.grad(vector.sum(), leaves, allow_unused=True)
    return vector, items, [g for g in grads if g is not None]


def force(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(detect, "prefers_fixed_shapes", lambda *_: answer)
    monkeypatch.setattr(pairs, "reads_are_free", lambda _: not answer)


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bins", [1, 16])
@pytest.mark.parametrize("topk", [(10, None), (7, 1)], ids=["many", "one"])
@pytest.mark.parametrize("kind", [v8DetectionLoss, v8OBBLoss])
def test_both_forms_agree(
    kind: type[v8DetectionLoss],
    topk: tuple[int, int | None],
    bins: int,
    size: str,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    criterion = kind(Stub(bins), *topk)
    columns = 5 if kind is v8OBBLoss else 4
    for seed in range(3):
        preds, batch = outputs(bins, SIZES[size], seed), labels(count, columns, seed)
        force(monkeypatch, answer=False)
        vector, items, grads = made(criterion, preds, batch)
        force(monkeypatch, answer=True)
        fixed_vector, fixed_items, fixed_grads = made(criterion, preds, batch)
        assert_close(fixed_vector, vector, rtol=1e-5, atol=1e-6)
        assert_close(fixed_items, items, rtol=1e-5, atol=1e-6)
        assert_close(fixed_grads, grads, rtol=1e-4, atol=1e-6)
        assert count < 40 or items["box_loss"] > 0


@pytest.mark.parametrize("size", SIZES)
def test_outputs_that_are_no_numbers_end_in_a_loss_that_is_none(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, answer=True)
    preds = outputs(16, SIZES[size], 0)
    with torch.no_grad():
        preds["boxes"].fill_(float("nan"))
        preds["scores"].fill_(float("nan"))
    vector, _ = v8DetectionLoss(Stub(16))(preds, labels(40, 4, 0))
    assert vector.isnan().any()


def test_large_batches_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, answer=True)
    criterion, preds = v8DetectionLoss(Stub(16)), outputs(16, SIZES["large"], 1)
    whole, _ = criterion(preds, labels(40, 4, 1))
    monkeypatch.setattr(assign_fixed, "VALUES_AT_ONCE", 3 * 1280)
    parts, _ = criterion(preds, labels(40, 4, 1))
    assert torch.equal(whole, parts)


@pytest.mark.parametrize("count", [0, 40])
@pytest.mark.parametrize("kind", [v8DetectionLoss, v8OBBLoss])
def test_the_host_waits_for_nothing(
    kind: type[v8DetectionLoss], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    criterion = E2ELoss(Stub(16), kind)
    batch = labels(count, 5 if kind is v8OBBLoss else 4, 0)

    def step(seed: int) -> None:
        branches = {name: outputs(16, SIZES["large"], seed) for name in ("one2many", "one2one")}
        vector, _ = criterion(branches, batch)
        with recorded() as seen:
            vector, _ = criterion(branches, batch)
            vector.sum().backward()
        found.append(dict(seen))

    found: list[dict[str, int]] = []
    force(monkeypatch, answer=True)
    step(0)
    force(monkeypatch, answer=False)
    step(0)
    assert found[0] == {}
    assert (sum(found[1].values()) > 20) is (count > 0)  # what the other form costs


def test_gpus_take_the_fixed_form_unless_memory_would_suffer() -> None:
    prefers = assign_fixed.prefers_fixed_shapes
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert prefers(gpu, 320, 8400)
    assert not prefers(gpu, 16 * 300, 8400)  # 40 million values
    assert not prefers(cpu, 320, 8400)


def test_subclasses_and_replaced_parts_keep_the_form_they_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Own(v8DetectionLoss):
        """A criterion of a user, who may have replaced anything."""

    force(monkeypatch, answer=True)
    preds, batch = outputs(16, SIZES["tiny"], 0), labels(3, 4, 0)
    assert v8DetectionLoss(Stub(16))._takes_fixed_shapes(preds, batch)
    assert not Own(Stub(16))._takes_fixed_shapes(preds, batch)
    replaced = v8DetectionLoss(Stub(16))
    replaced.assigner = type("OwnAssigner", (type(replaced.assigner),), {})()
    assert not replaced._takes_fixed_shapes(preds, batch)
