"""A run logged by ClearML in offline mode, in a process of its own because ClearML patches what it finds in one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.optional import need_package

SCRIPT = """
import json
import sys

from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.callbacks.clearml import handlers

trainer = DetectionTrainer(overrides=json.loads(sys.argv[1]))
for event, handler in handlers().items():
    trainer.add_callback(event, handler)
trainer.train()
"""


@pytest.mark.slow
def test_an_offline_session_holds_the_run(short_run: dict[str, Any], tmp_path: Path) -> None:
    need_package("clearml")
    args = {**short_run, "model": "yolo11n.yaml", "plots": True}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(args)],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "CLEARML_OFFLINE_MODE": "1",
            # Else it waits for five minutes for a child that pytest-xdist keeps from reporting.
            "CLEARML__SDK__DEVELOPMENT__REPORT_USE_SUBPROCESS": "false",
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Logger clearml failed" not in done.stdout + done.stderr
    (task,) = tmp_path.glob(".clearml/cache/offline/offline-*/task.json")
    content = json.loads(task.read_text())
    assert content["name"] == "run"
    assert content["hyperparams"]["General"]["epochs"]["value"] == "2"
    lines = (task.parent / "metrics.jsonl").read_text().splitlines()
    events = [event for line in lines for event in json.loads(line)]
    scalars: dict[str, dict[int, float]] = {}
    for event in events:
        if event["type"] == "training_stats_scalar":
            name = f"{event['metric']}/{event['variant']}"
            scalars.setdefault(name, {})[event["iter"]] = event["value"]
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("train/box_loss", "lr/pg0"):
        wanted = {step: float(row[name]) for step, row in enumerate(rows, start=1)}
        assert scalars[name] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert sorted(scalars["metrics/mAP50-95(B)"]) == [1, 2, 3]
    pictures = {path.name.split("_0")[0] for path in task.parent.rglob("*.png")}
    assert "results_results" in pictures
