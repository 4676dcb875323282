"""A run opens no socket, starts no installer and leaves other libraries' global state alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, os, sys
import cv2, torch
WATCHED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "urllib.")
effects = []

def watch(event, args):
    if recording and event.startswith(WATCHED):
        effects.append([event, str(args)[:200]])

def state():
    return [
        cv2.getNumThreads(), torch.get_num_threads(), torch.save.__module__,
        torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic,
        torch._tensor_str.PRINT_OPTS.linewidth,
        sorted(k for k in os.environ if k.startswith(("CUBLAS", "OMP", "PYTHONHASH"))),
    ]

recording = False
sys.addaudithook(watch)
before = state()
recording = True
from ultralytics import ASSETS, YOLO
args = json.loads(sys.argv[1])
model = YOLO("yolo11n.yaml")
model.train(**args)
model.val(data=args["data"], imgsz=64, plots=False, project=args["project"], name="val")
model.predict(ASSETS, imgsz=64, save=True, project=args["project"], name="predict")
recording = False
print("PROBE " + json.dumps({"effects": effects, "before": before, "after": state()}))
"""


@pytest.mark.slow
def test_a_whole_run_stays_on_this_machine(short_run: dict[str, object], tmp_path: Path) -> None:
    env = os.environ | {"HOME": str(tmp_path), "YOLO_CONFIG_DIR": str(tmp_path / "config")}
    args = short_run | {"epochs": 1, "plots": True}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(args)],
        env=env,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("PROBE ")]
    seen = json.loads(line.removeprefix("PROBE "))
    # matplotlib lists the system's fonts once when its own cache is empty
    assert [e for e in seen["effects"] if "fc-list" not in e[1]] == []
    assert seen["before"] == seen["after"]
