"""The package supervision reads our results unchanged, and its annotators draw them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.engine.results import Results

sv = pytest.importorskip("supervision", reason="needs the package supervision")

NAMES = {0: "cat", 1: "dog", 2: "bird"}
BOXES = torch.tensor([[10.0, 20, 60, 80, 0.9, 1], [0, 0, 200, 100, 0.5, 0]])
TRACKED = torch.tensor([[10.0, 20, 60, 80, 7, 0.9, 1], [0, 0, 200, 100, 8, 0.5, 0]])
ROTATED = torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 2], [150, 50, 10, 30, 1.2, 0.4, 0]])


def masks() -> torch.Tensor:
    drawn = torch.zeros(2, 100, 200, dtype=torch.uint8)
    drawn[0, 20:80, 10:60] = 1
    drawn[1] = 1
    return drawn


def result(**fields: Any) -> Results:
    return Results(np.full((100, 200, 3), 90, np.uint8), "im.png", NAMES, **fields)


@pytest.mark.parametrize("boxes", [BOXES, TRACKED, BOXES[:0]])
def test_boxes(boxes: torch.Tensor) -> None:
    found = sv.Detections.from_ultralytics(result(boxes=boxes))
    assert np.array_equal(found.xyxy, boxes[:, :4])
    assert np.array_equal(found.confidence, boxes[:, -2])
    assert found.class_id.tolist() == boxes[:, -1].int().tolist()
    assert found.data["class_name"].tolist() == [NAMES[int(c)] for c in boxes[:, -1]]
    if boxes.shape[1] == 7:
        assert found.tracker_id.tolist() == [7, 8]


def test_masks() -> None:
    found = sv.Detections.from_ultralytics(result(boxes=BOXES, masks=masks()))
    assert found.mask.dtype == bool
    assert np.array_equal(found.mask, masks().numpy().astype(bool))
    assert found.area.tolist() == [60 * 50, 100 * 200]


def test_rotated_boxes() -> None:
    given = result(obb=ROTATED)
    found = sv.Detections.from_ultralytics(given)
    assert np.allclose(found.data["xyxyxyxy"], given.obb.xyxyxyxy)
    assert np.allclose(found.xyxy, given.obb.xyxy)
    assert found.class_id.tolist() == [2, 0]


def test_keypoints() -> None:
    points = torch.rand(2, 17, 3) * 90
    found = sv.KeyPoints.from_ultralytics(result(boxes=BOXES, keypoints=points))
    assert np.array_equal(found.xy, points[..., :2])
    assert found.class_id.tolist() == [1, 0]


def test_classes() -> None:
    found = sv.Classifications.from_ultralytics(result(probs=torch.tensor([0.1, 0.7, 0.2])))
    ids, confidences = found.get_top_k(2)
    assert ids.tolist() == [1, 2]
    assert confidences.tolist() == pytest.approx([0.7, 0.2])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("BoxAnnotator", {"boxes": BOXES}),
        ("LabelAnnotator", {"boxes": BOXES}),
        ("MaskAnnotator", {"boxes": BOXES, "masks": masks()}),
        ("PolygonAnnotator", {"boxes": BOXES, "masks": masks()}),
        ("OrientedBoxAnnotator", {"obb": ROTATED}),
        ("TraceAnnotator", {"boxes": TRACKED}),
    ],
)
def test_annotators_draw(kind: str, fields: dict[str, torch.Tensor]) -> None:
    given = result(**fields)
    annotator = getattr(sv, kind)()
    for _ in range(2):  # a trace needs a second frame
        drawn = annotator.annotate(given.orig_img.copy(), sv.Detections.from_ultralytics(given))
    assert kind == "TraceAnnotator" or not np.array_equal(drawn, given.orig_img)
