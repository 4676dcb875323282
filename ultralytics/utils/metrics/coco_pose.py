"""The COCO evaluation of keypoints from annotation and result files.

Points are rows [x, y, flag] in pixels of the original image. D = detections, G = annotated objects, K = keypoints.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ultralytics.geometry.keypoints import coco_oks, oks_sigmas
from ultralytics.utils.metrics.average_precision import Floats
from ultralytics.utils.metrics.coco import CocoPoseEvaluator, CocoPoseSummary, rows_by_image

__all__ = ["evaluate_pose_files", "point_areas"]


def point_areas(points_DK: Floats) -> Floats:
    """Areas (D,) of the upright rectangles around the points (D, K, 2 or more) of each detection."""
    if not len(points_DK):
        return np.zeros(0)
    places = points_DK[..., :2]
    sizes: Floats = places.max(axis=1) - places.min(axis=1)
    return np.asarray(sizes.prod(axis=1))


def evaluate_pose_files(
    predictions: list[dict[str, Any]],  # Any: JSON values
    annotations: dict[str, Any],
    image_ids: Collection[int | str] | None = None,
    sigmas: Sequence[float] | None = None,
) -> CocoPoseSummary:
    """Evaluate COCO keypoint result rows against a COCO annotation file, both already parsed.

    Args:
        predictions: rows with image_id, category_id, keypoints and score.
        annotations: its "annotations" give keypoints, num_keypoints, bbox, area and iscrowd; its "images" what is
            evaluated.
        image_ids: evaluate only these images.
        sigmas: (K,) tolerances; those of a COCO person, or 1 / K, when not given.
    """
    evaluator = CocoPoseEvaluator()
    rows_of_both = chain(annotations["annotations"], predictions)
    count = next((len(row["keypoints"]) // 3 for row in rows_of_both), 0)
    tolerances = oks_sigmas((count, 3), sigmas) if count else np.zeros(0)
    for index, own, targets in rows_by_image(predictions, annotations, image_ids):
        found, known = (
            np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), count, 3)
            for rows in (own, targets)
        )
        corners = np.array([row["bbox"] for row in targets], np.float64).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        areas = np.array([row["area"] for row in targets], np.float64)
        evaluator.add_overlaps(
            [row["score"] for row in own],
            [row["category_id"] for row in own],
            point_areas(found),
            [row["category_id"] for row in targets],
            areas,
            coco_oks(known, corners, areas, found, tolerances),
            image_id=index,
            crowd_G=[row.get("iscrowd", 0) for row in targets],
            ignore_G=[not row.get("num_keypoints", 1) for row in targets],
        )
    return evaluator.evaluate()
