"""The COCO evaluation of mask files against pycocotools: polygons, runs as numbers and as text, crowds."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from ultralytics.utils.metrics.coco_masks import evaluate_mask_files, read_segmentations

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")
coder = pytest.importorskip("pycocotools.mask")

HEIGHT, WIDTH = 150, 190
Rows = list[dict[str, Any]]


def star(rng: np.random.Generator, centre: Any, radius: float) -> list[float]:
    angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 12))))
    points = centre + np.c_[np.cos(angle), np.sin(angle)] * radius * rng.uniform(0.8, 1.2)
    flat: list[float] = points.round(2).reshape(-1).tolist()
    return flat


def scene(seed: int) -> tuple[dict[str, Any], Rows]:
    """Targets as one or two polygons or as a crowd of runs; detections are shaken and strays."""
    rng = np.random.default_rng(seed)
    targets: Rows = []
    rows: Rows = []
    for image in range(6):
        for _ in range(int(rng.integers(0, 5))):
            centre, radius = rng.uniform(10, 140, 2), float(rng.choice([9, 30, 70]))
            parts = [star(rng, centre + i * radius, radius) for i in range(int(rng.integers(1, 3)))]
            rle = coder.merge(coder.frPyObjects(parts, HEIGHT, WIDTH))
            crowd = rng.random() < 0.2
            counts = read_segmentations([rle], (HEIGHT, WIDTH)).counts()[0]
            targets.append(
                {
                    "id": len(targets) + 1,
                    "image_id": image,
                    "category_id": int(rng.integers(1, 3)),
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts} if crowd else parts,
                    "area": float(coder.area(rle)),
                    "bbox": coder.toBbox(rle).tolist(),
                    "iscrowd": int(crowd),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                near = [star(rng, centre + rng.normal(0, 0.05, 2) * radius, radius)]
                rle = coder.merge(coder.frPyObjects([*near, *parts[:1]], HEIGHT, WIDTH))
                cls = targets[-1]["category_id"] if rng.random() < 0.9 else 1
                text = {"size": rle["size"], "counts": rle["counts"].decode()}
                rows.append(
                    {
                        "image_id": image,
                        "category_id": cls,
                        "segmentation": text,
                        "bbox": (coder.toBbox(rle) * 1.1).tolist(),
                        "score": round(float(rng.random()), 2),
                    }
                )
    dataset = {
        "images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(6)],
        "annotations": targets,
        "categories": [{"id": c, "name": str(c)} for c in (1, 2)],
    }
    return dataset, rows


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_boxes", [False, True])
def test_the_twelve_numbers_are_those_of_pycocotools(seed: int, with_boxes: bool) -> None:
    dataset, rows = scene(seed)
    if not with_boxes:
        rows = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    ours = evaluate_mask_files(rows, dataset).stats
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = dataset
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(rows), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert ours == pytest.approx(list(evaluation.stats), abs=1e-12)
    assert 0 < ours[0] < 1


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        read_segmentations([{"size": [3, 4], "counts": [12]}], (4, 3))
