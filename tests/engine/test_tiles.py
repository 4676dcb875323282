"""Large pictures predicted in tiles, with networks whose answers are known.

The oracle is the same network on the whole picture at its own size: nothing is resized in either way, so both must
agree to the last digit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiled import (
    NAMES,
    OBJECTS,
    OVERLAP,
    SIZE_HW,
    TILE,
    RectangleReader,
    RimlessMapper,
    ShareTeller,
    picture,
    tilted_picture,
)
from ultralytics.cfg import get_cfg
from ultralytics.cfg.cli.parse import parse_words
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.classify import ClassificationPredictor
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.obb import OBBPredictor
from ultralytics.models.yolo.pose import PosePredictor
from ultralytics.models.yolo.segment import SegmentationPredictor
from ultralytics.models.yolo.semantic import SemanticSegmentationPredictor

PREDICTORS: dict[str, type[Any]] = {
    "detect": DetectionPredictor,
    "segment": SegmentationPredictor,
    "pose": PosePredictor,
    "obb": OBBPredictor,
}


def predictor(kind: type[Any], network: Any, tmp_path: Path, **settings: Any) -> Any:
    given = {"imgsz": TILE, "device": "cpu", "mode": "predict", "verbose": False, "save": False}
    where = {"project": str(tmp_path), "name": "run", "exist_ok": True, "rect": True, "nms": False}
    made = kind(overrides={**given, **where, "task": network.task, **settings})
    made.setup_model(network, verbose=False)
    return made


def shapes_of(run: Any) -> list[tuple[int, ...]]:
    """Shapes of the inputs that the predictor's copy of the network has seen."""
    shapes: list[tuple[int, ...]] = run.model.base_model.shapes
    return shapes


def arrays_of(result: Any) -> dict[str, Any]:
    """Fields of a result in an order of their own."""
    rows = result.obb if result.obb is not None else result.boxes
    order = np.lexsort(rows.data.numpy().T)
    fields = {"rows": rows.data.numpy()[order]}
    if result.keypoints is not None:
        fields["keypoints"] = result.keypoints.data.numpy()[order]
    if result.masks is not None:
        fields["masks"] = result.masks.data.numpy()[order]
    return fields


@pytest.mark.parametrize("task", PREDICTORS)
def test_tiles_find_every_object_once_as_the_whole_picture_does(task: str, tmp_path: Path) -> None:
    source = tilted_picture() if task == "obb" else picture()
    kind, network = PREDICTORS[task], RectangleReader(task)
    whole = predictor(kind, network, tmp_path, imgsz=list(SIZE_HW), retina_masks=True)(source)[0]
    run = predictor(kind, network, tmp_path, tile=TILE, overlap=OVERLAP, batch=4)
    (found,) = run(source)
    tiled, plain = arrays_of(found), arrays_of(whole)
    assert len(tiled["rows"]) == len(OBJECTS)
    assert tiled.keys() == plain.keys()
    for name, values in plain.items():
        np.testing.assert_allclose(tiled[name], values, atol=1e-4, err_msg=name)
    assert found.orig_img is source
    assert (np.diff((found.obb or found.boxes).conf.numpy()) <= 0).all()
    shapes = shapes_of(run)
    assert set(shapes) == {(4, 3, TILE, TILE), (3, 3, TILE, TILE)}
    assert shapes.count((4, 3, TILE, TILE)) >= 8  # 5 rows of 7 columns, besides a run to warm up


def test_boxes_are_those_that_were_drawn(tmp_path: Path) -> None:
    tiled = {"tile": [TILE, TILE + 32], "overlap": OVERLAP, "batch": 3, "imgsz": TILE + 32}
    (found,) = predictor(DetectionPredictor, RectangleReader("detect"), tmp_path, **tiled)(
        picture()
    )
    rows = {(int(row[5]), *(int(v) for v in row[:4])) for row in found.boxes.data.round()}
    assert rows == set(OBJECTS)
    few = predictor(
        DetectionPredictor, RectangleReader("detect"), tmp_path, **tiled, max_det=3, classes=[1]
    )(picture())[0]
    best = found.boxes.data[found.boxes.cls == 1][:3]
    assert torch.equal(few.boxes.data, best)


def test_masks_have_the_size_of_the_picture_and_lie_on_the_objects(tmp_path: Path) -> None:
    (found,) = predictor(
        SegmentationPredictor, RectangleReader("segment"), tmp_path, tile=TILE, overlap=OVERLAP
    )(picture())
    assert found.masks.data.shape == (len(OBJECTS), *SIZE_HW)
    assert found.masks.data.dtype == torch.uint8
    for (x1, y1, x2, y2), mask in zip(
        found.boxes.xyxy.int().tolist(), found.masks.data, strict=True
    ):
        truth = torch.zeros_like(mask)
        truth[y1:y2, x1:x2] = 1
        assert torch.equal(mask, truth)
    empty = np.full((*SIZE_HW, 3), 120, np.uint8)
    (nothing,) = predictor(
        SegmentationPredictor, RectangleReader("segment"), tmp_path, tile=TILE, overlap=OVERLAP
    )(empty)
    assert nothing.masks is None
    assert nothing.boxes.shape == (0, 6)


@pytest.mark.parametrize("task", PREDICTORS)
def test_one_tile_is_plain_prediction(task: str, tmp_path: Path) -> None:
    small = [picture()[:90, :120], picture()[60:150, 60:180]]
    kind, network = PREDICTORS[task], RectangleReader(task)
    without = predictor(kind, network, tmp_path, batch=3)
    within = predictor(kind, network, tmp_path, batch=3, tile=[96, 120])
    plain, tiled = without(small), within(small)
    assert shapes_of(without) == shapes_of(within)
    mixture = [small[0], picture(), small[1]]
    alone, among = without(mixture), within(mixture)
    for one, other in [*zip(plain, tiled, strict=True), (among[0], alone[0]), (among[2], alone[2])]:
        assert len(one) >= 1
        mine, theirs = arrays_of(one), arrays_of(other)
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_a_pixel_has_the_class_of_the_window_it_lies_deepest_in(tmp_path: Path) -> None:
    settings = {"tile": TILE, "overlap": 0.25, "batch": 2}
    kind, network = SemanticSegmentationPredictor, RimlessMapper()
    (found,) = predictor(kind, network, tmp_path, **settings)(picture())
    ids = found.semantic_mask.data.numpy()
    truth = np.zeros(SIZE_HW, np.uint8)
    for label, x1, y1, x2, y2 in OBJECTS:
        truth[y1:y2, x1:x2] = label + 1
    inside = (slice(8, -8), slice(8, -8))
    assert ids.dtype == np.uint8
    assert np.array_equal(ids[inside], truth[inside])
    assert (ids[:8] != truth[:8]).mean() > 0.9  # the picture's own edge is wrong in every window
    (plain,) = predictor(kind, network, tmp_path)(picture()[:TILE, :TILE])
    (one,) = predictor(kind, network, tmp_path, **settings)(picture()[:TILE, :TILE])
    assert torch.equal(plain.semantic_mask.data, one.semantic_mask.data)


def test_probabilities_are_means_over_windows(tmp_path: Path) -> None:
    kind, network = ClassificationPredictor, ShareTeller()
    large = picture()[:TILE, :150]
    (found,) = predictor(kind, network, tmp_path, tile=TILE, overlap=0.5)(large)
    starts = (0, 48, 54)
    crops = [np.ascontiguousarray(large[:, x : x + TILE]) for x in starts]
    parts = [one.probs.data for one in predictor(kind, network, tmp_path)(crops)]
    assert len({round(float(part[0]), 6) for part in parts}) == 3
    torch.testing.assert_close(found.probs.data, torch.stack(parts).mean(0))
    assert found.names == NAMES


def test_files_times_and_lines_come_out_as_usual(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture())
    cv2.imwrite(str(folder / "b.png"), picture()[:64, :64])
    run = predictor(
        DetectionPredictor,
        RectangleReader("detect"),
        tmp_path,
        tile=TILE,
        overlap=OVERLAP,
        batch=2,
        save=True,
        save_txt=True,
    )
    seen: list[Any] = []
    run.add_callback("on_predict_postprocess_end", lambda p: seen.append(len(p.batch[1])))
    found = run(str(folder))
    assert seen == [2]
    assert [len(one) for one in found] == [len(OBJECTS), 2]
    assert all(value > 0 for one in found for value in one.speed.values())
    assert all(run.speed[key] == pytest.approx(found[0].speed[key]) for key in run.speed)
    lines = (run.save_dir / "labels" / "a.txt").read_text().splitlines()
    assert len(lines) == len(OBJECTS)
    assert cv2.imread(str(run.save_dir / "a.jpg")).shape == (*SIZE_HW, 3)


def test_what_tiles_cannot_do_is_refused(tmp_path: Path) -> None:
    network = RectangleReader("detect")
    with pytest.raises(ConfigValueError, match=r"tile=96 cannot be combined with embed=\[1\]"):
        predictor(DetectionPredictor, network, tmp_path, tile=96, embed=[1])(picture())
    with pytest.raises(ConfigValueError, match="tile=96 cannot cut a tensor source of 128 x 128"):
        predictor(DetectionPredictor, network, tmp_path, tile=96)(torch.zeros(1, 3, 128, 128))

    class Own(DetectionPredictor):
        tileable = False

    with pytest.raises(ConfigValueError, match="tile=96 does not work with Own"):
        predictor(Own, network, tmp_path, tile=96)(picture())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (640, 640),
        (640.0, 640),
        ([480, 640], [480, 640]),
        ((480, 640), [480, 640]),
        ("480,640", [480, 640]),
        (None, None),
    ],
)
def test_tile_takes_one_side_or_two(given: Any, kept: Any) -> None:
    assert get_cfg(overrides={"tile": given}).tile == kept


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tile": 31}, "too small"),
        ({"tile": [640, 640, 3]}, "3 sides"),
        ({"tile": 640.5}, "tile=640"),
        ({"tile": "wide"}, "not a size"),
        ({"tile": True}, "tile"),
        ({"overlap": 0.95}, "between 0 and 0.9"),
        ({"overlap": -0.1}, "overlap"),
        ({"overlap": float("nan")}, "overlap"),
    ],
)
def test_wrong_tiles_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        get_cfg(overrides=settings)


def test_the_command_line_knows_tiles() -> None:
    words = ["predict", "model=yolo11n.pt", "source=x.jpg", "tile=[480,", "640]", "overlap=0.3"]
    overrides = parse_words(words).overrides
    checked = get_cfg(overrides=overrides)
    assert (checked.tile, checked.overlap) == ([480, 640], 0.3)
