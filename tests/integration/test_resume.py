"""A killed run continues bit for bit, a finished one can be extended, anything else is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ultralytics import YOLO
from ultralytics.errors import ResumeError
from ultralytics.nn.tasks.checkpoint import read_exact_state, write_checkpoint

RUNNER = """
import json, os, signal, sys
import torch
torch.set_num_threads(1)
from ultralytics import YOLO
args = json.loads(sys.argv[1])
die_at = int(sys.argv[2])
model = YOLO(args.pop("model"))
seen = 0
def count(trainer):
    global seen
    seen += 1
    if seen == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
model.add_callback("on_train_batch_end", count)
model.train(**args)
"""


def run(args: dict[str, object], die_at: int = 0) -> int:
    command = [sys.executable, "-c", RUNNER, json.dumps(args), str(die_at)]
    env = os.environ | {"YOLO_VERBOSE": "false"}
    return subprocess.run(command, env=env, check=False, capture_output=True).returncode


def final_state(folder: Path) -> dict[str, torch.Tensor]:
    state = read_exact_state(folder / "weights" / "last.pt")
    assert state is not None
    flat = {f"model.{k}": v for k, v in state["model"].items()}
    flat |= {f"ema.{k}": v for k, v in state["ema"].items()}
    for index, entry in state["optimizer"]["state"].items():
        flat |= {f"optimizer.{index}.{k}": v for k, v in entry.items() if torch.is_tensor(v)}
    return flat


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_three_kills_leave_no_trace(
    optimizer: str, painted: Path, short_run: dict[str, object], tmp_path: Path
) -> None:
    args = short_run | {
        "model": "yolo11n.yaml",
        "optimizer": optimizer,
        "epochs": 5,
        "nbs": 12,
        "warmup_epochs": 1.0,
        "multi_scale": 0.3,
        "close_mosaic": 2,
        "val": True,
    }
    assert run(args | {"name": "whole"}) == 0
    assert run(args | {"name": "cut"}, die_at=3) == -signal.SIGKILL
    last = str(tmp_path / "cut" / "weights" / "last.pt")
    steps = random.Random(0)
    for _ in range(2):
        again = {"model": last, "resume": True}
        assert run(again, die_at=steps.randint(2, 3)) == -signal.SIGKILL
    assert run({"model": last, "resume": True}) == 0
    whole, cut = final_state(tmp_path / "whole"), final_state(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    different = [name for name in whole if not torch.equal(whole[name], cut[name])]
    assert different == []
    rows = [
        [row.split(",")[0] for row in (tmp_path / name / "results.csv").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_a_finished_run_is_extended_not_repeated(
    short_run: dict[str, object], tmp_path: Path
) -> None:
    YOLO("yolo11n.yaml").train(**short_run)
    last = tmp_path / "run" / "weights" / "last.pt"
    with pytest.raises(ResumeError, match="larger number"):
        YOLO(last).train(resume=True)
    model = YOLO(last)
    model.train(resume=True, epochs=4)
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    assert model.trainer.start_epoch == 2


@pytest.mark.slow
def test_what_cannot_be_honoured_is_refused(short_run: dict[str, object], tmp_path: Path) -> None:
    model = YOLO("yolo11n.yaml")
    model.add_callback("on_model_save", lambda trainer: setattr(trainer, "stop", True))
    model.train(**short_run)
    last = tmp_path / "run" / "weights" / "last.pt"
    with pytest.raises(ResumeError, match="lr0"):
        YOLO(last).train(resume=True, epochs=9, lr0=0.5)
    with pytest.raises(ResumeError, match="no such file"):
        YOLO("yolo11n.yaml").train(resume=str(tmp_path / "nothing.pt"))


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint({"epoch": 1, "model": None}, path, exact={"epoch": 1})
    before = path.read_bytes()
    script = (
        "import sys, torch\n"
        "from ultralytics.nn.tasks.checkpoint import write_checkpoint\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    write_checkpoint({'epoch': 1, 'model': None}, sys.argv[1], exact={'epoch': 1, "
        "'x': torch.zeros(200000)})\n"
    )
    for delay in (0.0, 0.02, 0.05):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(delay)
        child.kill()
        child.wait()
        child.stdout.close()
        state = read_exact_state(path)
        assert state is not None
        assert state["epoch"] == 1
    assert len(before) > 0
