"""Numbers of tracking against stored results of trackeval, and against counting by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ultralytics.utils.metrics.tracking import TrackMetrics, read_mot

CASES = json.loads((Path(__file__).parent / "mot_cases.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_stored_cases(case: dict[str, Any]) -> None:
    metrics = TrackMetrics()
    for frame in case["frames"]:
        metrics.update_boxes(frame["true_ids"], frame["true"], frame["ids"], frame["boxes"])
    results = metrics.results
    for name, value in case["expected"].items():
        assert results[name] == pytest.approx(value, abs=1e-9), name


def test_a_perfect_tracker() -> None:
    metrics = TrackMetrics()
    for _ in range(3):
        metrics.update([1, 2], [7, 9], np.eye(2))
    results = metrics.results
    assert [results[name] for name in ("HOTA", "MOTA", "MOTP", "IDF1", "MT")] == [1, 1, 1, 1, 2]
    assert [results[name] for name in ("IDSW", "FP", "FN", "Frag", "ML")] == [0] * 5


def test_one_switch_halves_the_identity() -> None:
    metrics = TrackMetrics()
    for track in (5, 5, 6, 6):
        metrics.update([1], [track], [[1.0]])
    results = metrics.results
    assert results["IDSW"] == 1
    assert results["MOTA"] == pytest.approx(1 - 1 / 4)
    assert results["IDF1"] == pytest.approx(0.5)
    assert results["DetA"] == 1
    assert results["AssA"] == pytest.approx(2 / 4)


def test_nothing_found_and_nothing_there() -> None:
    missed = TrackMetrics()
    missed.update([1], [], np.zeros((1, 0)))
    assert (missed.results["MOTA"], missed.results["FN"], missed.results["HOTA"]) == (0, 1, 0)
    assert TrackMetrics().results["MOTA"] == 0


@pytest.mark.parametrize(
    ("ids", "overlap", "words"),
    [([1, 1], np.zeros((2, 1)), "true id occurs twice"), ([1], np.zeros((2, 2)), "shape")],
)
def test_bad_frames_are_refused(ids: list[int], overlap: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrackMetrics().update(ids, [4], overlap)


def test_files_of_true_tracks(tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text("1,3,10,20,30,40,1,1,1\n1,4,0,0,5,5,0,1,1\n2,3,12,20,30,40\n\n")
    truth = read_mot(file)
    assert {frame: ids.tolist() for frame, (ids, _) in truth.items()} == {1: [3], 2: [3]}
    assert truth[2][1].tolist() == [[12, 20, 42, 60]]
    file.write_text("1,3,10\n")
    with pytest.raises(ValueError, match="line 1"):
        read_mot(file)
