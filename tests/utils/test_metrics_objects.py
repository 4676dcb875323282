"""Metric objects: the worked example of the specification, exports, text form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.geometry.iou import box_iou
from ultralytics.utils.metrics import (
    ClassifyMetrics,
    ConfusionMatrix,
    DetMetrics,
    OBBMetrics,
    PoseMetrics,
    SegmentMetrics,
    SemanticMetrics,
)
from ultralytics.utils.metrics.matching import match_greedily

NAMES = {0: "cat", 1: "dog"}
IOUV = np.linspace(0.5, 0.95, 10).astype(np.float32)

# image -> targets [x1 y1 x2 y2 class], predictions [x1 y1 x2 y2 confidence class]
SCENE: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "a.jpg": (
        [[0, 0, 100, 100, 0], [200, 200, 300, 280, 1]],
        [
            [2, 3, 101, 98, 0.9, 0],
            [205, 195, 296, 284, 0.8, 1],
            [0, 0, 60, 100, 0.7, 0],
            [400, 400, 450, 450, 0.6, 1],
        ],
    ),
    "b.jpg": (
        [[50, 50, 150, 250, 0]],
        [[52, 55, 149, 240, 0.55, 0], [50, 50, 150, 250, 0.5, 1]],
    ),
    "c.jpg": ([], [[10, 10, 20, 20, 0.3, 0]]),
    "d.jpg": ([], []),
}


def tensors(rows: list[list[float]], width: int) -> torch.Tensor:
    return torch.tensor(rows).reshape(-1, width)


def collected(metrics: Any) -> tuple[Any, ConfusionMatrix]:
    matrix = ConfusionMatrix(NAMES)
    for name, (targets, predictions) in SCENE.items():
        truth, found = tensors(targets, 5), tensors(predictions, 6)
        alike = truth[:, 4:5] == found[:, 5]
        overlap = (box_iou(truth[:, :4], found[:, :4]) * alike).numpy()
        stat = {
            "tp": match_greedily(overlap, IOUV),
            "conf": found[:, 4].numpy(),
            "pred_cls": found[:, 5].numpy(),
            "target_cls": truth[:, 4].numpy(),
            "target_img": np.unique(truth[:, 4].numpy()),
            "im_name": name,
        }
        metrics.update_stats({**stat, "tp_m": stat["tp"], "tp_p": stat["tp"]})
        matrix.process_batch(
            {"bboxes": found[:, :4], "conf": found[:, 4], "cls": found[:, 5]},
            {"bboxes": truth[:, :4], "cls": truth[:, 4]},
        )
    metrics.process()
    return metrics, matrix


@pytest.fixture
def metrics() -> DetMetrics:
    return collected(DetMetrics(NAMES))[0]


def test_means_of_the_specification(metrics: DetMetrics) -> None:
    expected = [0.749374, 0.75, 0.911667, 0.704333]
    assert metrics.mean_results() == pytest.approx(expected, abs=1e-6)
    assert metrics.maps == pytest.approx([0.71217, 0.6965], abs=1e-5)
    assert metrics.fitness == pytest.approx(0.704333, abs=1e-6)
    assert list(metrics.results_dict) == [
        "metrics/precision(B)",
        "metrics/recall(B)",
        "metrics/mAP50(B)",
        "metrics/mAP50-95(B)",
        "fitness",
    ]


def test_summary_of_the_specification(metrics: DetMetrics) -> None:
    cat, dog = metrics.summary()
    assert cat == {
        "Class": "cat",
        "Images": 2,
        "Instances": 2,
        "Box-P": 0.62437,
        "Box-R": 0.5,
        "Box-F1": 0.55531,
        "mAP50": 0.82833,
        "mAP75": 0.82833,
        "mAP50-95": 0.71217,
    }
    assert list(dog.values())[1:] == [1, 1, 0.87437, 1, 0.93298, 0.995, 0.995, 0.6965]


def test_image_metrics_of_the_specification(metrics: DetMetrics) -> None:
    a, d = metrics.box.image_metrics["a.jpg"], metrics.box.image_metrics["d.jpg"]
    expected = {"precision": 0.5, "recall": 1, "f1": 0.66667, "tp": 2, "fp": 2, "fn": 0}
    assert a == pytest.approx(expected, abs=1e-5)
    assert list(d.values()) == [1, 1, 1, 0, 0, 0]


def test_confusion_of_the_specification() -> None:
    assert collected(DetMetrics(NAMES))[1].matrix.tolist() == [[2, 0, 2], [0, 1, 2], [0, 0, 0]]


def test_confidence_of_p_and_r_is_where_mean_f1_peaks(metrics: DetMetrics) -> None:
    best = metrics.box.best_conf
    assert best is not None
    column = int(np.abs(metrics.box.px - best).argmin())
    assert metrics.box.p_curve[:, column] == pytest.approx(metrics.box.p)


def test_tables(metrics: DetMetrics) -> None:
    assert metrics.to_df().shape == (2, 9)
    assert metrics.to_csv().splitlines()[0].startswith("Class,Images,Instances,Box-P")
    assert [row["Class"] for row in json.loads(metrics.to_json())] == ["cat", "dog"]


def test_text_form_lists_attributes_and_survives_an_empty_object(metrics: DetMetrics) -> None:
    assert "fitness: 0.704" in str(metrics)
    assert "box: ultralytics.utils.metrics.metric.Metric object" in str(metrics)
    assert "maps" in str(DetMetrics(NAMES))


def test_a_missing_attribute_names_the_class() -> None:
    with pytest.raises(AttributeError, match="'DetMetrics' object has no attribute 'mAP'"):
        _ = DetMetrics(NAMES).mAP


def test_an_empty_object_answers_with_zeros() -> None:
    empty = DetMetrics(NAMES)
    assert empty.mean_results() == [0, 0, 0, 0]
    assert empty.summary() == []
    assert empty.box.best_conf is None
    assert empty.to_df().shape == (0, 0)
    with pytest.raises(ValueError, match="concatenate"):
        empty.process()


def test_an_image_without_anything_is_enough() -> None:
    one = DetMetrics(NAMES)
    nothing = np.zeros(0)
    keys = ("conf", "pred_cls", "target_cls", "target_img")
    one.update_stats({**dict.fromkeys(keys, nothing), "tp": np.zeros((0, 10)), "im_name": "x"})
    one.process()
    assert one.maps.tolist() == [0, 0]
    assert one.nt_per_class.tolist() == [0, 0]


def test_clearing_keeps_the_averages(metrics: DetMetrics) -> None:
    metrics.clear_stats()
    metrics.clear_image_metrics()
    assert all(not parts for parts in metrics.stats.values())
    assert metrics.box.image_metrics == {}
    assert metrics.fitness > 0.7


@pytest.mark.parametrize(("kind", "letter"), [(SegmentMetrics, "M"), (PoseMetrics, "P")])
def test_two_kinds_add_up(kind: type[DetMetrics], letter: str, metrics: DetMetrics) -> None:
    double = collected(kind(NAMES))[0]
    assert double.fitness == pytest.approx(2 * metrics.fitness)
    assert double.maps == pytest.approx(2 * metrics.maps)
    assert f"metrics/mAP50({letter})" in double.keys
    assert len(double.curves) == len(double.curves_results) == 8
    assert len(double.class_result(0)) == 8


def test_rotated_boxes_have_the_keys_of_upright_ones() -> None:
    assert OBBMetrics(NAMES).keys == DetMetrics(NAMES).keys


def test_classification_accuracy() -> None:
    metrics = ClassifyMetrics()
    guesses = torch.tensor([[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 3]])
    metrics.process([torch.tensor([0, 0, 0, 0])], [guesses])
    assert (metrics.top1, metrics.top5, metrics.fitness) == (0.25, 0.75, 0.5)


def test_semantic_of_the_specification() -> None:
    metrics = SemanticMetrics({0: "a", 1: "b", 2: "c"})
    guess, truth = torch.tensor([[[0, 1, 1], [2, 2, 0]]]), torch.tensor([[[0, 1, 0], [2, 1, 255]]])
    metrics.update_stats(guess, truth)
    metrics.process()
    assert metrics.matrix is not None
    assert metrics.matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert metrics.per_class_iou == pytest.approx([0.5, 1 / 3, 0.5])
    assert (metrics.miou, metrics.pixel_accuracy) == pytest.approx((4 / 9, 0.6))
