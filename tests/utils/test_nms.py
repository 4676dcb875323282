"""Suppression of raw outputs against a plain rewrite of the specified steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry.iou import box_iou
from ultralytics.geometry.rotated import batch_probiou
from ultralytics.utils.nms import TorchNMS, non_max_suppression

XYWH = [(50, 50, 40, 40), (52, 50, 40, 40), (50, 50, 40, 40), (150, 150, 20, 20), (50, 52, 40, 40)]
SCORES = [(0.9, 0.2), (0.8, 0.6), (0.1, 0.7), (0.3, 0.2), (0.2, 0.24)]


def example() -> Tensor:
    columns = [(*box, *score) for box, score in zip(XYWH, SCORES, strict=True)]
    return torch.tensor(columns, dtype=torch.float32).T[None]


def random_output(
    batch: int, classes: int, anchors: int, seed: int, extra: int = 0, levels: int = 0
) -> Tensor:
    """Raw output; with `levels` scores take few distinct values, so that ties are common."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(batch, 4, anchors, generator=generator) * 80 + 10
    boxes[:, 2:] = boxes[:, 2:] * 0.5 + 1
    scores = torch.rand(batch, classes + extra, anchors, generator=generator)
    if levels:
        scores[:, :classes] = (scores[:, :classes] * levels).round() / levels
    return torch.cat((boxes, scores), dim=1)


def plain(
    image: Tensor, conf: float, iou: float, nc: int, multi: bool, agnostic: bool, limit: int
) -> tuple[list[list[float]], list[int]]:
    """Rows and anchor numbers of one image, by loops."""
    boxes, scores, extras = image[:4].T, image[4 : 4 + nc].T, image[4 + nc :].T
    corners = torch.cat((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), dim=1)
    candidates = []
    for a in range(len(boxes)):
        best = int(scores[a].argmax())
        for c in range(nc) if multi and nc > 1 else [best]:
            if scores[a, c] > conf:
                candidates.append((float(scores[a, c]), a, c))
    candidates.sort(key=lambda row: -row[0])  # stable: lower anchor, then lower class first
    overlap = torchvision.ops.box_iou(corners.double(), corners.double())
    kept: list[tuple[float, int, int]] = []
    for score, a, c in candidates:
        if all(overlap[a, b] <= iou or (c != d and not agnostic) for _, b, d in kept):
            kept.append((score, a, c))
    kept = kept[:limit]
    rows = [[*corners[a].tolist(), s, float(c), *extras[a].tolist()] for s, a, c in kept]
    return rows, [a for _, a, _ in kept]


@settings(max_examples=60)
@given(
    classes=st.sampled_from([1, 2, 5]),
    anchors=st.integers(7, 60),
    seed=st.integers(0, 10_000),
    multi=st.booleans(),
    agnostic=st.booleans(),
    extra=st.sampled_from([0, 3]),
    levels=st.sampled_from([0, 4]),
    limit=st.sampled_from([3, 300]),
)
def test_loops_agree(
    classes: int,
    anchors: int,
    seed: int,
    multi: bool,
    agnostic: bool,
    extra: int,
    levels: int,
    limit: int,
) -> None:
    output = random_output(2, classes, anchors, seed, extra, levels)
    before = output.clone()
    rows, index = non_max_suppression(
        output,
        0.3,
        0.45,
        multi_label=multi,
        agnostic=agnostic,
        nc=classes,
        max_det=limit,
        return_idxs=True,
    )
    assert_close(output, before)
    for image, got, anchor in zip(output, rows, index, strict=True):
        expected, numbers = plain(image, 0.3, 0.45, classes, multi, agnostic, limit)
        assert anchor.tolist() == numbers
        assert got.shape == (len(numbers), 6 + extra)
        assert_close(got, torch.tensor(expected).view(len(numbers), -1) if expected else got)


@pytest.mark.parametrize(
    ("kwargs", "rows", "anchors"),
    [
        (
            {},
            [(30, 30, 70, 70, 0.9, 0), (30, 30, 70, 70, 0.7, 1), (140, 140, 160, 160, 0.3, 0)],
            [0, 2, 3],
        ),
        ({"agnostic": True}, [(30, 30, 70, 70, 0.9, 0), (140, 140, 160, 160, 0.3, 0)], [0, 3]),
        ({"classes": [1]}, [(30, 30, 70, 70, 0.7, 1)], [2]),
        (
            {"conf_thres": 0.1, "multi_label": True},
            [
                (30, 30, 70, 70, 0.9, 0),
                (30, 30, 70, 70, 0.7, 1),
                (140, 140, 160, 160, 0.3, 0),
                (140, 140, 160, 160, 0.2, 1),
            ],
            [0, 2, 3, 3],
        ),
        ({"nc": 1}, [(30, 30, 70, 70, 0.9, 0, 0.2), (140, 140, 160, 160, 0.3, 0, 0.2)], [0, 3]),
        ({"max_det": 1}, [(30, 30, 70, 70, 0.9, 0)], [0]),
        ({"max_wh": 0}, [(30, 30, 70, 70, 0.9, 0), (140, 140, 160, 160, 0.3, 0)], [0, 3]),
    ],
)
def test_known_example(
    kwargs: dict[str, Any], rows: list[tuple[float, ...]], anchors: list[int]
) -> None:
    found, index = non_max_suppression(example(), return_idxs=True, **kwargs)
    assert_close(found[0], torch.tensor(rows, dtype=torch.float32))
    assert index[0].tolist() == anchors


def test_more_boxes_stay_at_a_high_overlap_limit() -> None:
    (rows,) = non_max_suppression(example(), iou_thres=0.95)
    assert len(rows) == 4
    assert_close(rows[1], torch.tensor([32.0, 30, 72, 70, 0.8, 0]))


def test_limit_on_candidates_keeps_the_best() -> None:
    output = random_output(1, 3, 200, 5)
    few = non_max_suppression(output, 0.1, 1.0, max_nms=20)[0]
    many = non_max_suppression(output, 0.1, 1.0)[0]
    assert len(few) == 20
    assert_close(few, many[:20])


@pytest.mark.parametrize("classes", [1, 1000])
def test_class_counts(classes: int) -> None:
    output = random_output(1, classes, 60, 2)
    scores = output[:, 4:]
    scores[:] = scores ** (1 if classes == 1 else 600)
    (rows,) = non_max_suppression(output, 0.01, 0.5, multi_label=True)
    expected, _ = plain(output[0], 0.01, 0.5, classes, True, False, 300)
    assert_close(rows, torch.tensor(expected))
    assert len(rows) == min(len(rows), 300)


def test_high_class_numbers_lose_no_precision() -> None:
    """Two boxes of overlap 0.798, below the limit, in the last of 1203 classes."""
    output = torch.zeros(1, 4 + 1203, 7)
    output[0, :4, 0] = torch.tensor([100.3, 100.3, 8, 8])
    output[0, :4, 1] = torch.tensor([101.2, 100.3, 8, 8])
    output[0, -1, :2] = torch.tensor([0.9, 0.8])
    assert len(non_max_suppression(output, 0.25, 0.8)[0]) == 2


def test_coordinates_beyond_the_class_offset_do_not_mix_classes() -> None:
    output = torch.zeros(1, 6, 7)
    output[0, :, 0] = torch.tensor([9000, 100, 20, 20, 0.9, 0])
    output[0, :, 1] = torch.tensor([9000 - 7680, 100 - 7680, 20, 20, 0, 0.8])
    assert len(non_max_suppression(output)[0]) == 2


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.half, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_types(dtype: torch.dtype, expected: torch.dtype) -> None:
    (rows,) = non_max_suppression(example().to(dtype))
    assert rows.dtype == expected
    assert len(rows) == 3


def test_nothing_found() -> None:
    rows, index = non_max_suppression(example().repeat(2, 1, 1), 0.99, return_idxs=True)
    assert [tuple(r.shape) for r in rows] == [(0, 6), (0, 6)]
    assert [len(i) for i in index] == [0, 0]
    assert non_max_suppression(torch.zeros(0, 6, 9)) == []
    assert non_max_suppression(torch.zeros(1, 6, 0))[0].shape == (0, 6)


def test_first_of_a_sequence_is_used() -> None:
    assert_close(non_max_suppression((example(), None))[0], non_max_suppression(example())[0])


@pytest.mark.parametrize("kwargs", [{"conf_thres": 1.5}, {"iou_thres": -0.1}])
def test_thresholds_outside_the_range(kwargs: dict[str, float]) -> None:
    with pytest.raises(AssertionError, match="Invalid"):
        non_max_suppression(example(), **kwargs)


def test_final_rows_are_filtered_only() -> None:
    rows = torch.tensor([[[0, 0, 1, 1, 0.2, 0], [0, 0, 1, 1, 0.9, 1], [0, 0, 1, 1, 0.8, 2.0]]])
    (found,), (index,) = non_max_suppression(rows, 0.25, return_idxs=True)
    assert_close(found, rows[0, 1:])
    assert index.tolist() == [1, 2]
    (found,) = non_max_suppression(rows, 0.1, classes=[0, 2], max_det=1)
    assert_close(found, rows[0, :1])
    longer = torch.rand(2, 5, 9)
    assert non_max_suppression(longer, 0.0, end2end=True)[1].shape == (5, 9)


ROTATED = [
    (50, 50, 40, 20, 0.9, 0.1, 0.1),
    (51, 50, 40, 20, 0.8, 0.1, 0.15),
    (50, 50, 40, 20, 0.1, 0.7, 0.1),
    (80, 80, 40, 20, 0.6, 0.2, 1.2),
    (52, 51, 40, 20, 0.5, 0.1, 0.12),
]


def test_rotated_example() -> None:
    output = torch.tensor(ROTATED).T[None]
    (rows,) = non_max_suppression(output, rotated=True, nc=2)
    assert [(round(s, 3), c) for s, c in rows[:, 4:6].tolist()] == [(0.9, 0), (0.7, 1), (0.6, 0)]
    assert_close(rows[2], torch.tensor([80, 80, 40, 20, 0.6, 0, 1.2]))
    (rows,) = non_max_suppression(output, rotated=True, nc=2, agnostic=True)
    assert [round(s, 3) for s in rows[:, 4].tolist()] == [0.9, 0.6]


def test_plain_nms_of_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert TorchNMS.nms(boxes, scores, 0.5).tolist() == [0, 2]
    assert TorchNMS.nms(boxes.flip(0), scores.flip(0), 0.5).tolist() == [2, 0]
    assert TorchNMS.nms(boxes[:0], scores[:0], 0.5).shape == (0,)
    assert TorchNMS.fast_nms(boxes, scores, 0.5).tolist() == [0]
    assert TorchNMS.fast_nms(boxes[:0], scores[:0], 0.5).shape == (0,)
    index = TorchNMS.fast_nms(boxes, scores, 0.5, use_triu=False)
    assert index[0].item() == 0
    assert len(index) == 3
    assert_close(scores, torch.tensor([0.9, 0, 0]))


@pytest.mark.parametrize("rotated", [False, True])
def test_matrix_rule_of_many_boxes(rotated: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(1500, 5 if rotated else 4, generator=generator) * 200
    if not rotated:
        boxes[:, 2:] = boxes[:, :2] + 20
    scores = torch.rand(1500, generator=generator)
    overlap = batch_probiou if rotated else box_iou
    order = np.argsort(-scores.numpy(), kind="stable")
    matrix = (overlap(boxes[order], boxes[order]) > 0.3).triu(diagonal=1)
    expected = order[~matrix.any(dim=0).numpy()]
    assert TorchNMS.fast_nms(boxes, scores, 0.3, iou_func=overlap).tolist() == expected.tolist()
