"""The COCO evaluation against pycocotools on random scenes."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from ultralytics.utils.metrics.coco import CocoEvaluator, evaluate_files

coco_module = pytest.importorskip("pycocotools.coco")
cocoeval_module = pytest.importorskip("pycocotools.cocoeval")


def scene(
    seed: int, images: int = 12, classes: int = 3, crowd: float = 0.0, coarse_scores: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations of all sizes, and detections that are shaken copies, repeats and strays."""
    rng = np.random.default_rng(seed)
    annotations, rows = [], []
    for image in range(images):
        for _ in range(int(rng.integers(0, 9))):
            size = rng.choice([12.0, 40.0, 130.0]) * rng.uniform(0.7, 1.4, 2)
            corner = rng.uniform(0, 300, 2)
            cls = int(rng.integers(1, classes + 1))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": cls,
                    "bbox": [*corner.tolist(), *size.tolist()],
                    "area": float(size.prod() * rng.uniform(0.5, 1.0)),
                    "iscrowd": int(rng.random() < crowd),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                shaken = np.r_[corner, size] + rng.normal(0, 0.08, 4) * np.r_[size, size]
                label = cls if rng.random() < 0.85 else int(rng.integers(1, classes + 1))
                rows.append({"image_id": image, "category_id": label, "bbox": shaken.tolist()})
        for _ in range(int(rng.integers(0, 6))):
            stray = [*rng.uniform(0, 300, 2).tolist(), *rng.uniform(5, 150, 2).tolist()]
            cls = int(rng.integers(1, classes + 1))
            rows.append({"image_id": image, "category_id": cls, "bbox": stray})
    for row in rows:
        score = rng.random()
        row["score"] = round(score, 1) if coarse_scores else score
    dataset = {
        "images": [{"id": i, "width": 640, "height": 640} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in range(1, classes + 1)],
    }
    return dataset, rows


def judged_by_pycocotools(dataset: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_module.COCO()
        truth.dataset = dataset
        truth.createIndex()
        evaluation = cocoeval_module.COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("crowd", [0.0, 0.3])
@pytest.mark.parametrize("coarse_scores", [False, True])
def test_the_twelve_numbers_are_those_of_pycocotools(
    seed: int, crowd: float, coarse_scores: bool
) -> None:
    dataset, rows = scene(seed, crowd=crowd, coarse_scores=coarse_scores)
    expected = judged_by_pycocotools(dataset, rows)
    assert evaluate_files(rows, dataset).stats == pytest.approx(expected, abs=1e-12)


def test_limits_of_detections_hold_with_more_than_a_hundred_of_a_class() -> None:
    dataset, _ = scene(0, images=2, classes=1)
    rng = np.random.default_rng(1)
    rows = [
        {
            "image_id": int(rng.integers(0, 2)),
            "category_id": 1,
            "bbox": (
                np.array(
                    dataset["annotations"][int(rng.integers(len(dataset["annotations"])))]["bbox"]
                )
                + rng.normal(0, 4, 4)
            ).tolist(),
            "score": rng.random(),
        }
        for _ in range(700)
    ]
    expected = judged_by_pycocotools(dataset, rows)
    assert evaluate_files(rows, dataset).stats == pytest.approx(expected, abs=1e-12)


def test_corner_boxes_give_the_same_numbers() -> None:
    dataset, rows = scene(3)
    for annotation in dataset["annotations"]:
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
    evaluator = CocoEvaluator()
    for image in range(len(dataset["images"])):
        own = [r for r in rows if r["image_id"] == image]
        targets = [a for a in dataset["annotations"] if a["image_id"] == image]
        evaluator.add(
            corners(own),
            [r["score"] for r in own],
            [r["category_id"] for r in own],
            corners(targets),
            [a["category_id"] for a in targets],
        )
    expected = evaluate_files(rows, dataset)
    assert evaluator.evaluate().stats == pytest.approx(expected.stats, abs=1e-9)


def corners(rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    boxes = np.array([r["bbox"] for r in rows]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def test_a_perfect_detector_scores_one() -> None:
    evaluator = CocoEvaluator()
    boxes = [[0, 0, 10, 10], [20, 20, 90, 90]]
    evaluator.add(boxes, [0.9, 0.8], [0, 4], boxes, [0, 4])
    summary = evaluator.evaluate()
    assert [summary.ap, summary.ap50, summary.ar100] == pytest.approx([1, 1, 1])
    assert summary.ap_large == -1
    assert summary.per_class == {0: pytest.approx(1), 4: pytest.approx(1)}
    assert "large -" in summary.lines()[0]


def test_nothing_at_all_gives_absent_numbers() -> None:
    assert CocoEvaluator().evaluate().stats == [-1.0] * 12


def test_detections_without_targets_do_not_count() -> None:
    evaluator = CocoEvaluator()
    evaluator.add([[0, 0, 5, 5]], [0.5], [1], np.zeros((0, 4)), [])
    assert evaluator.evaluate().stats == [-1.0] * 12


def test_only_the_named_images_are_evaluated() -> None:
    dataset, rows = scene(5)
    some = {0, 2, 4}
    part = {
        **dataset,
        "images": [i for i in dataset["images"] if i["id"] in some],
        "annotations": [a for a in dataset["annotations"] if a["image_id"] in some],
    }
    expected = judged_by_pycocotools(part, [r for r in rows if r["image_id"] in some])
    assert evaluate_files(rows, dataset, some).stats == pytest.approx(expected, abs=1e-12)
