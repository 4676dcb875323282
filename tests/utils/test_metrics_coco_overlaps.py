"""The COCO evaluation of masks and keypoints from overlap matrices, against pycocotools on random scenes."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from ultralytics.utils.metrics.coco import CocoEvaluator, CocoPoseEvaluator, OverlapEvaluator
from ultralytics.utils.metrics.coco_pose import evaluate_pose_files

coco_module = pytest.importorskip("pycocotools.coco")
cocoeval_module = pytest.importorskip("pycocotools.cocoeval")
mask_module = pytest.importorskip("pycocotools.mask")

Rows = list[dict[str, Any]]
SIZE = 220


def evaluation_of(dataset: dict[str, Any], rows: Rows, kind: str) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_module.COCO()
        truth.dataset = dataset
        truth.createIndex()
        evaluation = cocoeval_module.COCOeval(truth, truth.loadRes(rows), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def dataset_of(images: int, annotations: Rows) -> dict[str, Any]:
    return {
        "images": [{"id": i, "width": SIZE, "height": SIZE} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in (1, 2)],
    }


def ellipse(rng: np.random.Generator, centre: Any, radii: Any) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:SIZE, :SIZE]
    mask = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 <= 1
    return np.asfortranarray(mask & (rng.random((SIZE, SIZE)) < 0.97), dtype=np.uint8)


def mask_scene(seed: int, crowd: float) -> tuple[dict[str, Any], Rows]:
    rng = np.random.default_rng(seed)
    annotations: Rows = []
    rows: Rows = []
    for image in range(6):
        for _ in range(int(rng.integers(0, 6))):
            centre = rng.uniform(20, SIZE - 20, 2)
            radii = rng.choice([8.0, 30.0, 70.0]) * rng.uniform(0.7, 1.3, 2)
            cls = int(rng.integers(1, 3))
            rle = mask_module.encode(ellipse(rng, centre, radii))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": cls,
                    "segmentation": rle,
                    "bbox": mask_module.toBbox(rle).tolist(),
                    "area": float(mask_module.area(rle)),
                    "iscrowd": int(rng.random() < crowd),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                shifted = centre + rng.normal(0, 0.1, 2) * radii
                found = mask_module.encode(ellipse(rng, shifted, radii * rng.uniform(0.8, 1.2, 2)))
                label = cls if rng.random() < 0.85 else 3 - cls
                rows.append({"image_id": image, "category_id": label, "segmentation": found})
    for row in rows:
        row["score"] = round(rng.random(), 2)
    return dataset_of(6, annotations), rows


def add_all(evaluator: OverlapEvaluator, evaluation: Any, by_class: Any) -> None:
    """Feed an evaluator with the rows of pycocotools; `by_class` gives overlaps of one image and class."""
    for image in evaluation.params.imgIds:
        own = [d for c in (1, 2) for d in evaluation._dts[image, c]]
        targets = [g for c in (1, 2) for g in evaluation._gts[image, c]]
        overlap = np.zeros((len(targets), len(own)))
        for c in (1, 2):
            found = [i for i, d in enumerate(own) if d["category_id"] == c]
            truth = [i for i, g in enumerate(targets) if g["category_id"] == c]
            if found and truth:
                part = by_class([own[i] for i in found], [targets[i] for i in truth])
                overlap[np.ix_(truth, found)] = np.array(part).T
        evaluator.add_overlaps(
            [d["score"] for d in own],
            [d["category_id"] for d in own],
            [d["area"] for d in own],
            [g["category_id"] for g in targets],
            [g["area"] for g in targets],
            overlap,
            crowd_G=[g["iscrowd"] for g in targets],
            ignore_G=[g.get("num_keypoints", 1) == 0 for g in targets],
        )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("crowd", [0.0, 0.3])
def test_masks_by_their_overlaps_give_the_twelve_numbers(seed: int, crowd: float) -> None:
    dataset, rows = mask_scene(seed, crowd)
    evaluation = evaluation_of(dataset, rows, "segm")
    evaluator = CocoEvaluator()

    def overlaps(found: Rows, truth: Rows) -> Any:
        parts = [[row["segmentation"] for row in side] for side in (found, truth)]
        return mask_module.iou(*parts, [row["iscrowd"] for row in truth])

    add_all(evaluator, evaluation, overlaps)
    assert evaluator.evaluate().stats == pytest.approx(list(evaluation.stats), abs=1e-12)


def pose_scene(seed: int, repeats: int) -> tuple[dict[str, Any], Rows]:
    rng = np.random.default_rng(seed)
    annotations: Rows = []
    rows: Rows = []
    for image in range(8):
        for _ in range(int(rng.integers(0, 4))):
            size = rng.choice([20.0, 60.0, 130.0])
            points = rng.uniform(0, 1, (17, 2)) * size + rng.uniform(0, 80, 2)
            seen = rng.integers(0, 3, 17) * (rng.random() < 0.85)
            low, span = points.min(0), np.ptp(points, axis=0)
            cls = int(rng.integers(1, 3))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": cls,
                    "keypoints": np.c_[points * (seen > 0)[:, None], seen].reshape(-1).tolist(),
                    "num_keypoints": int((seen > 0).sum()),
                    "bbox": [*low.tolist(), *span.tolist()],
                    "area": float(span.prod() * 0.6),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(int(rng.integers(0, repeats))):
                shaken = points + rng.normal(0, 0.03, (17, 2)) * size
                flat = np.c_[shaken, np.ones(17)].reshape(-1).tolist()
                rows.append({"image_id": image, "category_id": cls, "keypoints": flat})
    for row in rows:
        row["score"] = round(rng.random(), 2)
    return dataset_of(8, annotations), rows


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("repeats", [4, 40])
def test_poses_by_their_similarities_give_the_ten_numbers(seed: int, repeats: int) -> None:
    dataset, rows = pose_scene(seed, repeats)
    evaluation = evaluation_of(dataset, rows, "keypoints")
    evaluator = CocoPoseEvaluator()

    def similarities(found: Rows, truth: Rows) -> Any:
        return [[similarity(evaluation.params.kpt_oks_sigmas, d, g) for g in truth] for d in found]

    add_all(evaluator, evaluation, similarities)
    assert evaluator.evaluate().stats == pytest.approx(list(evaluation.stats), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_pose_files_give_the_ten_numbers(seed: int) -> None:
    dataset, rows = pose_scene(seed, 8)
    evaluation = evaluation_of(dataset, rows, "keypoints")
    found = evaluate_pose_files(rows, dataset)
    assert found.stats == pytest.approx(list(evaluation.stats), abs=1e-9)
    some = evaluate_pose_files(rows, dataset, image_ids={0, 1, 2})
    evaluation.params.imgIds = [0, 1, 2]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert some.stats == pytest.approx(list(evaluation.stats), abs=1e-9)


def similarity(sigmas: Any, found: dict[str, Any], truth: dict[str, Any]) -> float:
    points, places = (np.reshape(row["keypoints"], (-1, 3)) for row in (found, truth))
    gap = points[:, :2] - places[:, :2]
    seen = places[:, 2] > 0
    if not seen.any():  # distance to the doubled box of the target
        corner, span = np.split(np.array(truth["bbox"]), 2)
        inside = points[:, :2]
        gap = np.maximum(0, corner - span - inside) + np.maximum(0, inside - corner - 2 * span)
        seen[:] = True
    spread = (gap**2).sum(1) / (2 * sigmas) ** 2 / (truth["area"] + np.spacing(1)) / 2
    return float(np.exp(-spread[seen]).mean())


def test_pairs_of_different_class_are_not_looked_at() -> None:
    evaluator = CocoEvaluator()
    evaluator.add_overlaps([0.9], [1], [50], [0], [50], [[1.0]])
    assert evaluator.evaluate().ap == 0


def test_boxes_and_overlaps_can_be_mixed() -> None:
    mixed, boxes = CocoEvaluator(), CocoEvaluator()
    rng = np.random.default_rng(0)
    for image in range(6):
        corners = rng.uniform(0, 60, (5, 2))
        truth = np.c_[corners, corners + rng.uniform(20, 60, (5, 2))]
        found = truth + rng.normal(0, 2, truth.shape)
        scores, classes = rng.random(5), rng.integers(0, 2, 5)
        boxes.add(found, scores, classes, truth, classes)
        if image % 2:
            mixed.add(found, scores, classes, truth, classes)
            continue
        spans = [
            np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
            for a in truth
            for b in found
        ]
        shared = np.prod(spans, axis=1).reshape(5, 5)
        areas = [np.prod(side[:, 2:] - side[:, :2], axis=1) for side in (truth, found)]
        overlap = shared / (areas[0][:, None] + areas[1] - shared)
        mixed.add_overlaps(scores, classes, areas[1], classes, areas[0], overlap)
    assert mixed.evaluate().stats == pytest.approx(boxes.evaluate().stats, abs=1e-12)
    assert 0 < mixed.evaluate().ap < 1


def test_pose_files_without_objects_or_without_predictions() -> None:
    dataset, rows = pose_scene(0, 4)
    bare = evaluate_pose_files(rows, {**dataset, "annotations": []})
    assert set(bare.stats) == {-1}
    nothing = evaluate_pose_files([], dataset)
    assert (nothing.ap, nothing.ar) == (0, 0)
