"""Recorded sequences give the recorded tracks: numbers, order, states, boxes (specification chapter 75, section 11)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.engine.results import OBB, Boxes
from ultralytics.trackers.track import TRACKER_MAP

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "tracking"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/conformance/tracking")
BOX_TOLERANCE_PX = 0.05


def variants() -> list[Any]:
    return [
        pytest.param(name, variant, id=f"{name}-{variant}")
        for name in sorted(TRACKER_MAP)
        if (FOLDER / f"{name}.json").is_file()
        for variant in json.loads((FOLDER / f"{name}.json").read_text())
    ]


def lists_of(tracker: Any) -> dict[str, Any]:
    return {
        "tracked": [[t.track_id, int(t.is_activated), t.state] for t in tracker.tracked_stracks],
        "lost": [t.track_id for t in tracker.lost_stracks],
        "removed": [t.track_id for t in tracker.removed_stracks_frame],
    }


def inputs_of(case: dict[str, Any], scene: dict[str, Any], i: int) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if case["feats"]:
        given["feats"] = np.array(scene["feats"][i], np.float32).reshape(-1, 8)
    if case["recovered"]:
        rows = np.array(scene["recovered"][i], np.float32).reshape(-1, 6)
        given["dets_del"] = (rows[:, :4], rows[:, 4], rows[:, 5]) if len(rows) else None
    return given


@pytest.mark.parametrize(("name", "variant"), variants())
def test_replay(name: str, variant: str) -> None:
    scene = json.loads((FOLDER / "detections.json").read_text())
    record = json.loads((FOLDER / f"{name}.json").read_text())[variant]
    case = record["input"]
    tracker = TRACKER_MAP[name](SimpleNamespace(**record["config"]))
    image = np.zeros((480, 640, 3), np.uint8) if case["warps"] else None
    is_rotated = case["source"] == "obb"
    for i, (rows, expected) in enumerate(zip(scene[case["source"]], record["frames"], strict=True)):
        table = np.array(rows, np.float32).reshape(-1, 7 if is_rotated else 6)
        found = (OBB if is_rotated else Boxes)(torch.from_numpy(table), (480, 640)).numpy()
        if case["warps"]:
            warp = np.array(scene["warps"][i], np.float64)
            tracker.gmc.apply = lambda *_, warp=warp: warp
        result = tracker.update(found, image, **inputs_of(case, scene, i))
        lists = lists_of(tracker)
        assert lists == {key: expected[key] for key in lists}, f"frame {i + 1}"
        wanted = np.array(expected["rows"]).reshape(-1, 9 if is_rotated else 8)
        got = result.reshape(wanted.shape)
        coordinates = 5 if is_rotated else 4
        assert np.array_equal(got[:, coordinates], wanted[:, coordinates]), f"frame {i + 1}"
        np.testing.assert_allclose(got[:, :4], wanted[:, :4], atol=BOX_TOLERANCE_PX)
        np.testing.assert_allclose(got[:, 4:], wanted[:, 4:], atol=2e-3)
