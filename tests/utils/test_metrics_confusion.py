"""Confusion matrix: claims in order of confidence, background, names, saved matches."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ultralytics.utils.metrics import ConfusionMatrix

TARGETS = torch.tensor([[0.0, 0, 10, 10, 0], [21, 21, 31, 31, 0], [80, 80, 90, 90, 1]])
FOUND = torch.tensor(
    [
        [0.0, 0, 10, 10, 0.9, 0],
        [0, 0, 10, 9, 0.8, 1],
        [20, 20, 30, 30, 0.6, 1],
        [50, 50, 60, 60, 0.3, 0],
    ]
)


def truth(rows: torch.Tensor = TARGETS) -> dict[str, Any]:
    return {"bboxes": rows[:, :4], "cls": rows[:, 4]}


def found(rows: torch.Tensor = FOUND) -> dict[str, torch.Tensor]:
    return {"bboxes": rows[:, :4], "conf": rows[:, 4], "cls": rows[:, 5]}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0.45, [[1, 0, 1], [1, 0, 1], [0, 1, 0]]),
        (0.7, [[1, 0, 1], [0, 0, 2], [1, 1, 0]]),
    ],
)
def test_the_example_of_the_specification(limit: float, expected: list[list[int]]) -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"})
    matrix.process_batch(found(), truth(), iou_thres=limit)
    assert matrix.matrix.tolist() == expected


def test_order_of_detections_does_not_matter() -> None:
    straight, shuffled = ConfusionMatrix({0: "a", 1: "b"}), ConfusionMatrix({0: "a", 1: "b"})
    straight.process_batch(found(), truth())
    shuffled.process_batch(found(FOUND[[3, 1, 0, 2]]), truth())
    assert (straight.matrix == shuffled.matrix).all()


def test_images_without_one_side() -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"})
    matrix.process_batch(found(FOUND[:0]), truth())
    matrix.process_batch(found(), truth(TARGETS[:0]))
    assert matrix.matrix.tolist() == [[0, 0, 2], [0, 0, 2], [2, 1, 0]]


def test_faint_detections_are_left_out() -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"})
    matrix.process_batch(found(), truth(TARGETS[:0]), conf=0.8)
    assert matrix.matrix.sum() == 1


def test_names_become_clean_and_unique_columns() -> None:
    rows = ConfusionMatrix({0: "a", 1: "a", 2: "b-c"}).summary()
    assert list(rows[0]) == ["Predicted", "a", "a_1", "b_c", "background"]
    assert [row["Predicted"] for row in rows] == ["a", "a_1", "b_c", "background"]


def test_normalized_columns_sum_to_one() -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"})
    matrix.process_batch(found(), truth())
    assert matrix.normalized().sum(0) == pytest.approx([1, 1, 1])


def test_classification_has_no_background() -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"}, task="classify")
    matrix.process_cls_preds([torch.tensor([[0, 1], [1, 0]])], [torch.tensor([0, 0])])
    assert matrix.matrix.tolist() == [[1, 0], [1, 0]]
    correct, false = matrix.tp_fp()
    assert (correct.tolist(), false.tolist()) == ([1, 0], [0, 1])


def test_saved_matches_count_a_wrong_class_as_false_and_missed() -> None:
    matrix = ConfusionMatrix({0: "a", 1: "b"}, save_matches=True)
    matrix.process_batch(found(), truth())
    assert matrix.matches is not None
    counts = {kind: len(boxes["cls"]) for kind, boxes in matrix.matches.items()}
    assert counts == {"GT": 3, "FP": 3, "TP": 1, "FN": 2}


def test_rotated_boxes_are_compared_as_rotated() -> None:
    box = torch.tensor([[50.0, 50, 40, 10, 0.7]])
    turned = torch.tensor([[50.0, 50, 40, 10, 0.7 + 1.57]])
    for boxes, hits in ((box, 1), (turned, 0)):
        matrix = ConfusionMatrix({0: "a"}, task="obb")
        detection = {"bboxes": boxes, "conf": torch.tensor([0.9]), "cls": torch.tensor([0.0])}
        matrix.process_batch(detection, {"bboxes": box, "cls": torch.tensor([0.0])})
        assert matrix.matrix[0, 0] == hits
