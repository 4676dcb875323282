"""Objects followed through large pictures that are predicted in tiles, and what their trackers are told."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.tiled import COLOURS, GROUND, NAMES, SIZE_HW, TILE, RectangleReader
from ultralytics import YOLO
from ultralytics.engine.prediction.tile_merge import Piece, merge_detections
from ultralytics.engine.results import Results
from ultralytics.geometry.tiles import tile_windows
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.segment import SegmentationPredictor
from ultralytics.trackers.observer import Observer
from ultralytics.trackers.track import on_predict_postprocess_end, on_predict_start

SPEED = 5  # pixels per frame
FRAMES = 12


def frame(number: int) -> np.ndarray:
    """A red rectangle that moves right and a blue one that moves down, both across borders of windows."""
    canvas = np.full((*SIZE_HW, 3), GROUND, np.uint8)
    step = SPEED * number
    canvas[30:48, 30 + step : 54 + step] = COLOURS[0]
    canvas[120 + step : 140 + step, 200:220] = COLOURS[1]
    return canvas


class TwiceReader(nn.Module):
    """Raw rows of a head with suppression: every part twice, the second time shifted by 2 pixels and less sure."""

    names = NAMES
    task = "detect"
    stride = torch.tensor([32.0])

    def __init__(self) -> None:
        super().__init__()
        self.reader = RectangleReader("detect")

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Tensor:
        out = im.new_zeros(len(im), 6, 16)
        for image, rows in zip(out, self.reader(im), strict=True):
            for number, row in enumerate(rows[rows[:, 4] > 0]):
                for copy, (shift, less) in enumerate(((0.0, 0.0), (2.0, 0.3))):
                    column = image[:, 2 * number + copy]
                    column[:2] = (row[:2] + row[2:4]) / 2 + shift
                    column[2:4] = row[2:4] - row[:2]
                    column[4 + int(row[5])] = row[4] - less
        return out


def tracked(kind: type[Any], network: Any, tmp_path: Path, **settings: Any) -> Any:
    given = {"imgsz": TILE, "device": "cpu", "mode": "track", "verbose": False, "save": False}
    where = {"project": str(tmp_path), "name": "run", "exist_ok": True, "conf": 0.1}
    made = kind(overrides={**given, **where, "task": network.task, "tile": TILE, **settings})
    made.setup_model(network, verbose=False)
    made.add_callback("on_predict_start", partial(on_predict_start, persist=True))
    made.add_callback(
        "on_predict_postprocess_end", partial(on_predict_postprocess_end, persist=True)
    )
    return made


@pytest.mark.parametrize("tracker", ["bytetrack.yaml", "tracktrack.yaml", "ocsort.yaml"])
@pytest.mark.parametrize("twice", [False, True])
def test_numbers_stay_with_objects_across_tiles(tracker: str, twice: bool, tmp_path: Path) -> None:
    network = TwiceReader() if twice else RectangleReader("detect")
    run = tracked(DetectionPredictor, network, tmp_path, tracker=tracker, overlap=0.5)
    ids = []
    for number in range(FRAMES):
        (result,) = run(frame(number))
        step = SPEED * number
        truth = {0: [30 + step, 30, 54 + step, 48], 1: [200, 120 + step, 220, 140 + step]}
        if number > 1:  # trackers confirm what they have seen before
            ids.append(
                dict(
                    zip(
                        result.boxes.cls.int().tolist(), result.boxes.id.int().tolist(), strict=True
                    )
                )
            )
            for cls, box in zip(result.boxes.cls.int().tolist(), result.boxes.xyxy, strict=True):
                assert box.numpy() == pytest.approx(np.array(truth[cls]), abs=4)
    assert len(ids[0]) == 2
    assert all(one == ids[0] for one in ids)


def test_masks_follow_their_tracks(tmp_path: Path) -> None:
    network = RectangleReader("segment")
    run = tracked(
        SegmentationPredictor, network, tmp_path, tracker="bytetrack", overlap=0.5, nms=False
    )
    for number in range(3):
        (result,) = run(frame(number))
    assert result.boxes.is_track
    assert result.masks.data.shape == (2, *SIZE_HW)
    for cls, mask in zip(result.boxes.cls.int().tolist(), result.masks.data.numpy(), strict=True):
        colour = (frame(2) == COLOURS[cls]).all(axis=-1)
        assert np.array_equal(mask.astype(bool), colour)


def piece(window: Any, boxes: Any, removed: Any, feats: Any) -> Piece:
    crop = np.zeros((window.height, window.width, 3), np.uint8)
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 6)
    table = np.array(removed, np.float32).reshape(-1, 6)
    gone = (table[:, :4], table[:, 4], table[:, 5]) if len(table) else None
    facts = {"feats": np.array(feats, np.float32).reshape(-1, 2), "dets_del": gone}
    return Piece(window, Results(crop, "x.png", NAMES, boxes=rows), facts)


def test_what_suppression_removed_is_merged_by_the_same_rule() -> None:
    left, right = tile_windows((100, 150), (100, 100), 0.5)
    picture = np.zeros((100, 150, 3), np.uint8)
    pieces = [
        # seen at its full width 60-90, and removed there: a copy; and a stranger of the other class
        piece(
            left,
            [[60, 10, 90, 30, 0.8, 0]],
            [[76, 20, 30, 20, 0.6, 0], [20, 80, 8, 8, 0.3, 1]],
            [[1, 2]],
        ),
        # the same object, less sure, with a copy of its own; another one with a copy
        piece(
            right,
            [[10, 10, 40, 30, 0.7, 0], [60, 60, 80, 80, 0.9, 1]],
            [[27, 20, 30, 20, 0.5, 0], [71, 70, 20, 20, 0.4, 1]],
            [[3, 4], [5, 6]],
        ),
    ]
    result, facts = merge_detections(pieces, picture, agnostic=False, max_det=300)
    assert result.boxes.xyxy.tolist() == [[110, 60, 130, 80], [60, 10, 90, 30]]
    assert facts["feats"].tolist() == [[5, 6], [1, 2]]
    assert result.feats is facts["feats"]
    boxes, conf, cls = facts["dets_del"]
    assert conf.tolist() == pytest.approx([0.6, 0.4, 0.3])
    assert boxes.tolist() == [[76, 20, 30, 20], [121, 70, 20, 20], [20, 80, 8, 8]]
    assert cls.tolist() == [0, 1, 1]
    nothing = [piece(window, [], [], []) for window in (left, right)]
    result, facts = merge_detections(nothing, picture, agnostic=False, max_det=300)
    assert len(result) == 0
    assert facts == {"dets_del": None}


def test_features_are_those_of_the_window_a_detection_stays_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = YOLO("yolo11n.yaml").model
    network.names, network.task = {i: str(i) for i in range(80)}, "detect"
    settings = {"mode": "predict", "conf": 1e-6, "max_det": 20, "overlap": 0.25, "rect": True}
    run = tracked(DetectionPredictor, network, tmp_path, **settings)
    run.observer = Observer(Observer.head_with_maps(run), recovers=True)
    picture = np.random.default_rng(0).integers(0, 255, (TILE, 150, 3), dtype=np.uint8)
    (found,) = run(picture)
    windows = tile_windows((TILE, 150), (TILE, TILE), 0.25)
    known = {}
    for window in windows:
        (alone,) = run(np.ascontiguousarray(picture[window.slices]))
        for row, feature in zip(alone.boxes.data.tolist(), alone.feats, strict=True):
            moved = (row[0] + window.left, row[1], row[2] + window.left, *row[3:])
            known[tuple(round(value, 3) for value in moved)] = feature
    assert len(found) == len(found.feats) == 20
    for row, feature in zip(found.boxes.data.tolist(), found.feats, strict=True):
        np.testing.assert_allclose(known[tuple(round(v, 3) for v in row)], feature, atol=1e-5)
    run.observer.close()
