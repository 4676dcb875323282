"""Segmentation losses: golden runs of the specification, and a plain loop over positives as oracle."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.geometry.masks import crop_mask
from ultralytics.utils.loss import SegmentLoss26, masks, v8SegmentationLoss


def wave(rate: float, *shape: int) -> Tensor:
    count = math.prod(shape)
    return torch.sin(rate * torch.arange(count, dtype=torch.float64)).view(shape).float()


class Stub(nn.Module):
    """The few things a criterion asks of a model."""

    def __init__(self, bins: int = 1, overlap: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        stride = torch.tensor([8.0, 16.0])
        self.model = [SimpleNamespace(stride=stride, nc=2, no=2 + 4 * bins, reg_max=bins)]
        self.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, epochs=10, overlap_mask=overlap)


def outputs(bins: int = 1, semantic: bool = True) -> dict[str, Any]:
    """Section 7 of chapter 20."""
    boxes = 0.5 * wave(0.37, 2, 4 * bins, 20)
    proto = wave(0.43, 2, 3, 8, 8).requires_grad_()
    return {
        "boxes": boxes if bins > 1 else 1.6 + boxes,
        "scores": 2 * wave(0.53, 2, 2, 20) - 1,
        "feats": [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 2, 2)],
        "mask_coefficient": (1.5 * wave(0.71, 2, 3, 20)).requires_grad_(),
        "proto": (proto, (2 * wave(0.29, 2, 2, 4, 4)).requires_grad_()) if semantic else proto,
    }


def labels(overlap: bool = True, enlarge: int = 1) -> dict[str, Tensor]:
    separate = torch.zeros(3, 8, 8)
    separate[0, 1:6, 1:5] = separate[1, 4:6, 4:7] = separate[2, 2:6, 1:7] = 1
    index = torch.zeros(2, 8, 8)
    index[0, 1:6, 1:5], index[0, 4:6, 4:7], index[1, 2:6, 1:7] = 1, 2, 1
    classes = torch.zeros(2, 8, 8)
    classes[0, 4:6, 4:7] = classes[1, 2:6, 1:7] = 1

    def larger(planes: Tensor) -> Tensor:
        return planes.repeat_interleave(enlarge, 1).repeat_interleave(enlarge, 2)

    return {
        "batch_idx": torch.tensor([0.0, 0, 1]),
        "cls": torch.tensor([[0.0], [1], [1]]),
        "bboxes": torch.tensor([[0.4, 0.4, 0.5, 0.6], [0.7, 0.6, 0.3, 0.25], [0.5, 0.5, 0.8, 0.4]]),
        "masks": larger(index if overlap else separate),
        "sem_masks": larger(classes),
    }


V8, NEW = v8SegmentationLoss, SegmentLoss26
GOLDEN = [
    pytest.param(V8, 4, False, {}, (4.039167, 6.84923, 15.109412, 2.094958, 0), id="bins"),
    pytest.param(V8, 1, True, {}, (4.046886, 6.840852, 13.180841, 0.175498, 5.765723), id="plain"),
    pytest.param(NEW, 1, True, {}, (4.437849, 6.840852, 12.624204, 0.205633, 5.765723), id="26"),
    pytest.param(
        NEW,
        1,
        True,
        {"tal_topk": 7, "tal_topk2": 1},
        (4.283338, 6.997778, 21.03755, 0.185371, 5.765723),
        id="26-one",
    ),
]


@pytest.mark.parametrize(("kind", "bins", "semantic", "kwargs", "expected"), GOLDEN)
def test_golden_runs(
    kind: type[v8SegmentationLoss],
    bins: int,
    semantic: bool,
    kwargs: dict[str, int],
    expected: tuple[float, ...],
) -> None:
    criterion = kind(Stub(bins), **kwargs)
    vector, items = criterion(outputs(bins, semantic), labels())
    distance = "dfl_loss" if bins > 1 else "l1_loss"
    assert list(items) == ["box_loss", "seg_loss", "cls_loss", distance, "sem_loss"]
    assert [v.item() for v in items.values()] == pytest.approx(expected, rel=1e-5)
    assert vector.tolist() == pytest.approx([2 * v for v in expected], rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "box"), [pytest.param(V8, 4.046886, id="8"), pytest.param(NEW, 4.429994, id="26")]
)
def test_separate_masks(kind: type[v8SegmentationLoss], box: float) -> None:
    _, items = kind(Stub(overlap=False))(outputs(), labels(overlap=False))
    assert items["seg_loss"].item() == pytest.approx(6.851653, rel=1e-5)
    assert items["box_loss"].item() == pytest.approx(box, rel=1e-5)


def test_masks_finer_than_the_prototypes() -> None:
    _, items = v8SegmentationLoss(Stub())(outputs(), labels(enlarge=2))
    assert items["seg_loss"].item() == pytest.approx(6.074244, rel=1e-5)
    assert items["sem_loss"].item() == pytest.approx(5.765723, rel=1e-5)


def test_labels_may_come_in_any_order() -> None:
    batch, order = labels(overlap=False), torch.tensor([2, 0, 1])
    mixed = {k: v if k == "sem_masks" else v[order] for k, v in batch.items()}
    criterion = v8SegmentationLoss(Stub(overlap=False))
    assert_close(criterion(outputs(), mixed)[0], criterion(outputs(), batch)[0])


def loop(criterion: v8SegmentationLoss, preds: dict[str, Any], batch: dict[str, Tensor]) -> Tensor:
    """The mask term, positive by positive, from complete masks."""
    targets, _, _ = criterion.get_assigned_targets_and_loss(preds, batch)
    foreground, slot, boxes, _, _ = targets
    proto = preds["proto"]
    terms = []
    for image, anchor in foreground.nonzero().tolist():
        logits = torch.einsum(
            "c,chw->hw", preds["mask_coefficient"][image, :, anchor], proto[image]
        )
        wanted = (batch["masks"][image] == slot[image, anchor] + 1).float()
        loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        share = boxes[image, anchor] / 32
        area = (share[2] - share[0]) * (share[3] - share[1])
        terms.append(crop_mask(loss[None], share[None] * 8).mean() / area)
    return torch.stack(terms).mean() * 7.5 * 2


@pytest.mark.parametrize("at_once", [2**22, 40], ids=["one-part", "many-parts"])
def test_value_and_gradients_equal_a_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "VALUES_AT_ONCE", at_once)
    criterion = v8SegmentationLoss(Stub())
    fast, plain = outputs(semantic=False), outputs(semantic=False)
    seg = criterion(fast, labels())[0][1]
    expected = loop(criterion, plain, labels())
    assert_close(seg, expected)
    seg.backward()
    expected.backward()
    for name in ("mask_coefficient", "proto"):
        assert_close(fast[name].grad, plain[name].grad, rtol=1e-4, atol=1e-6)


def test_no_labels_leave_the_graph_connected() -> None:
    empty = {k: v if k in ("masks", "sem_masks") else v[:0] for k, v in labels().items()}
    for kind in (V8, NEW):
        preds = outputs()
        vector, items = kind(Stub())(preds, empty)
        assert items["seg_loss"] == items["sem_loss"] == 0
        vector.sum().backward()
        for leaf in (preds["mask_coefficient"], *preds["proto"]):
            assert leaf.grad is not None
            assert not leaf.grad.any()


def test_a_label_without_width_does_no_harm() -> None:
    batch = labels()
    batch["bboxes"][0, 2] = 0
    vector, _ = v8SegmentationLoss(Stub())(outputs(), batch)
    assert vector.isfinite().all()


def test_the_known_single_image_case() -> None:
    gt = (wave(0.5, 2, 4, 4) > 0).float()
    boxes = torch.tensor([[0, 0, 2.5, 3], [1, 1, 4, 4]])
    loss = v8SegmentationLoss.single_mask_loss(
        gt, wave(0.7, 2, 3), wave(0.3, 3, 4, 4), boxes, torch.tensor([0.4, 0.5])
    )
    assert loss.item() == pytest.approx(2.823734, rel=1e-5)


def test_half_precision_outputs_are_computed_in_full() -> None:
    halves = {
        k: v.half() if isinstance(v, Tensor) else v for k, v in outputs(semantic=False).items()
    }
    vector, _ = v8SegmentationLoss(Stub())(halves, labels())
    exact, _ = v8SegmentationLoss(Stub())(
        {k: v.float() if isinstance(v, Tensor) else v for k, v in halves.items()}, labels()
    )
    assert vector.dtype == torch.float32
    assert_close(vector, exact)
