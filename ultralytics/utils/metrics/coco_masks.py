"""The COCO evaluation of mask files: annotations as polygons or runs, result rows as runs.

Masks are never spread out to pixels. An image is finished before the next one is read, so memory does not grow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ultralytics.geometry.polygon_rle import polygon_masks, union_edges
from ultralytics.geometry.rle import RunMasks
from ultralytics.utils.metrics.coco import CocoEvaluator, CocoSummary, rows_by_image

__all__ = ["evaluate_mask_files", "read_segmentations"]


def evaluate_mask_files(
    predictions: list[dict[str, Any]],  # Any: JSON values
    annotations: dict[str, Any],
    image_ids: Collection[int | str] | None = None,
) -> CocoSummary:
    """Evaluate the masks of COCO result rows against a COCO annotation file, both already parsed.

    The size of a detection is the area of its `bbox` if the row has one, as in COCO's own tools, else that of its mask.

    Args:
        predictions: rows with image_id, category_id, segmentation and score.
        annotations: its "annotations" give segmentation, area and iscrowd; its "images" what is evaluated, with height
            and width.
        image_ids: evaluate only these images.
    """
    sizes = {image["id"]: (image["height"], image["width"]) for image in annotations["images"]}
    evaluator = CocoEvaluator()
    for index, own, targets in rows_by_image(predictions, annotations, image_ids):
        if not own and not targets:
            continue
        size_hw = sizes[(own or targets)[0]["image_id"]]
        found, truth = (
            read_segmentations([row["segmentation"] for row in rows], size_hw)
            for rows in (own, targets)
        )
        classes = [row["category_id"] for row in own]
        target_classes = [row["category_id"] for row in targets]
        crowd = [bool(row.get("iscrowd", 0)) for row in targets]
        alike = np.array(target_classes)[:, None] == np.array(classes)
        areas = zip(own, found.areas.tolist(), strict=True)
        evaluator.add_overlaps(
            [row["score"] for row in own],
            classes,
            [row["bbox"][2] * row["bbox"][3] if "bbox" in row else area for row, area in areas],
            target_classes,
            [row["area"] for row in targets],
            truth.overlap(found, alike, crowd=np.array(crowd)),
            image_id=index,
            crowd_G=crowd,
        )
    return evaluator.evaluate()


def read_segmentations(
    segmentations: Sequence[Any],  # Any: JSON values
    size_hw: tuple[int, int],
) -> RunMasks:
    """Masks of COCO segmentations: lists of polygons, or runs as numbers or text.

    Raises:
        ValueError: runs of another size, or that do not fill it.
    """
    return RunMasks.joined(size_hw, [_edges_of(one, size_hw) for one in segmentations])


def _edges_of(segmentation: Any, size_hw: tuple[int, int]) -> NDArray[np.int64]:
    if isinstance(segmentation, list):
        parts = polygon_masks([np.reshape(part, (-1, 2)) for part in segmentation], size_hw)
        return union_edges([parts.own(row) for row in range(len(parts))])
    if tuple(segmentation["size"]) != tuple(size_hw):
        raise ValueError(f"a mask of size {segmentation['size']} in an image of {list(size_hw)}")
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return RunMasks.from_counts(size_hw, [counts]).edges
    return RunMasks.from_strings(size_hw, [counts]).edges
