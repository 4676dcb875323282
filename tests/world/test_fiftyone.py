"""The package fiftyone turns our results into its labels unchanged.

It asks for opencv-python-headless, which hides opencv-python, so it is not among the packages of development.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.engine.results import Results

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of its own dependencies
    fo: Any = pytest.importorskip(
        "fiftyone.utils.ultralytics", reason="needs the package fiftyone", exc_type=ImportError
    )

NAMES = {0: "cat", 1: "dog", 2: "bird"}
BOXES = torch.tensor([[10.0, 20, 60, 80, 0.75, 1], [0, 0, 200, 100, 0.5, 0]])


def result(**fields: Any) -> Results:
    return Results(np.zeros((100, 200, 3), np.uint8), "im.png", NAMES, **fields)


def masks() -> torch.Tensor:
    drawn = torch.zeros(2, 100, 200, dtype=torch.uint8)
    drawn[0, 20:80, 10:60] = 1
    drawn[1] = 1
    return drawn


def test_boxes() -> None:
    first, second = fo.to_detections(result(boxes=BOXES)).detections
    assert (first.label, first.confidence, second.label) == ("dog", 0.75, "cat")
    assert first.bounding_box == pytest.approx([0.05, 0.2, 0.25, 0.6])  # left, top, width, height
    assert fo.to_detections(result(boxes=BOXES[:0])).detections == []


def test_masks() -> None:
    first, _ = fo.to_instances(result(boxes=BOXES, masks=masks())).detections
    assert abs(first.mask.sum() - 60 * 50) <= 60  # it rounds the box down, by at most a pixel
    assert abs(np.array(first.mask.shape) - (60, 50)).max() <= 1
    outline = fo.to_polylines(result(boxes=BOXES, masks=masks())).polylines[0].points[0]
    assert np.abs(np.min(outline, 0) - (0.05, 0.2)).max() < 0.01


def test_keypoints() -> None:
    points = torch.rand(2, 17, 3)
    points[..., :2] *= 90
    found = fo.to_keypoints(result(boxes=BOXES, keypoints=points)).keypoints
    assert [one.label for one in found] == ["dog", "cat"]
    seen = points[0, :, 2].numpy() > 0.5
    expected = points[0, seen, :2].numpy() / (200, 100)
    assert np.allclose(np.array(found[0].points)[seen], expected, atol=1e-6)


def test_rotated_boxes() -> None:
    given = result(obb=torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 2]]))
    (found,) = fo.obb_to_polylines(given).polylines
    assert found.label == "bird"
    assert np.allclose(found.points[0], given.obb.xyxyxyxyn[0], atol=1e-6)


def test_classes() -> None:
    found = fo.to_classifications(result(probs=torch.tensor([0.1, 0.7, 0.2])))
    assert (found.label, found.confidence) == ("dog", pytest.approx(0.7))
