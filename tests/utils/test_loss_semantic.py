"""Losses of semantic segmentation: recorded examples, and formulas written out pixel by pixel."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ultralytics.utils.loss import SemanticSegmentationLoss, SemSegLoss


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return 2 * torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


def network(nc: int, **attributes: Any) -> Any:  # Any: stands for a network
    return SimpleNamespace(model=[SimpleNamespace(nc=nc)], args=SimpleNamespace(), **attributes)


def mask() -> Tensor:
    image, y, x = torch.meshgrid(torch.arange(2), torch.arange(8), torch.arange(8), indexing="ij")
    ids = (64 * image + 8 * y + x) % 3
    ids[0, 0, :4] = 255
    return ids.int()


# Specification chapter 20, section 4.10.
@pytest.mark.parametrize(
    ("has_aux", "weights", "loss", "ce"),
    [
        (True, None, 4.662837, 1.16488),
        (False, None, 3.650599, 1.16488),
        (False, [1.0, 2.0, 0.5], None, 1.166746),
    ],
)
def test_recorded_example(
    has_aux: bool, weights: list[float] | None, loss: float | None, ce: float
) -> None:
    extra = {} if weights is None else {"class_weights": torch.tensor(weights)}
    main, aux = wave(0.37, 2, 3, 4, 4), wave(0.41, 2, 3, 2, 2) / 2
    criterion = SemanticSegmentationLoss(network(3, **extra))
    total, items = criterion((main, aux) if has_aux else main, {"semantic_mask": mask()})
    assert items["ce_loss"].item() == pytest.approx(ce, abs=1e-5)
    assert items["dice_loss"].item() == pytest.approx(0.660419, abs=1e-5)
    assert items["aux_loss"].item() == pytest.approx(0.506119 if has_aux else 0, abs=1e-5)
    if loss is not None:
        assert total.item() == pytest.approx(loss, abs=1e-5)


def test_recorded_binary_example() -> None:
    target = mask()
    target = torch.where(target == 255, target, (target == 1).int())
    total, items = SemanticSegmentationLoss(network(1))(
        wave(0.37, 2, 1, 4, 4), {"semantic_mask": target}
    )
    assert items["ce_loss"].item() == pytest.approx(0.880794, abs=1e-5)
    assert items["dice_loss"].item() == pytest.approx(0.584126, abs=1e-5)
    assert total.item() == pytest.approx(2.929839, abs=1e-5)


def test_cityscapes_has_weights_of_its_own() -> None:
    net = network(19)
    net.args = {"data": "some/cityscapes8.yaml"}
    weight = SemanticSegmentationLoss(net).class_weight
    assert weight is not None
    assert len(weight) == 19
    net.args = {"data": "streets.yaml"}
    assert SemanticSegmentationLoss(net).class_weight is None


@pytest.mark.parametrize("nc", [1, 4])
@pytest.mark.parametrize("kind", [SemanticSegmentationLoss, SemSegLoss])
def test_nothing_but_ignored_pixels(nc: int, kind: Any) -> None:
    logits = wave(0.3, 2, nc, 8, 8).requires_grad_()
    total, _ = kind(network(nc))((logits, logits), {"semantic_mask": torch.full((2, 8, 8), 255)})
    total.backward()
    assert torch.isfinite(total)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_ignored_pixels_get_no_gradient_from_the_entropy() -> None:
    logits = wave(0.3, 1, 3, 4, 4).requires_grad_()
    target = torch.zeros(1, 4, 4, dtype=torch.int32)
    target[0, 0] = 255
    SemSegLoss()(logits, {"semantic_mask": target})[0].backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 0].abs().max() == 0
    assert logits.grad[0, :, 1:].abs().min() > 0


def by_hand(logits: Tensor, target: Tensor, gamma: float = 0.2, gate: float = 0.05) -> float:
    values = []
    for image, y, x in torch.nonzero(target != 255).tolist():
        row = logits[image, :, y, x].double()
        values.append(float(row.exp().sum().log() - row[target[image, y, x]]))
    hard = [v for v in values if v > gate]
    return sum(values) / len(values) + gamma * (sum(hard) / len(hard) if hard else 0.0)


def test_recorded_context_example() -> None:
    target = torch.arange(8).view(2, 2, 2) % 3
    aux, main = wave(0.37, 2, 3, 2, 2), wave(0.41, 2, 3, 2, 2)
    _, items = SemSegLoss()((aux, main), {"masks": target})
    assert items["loss"].item() == pytest.approx(1.899416, abs=1e-5)
    _, items = SemSegLoss()(main, {"masks": target})
    assert items["loss"].item() == pytest.approx(1.820909, abs=1e-5)


def test_context_loss_pixel_by_pixel() -> None:
    target = torch.randint(0, 3, (2, 5, 7), generator=torch.Generator().manual_seed(0))
    target[0, :2] = 255
    aux, main = wave(0.37, 2, 3, 5, 7), wave(0.41, 2, 3, 5, 7)
    total, items = SemSegLoss()((aux, main), {"semantic_mask": target})
    expected = 0.3 * by_hand(aux, target) + 0.7 * by_hand(main, target)
    assert items["loss"].item() == pytest.approx(expected, rel=1e-5)
    assert total.item() == pytest.approx(2 * expected, rel=1e-5)


def test_the_dice_term_counts_the_main_output_only() -> None:
    target = torch.randint(0, 3, (2, 5, 7), generator=torch.Generator().manual_seed(0))
    target[0, :2] = 255
    aux, main = wave(0.37, 2, 3, 5, 7), wave(0.41, 2, 3, 5, 7)
    plain, _ = SemSegLoss()((aux, main), {"semantic_mask": target})
    with_dice, _ = SemSegLoss(dice=0.5)((aux, main), {"semantic_mask": target})
    scores = main.softmax(1).movedim(1, -1)[target != 255]
    known = target[target != 255]
    parts = []
    for k in range(3):
        own = known == k
        parts.append(1 - (2 * scores[own, k].sum() + 1) / (scores[:, k].sum() + own.sum() + 1))
    expected = 2 * 0.5 * torch.stack(parts).mean().item()
    assert (with_dice - plain).item() == pytest.approx(expected, rel=1e-4)


def test_no_pixel_above_the_gate() -> None:
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    sure = torch.zeros(1, 3, 4, 4)
    sure[:, 0] = 20
    sure.requires_grad_()
    total, items = SemSegLoss()((sure, sure), {"semantic_mask": target})
    total.backward()
    assert items["loss"].item() == pytest.approx(by_hand(sure.detach(), target), abs=1e-6)
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()
