"""Track mode through the facade: persistence, streams, files of trackers, and what happens without tracks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics import YOLO
from ultralytics.engine.results import Results
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.trackers import BYTETracker
from ultralytics.trackers.config import find_tracker_file, read_tracker
from ultralytics.trackers.track import TRACKER_MAP

SIZE = (96, 128)


class Scripted(DetectionPredictor):
    """Finds a square that moves right by 4 px per picture; the brightness of a picture is its number."""

    score = 0.9

    def postprocess(self, preds: Any, img: Any, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        results = []
        for picture, path in zip(orig_imgs, self.batch[0], strict=True):
            x = 4.0 * int(picture[0, 0, 0])
            row = torch.tensor([[10 + x, 20, 50 + x, 60, self.score, 0.0]])
            results.append(Results(picture, path=path, names={0: "square"}, boxes=row))
        return results


def frame(number: int) -> Any:
    return np.full((*SIZE, 3), number, np.uint8)


@pytest.fixture
def model() -> Any:
    return YOLO("yolo11n.yaml")


def ids_of(results: Any) -> list[list[int] | None]:
    return [None if r.boxes.id is None else r.boxes.id.int().tolist() for r in results]


def track(model: Any, source: Any, **kwargs: Any) -> Any:
    options = {"tracker": "bytetrack", "imgsz": 32, "verbose": False, **kwargs}
    model._smart_load = lambda key: Scripted
    return model.track(source, **options)


def test_frames_without_persist_start_anew_each_call(model: Any) -> None:
    assert [ids_of(track(model, frame(i)))[0] for i in range(3)] == [[1], [1], [1]]


def test_persist_goes_on_and_boxes_are_filtered(model: Any) -> None:
    seen = [track(model, frame(i), persist=True)[0] for i in range(4)]
    assert ids_of(seen) == [[1]] * 4
    assert seen[3].boxes.data.shape == (1, 7)
    assert float(seen[3].boxes.xyxy[0, 0]) == pytest.approx(22, abs=3)
    assert float(seen[3].boxes.xyxy[0, 0]) != 22


def test_a_list_of_pictures_is_many_sources_unless_persisted(model: Any) -> None:
    # every picture has a path of its own; each tracker confirms at once in its first frame
    assert ids_of(track(model, [frame(i) for i in range(3)])) == [[1]] * 3
    first = model.predictor.trackers[0]
    assert first.frame_id == 1
    track(model, [frame(i) for i in range(3)], persist=True)
    assert model.predictor.trackers[0].frame_id == 4


def test_predict_between_tracks_leaves_them_alone(model: Any) -> None:
    track(model, frame(0), persist=True)
    plain = model.predict(frame(1), imgsz=32, verbose=False)
    assert plain[0].boxes.id is None
    assert ids_of(track(model, frame(1), persist=True)) == [[1]]
    assert model.predictor.trackers[0].frame_id == 2


def test_calls_do_not_stack_handlers(model: Any) -> None:
    for _ in range(3):
        track(model, frame(0))
    assert [
        len(model.callbacks[e]) for e in ("on_predict_start", "on_predict_postprocess_end")
    ] == [1, 1]


def test_another_tracker_starts_anew(model: Any) -> None:
    track(model, frame(0), persist=True)
    track(model, frame(1), persist=True, tracker="ocsort.yaml")
    (tracker,) = model.predictor.trackers
    assert type(tracker) is TRACKER_MAP["ocsort"]
    assert tracker.frame_id == 1


def test_faint_detections_come_back_without_numbers(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "score", 0.15)
    (result,) = track(model, frame(0))
    assert len(result.boxes) == 1
    assert result.boxes.id is None


def test_ids_reach_text_and_json(model: Any, tmp_path: Path) -> None:
    (result,) = track(model, frame(0))
    result.save_txt(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text().split()[-1] == "1"
    assert result.summary()[0]["track_id"] == 1


@pytest.mark.parametrize("name", sorted(TRACKER_MAP))
def test_every_packaged_tracker_is_read_and_runs(name: str, model: Any) -> None:
    config = read_tracker(f"{name}.yaml", TRACKER_MAP)
    assert config.tracker_type == name
    results = [track(model, frame(i), persist=True, tracker=name)[0] for i in range(4)]
    assert len(results[-1].boxes) == 1


def test_tasks_without_objects_are_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "trackable", False)
    with pytest.raises(ConfigValueError, match="doesn't support 'mode=track'"):
        track(model, frame(0))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("bytetrak", AssertionError, "did you mean 'bytetrack'"),
        ("gone.yaml", FileNotFoundError, "bytetrack.yaml"),
    ],
)
def test_names_that_are_no_tracker(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        find_tracker_file(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("track_buffer: -1", "track_buffer=-1 must be a whole number from 0"),
        ("match_thresh: high", "match_thresh='high' must be a number from 0.0 to 1.0"),
        ("fuse_score: 1", "fuse_score=1 must be True or False"),
        ("gmc_method: flow", "gmc_method='flow' must be one of"),
    ],
)
def test_bad_values_are_named(line: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"tracker_type: bytetrack\n{line}\n")
    with pytest.raises(ConfigValueError, match=words):
        read_tracker(file, TRACKER_MAP)


def test_unknown_types_and_missing_keys(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tracker_type: sort\n")
    with pytest.raises(AssertionError, match=r"Only .*bytetrack"):
        read_tracker(file, TRACKER_MAP)
    with pytest.raises(AttributeError, match="track_buffer"):
        BYTETracker(SimpleNamespace(track_high_thresh=0.5))


def byte() -> BYTETracker:
    return BYTETracker(read_tracker("bytetrack", TRACKER_MAP))


def test_plain_rows_are_taken() -> None:
    tracks = byte().update(np.array([[10, 20, 50, 60, 0.9, 2]]))
    assert tracks.tolist() == [pytest.approx([10, 20, 50, 60, 1, 0.9, 2, 0])]
    with pytest.raises(ValueError, match=r"shape \(1, 5\)"):
        byte().update(np.zeros((1, 5)))


@pytest.mark.parametrize(("missed", "number"), [(4, 1), (5, 2)])
def test_how_long_a_track_survives(missed: int, number: int) -> None:
    config = read_tracker("bytetrack", TRACKER_MAP)
    config.track_buffer = 3
    tracker = BYTETracker(config)
    row, nothing = np.array([[10, 20, 50, 60, 0.9, 0]]), np.zeros((0, 6))
    tracker.update(row)
    for _ in range(missed):
        tracker.update(nothing)
    seen = [tracker.update(row) for _ in range(2)]
    assert seen[-1][0, 4] == number


def test_each_tracker_counts_for_itself() -> None:
    row = np.array([[10, 20, 50, 60, 0.9, 0]])
    assert [byte().update(row)[0, 4] for _ in range(2)] == [1, 1]


def test_reset_starts_over() -> None:
    tracker = byte()
    row = np.array([[10, 20, 50, 60, 0.9, 0]])
    for _ in range(3):
        tracker.update(row)
    tracker.reset()
    assert (tracker.frame_id, tracker.tracked_stracks) == (0, [])
    assert tracker.update(row)[0, 4] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_true_tracks_are_compared(stream: bool, model: Any, tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text("".join(f"{i + 1},1,{10 + 4 * i},20,40,40\n" for i in range(4)))
    video = [frame(i) for i in range(4)]
    results = list(track(model, video, persist=True, gt=file, stream=stream))
    assert len(results) == 4
    numbers = model.metrics.results
    assert (numbers["MOTA"], numbers["IDF1"], numbers["IDSW"]) == (1, 1, 0)
    assert numbers["HOTA"] == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolo11n-seg", "yolo11n-pose", "yolo11n-obb", "yolo11n"])
@pytest.mark.parametrize("tracker", ["tracktrack", "botsort"])
def test_every_task_is_followed_whole(name: str, tracker: str, tmp_path: Path) -> None:
    """Masks, keypoints and rotated boxes stay with their rows; an untrained network finds enough at a low score."""
    file = tmp_path / "mine.yaml"
    text = find_tracker_file(tracker).read_text().replace("with_reid: False", "with_reid: True")
    for key in ("track_high_thresh", "track_low_thresh", "new_track_thresh"):
        text = "\n".join(f"{key}: 0.0" if row.startswith(key) else row for row in text.splitlines())
    file.write_text(text)
    torch.manual_seed(0)
    model = YOLO(f"{name}.yaml")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (*SIZE, 3), np.uint8)
    for _ in range(3):
        (result,) = model.track(
            picture, persist=True, tracker=file, conf=1e-6, imgsz=64, max_det=8, verbose=False
        )
    found = result.boxes if result.obb is None else result.obb
    assert len(found) > 0
    assert found.is_track
    assert len(set(found.id.tolist())) == len(found)
    for field in (result.masks, result.keypoints):
        assert field is None or len(field) == len(found)
