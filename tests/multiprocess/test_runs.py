"""Runs on several ranks of the processor: equal to one process, together in their decisions, clear when a rank fails.

Oracles: the same run in one process; for losses that divide by a count of targets, one process that sums the losses of
the shares.
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.multiprocess import parts
from ultralytics import YOLO
from ultralytics.errors import RankError
from ultralytics.nn.tasks.checkpoint import read_exact_state
from ultralytics.utils.ranks import TIMEOUT_VARIABLE

Args = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60

pytestmark = pytest.mark.slow


def train(kind: Any, args: Args, **handlers: Callable[[Any], None]) -> Path:
    trainer = kind(overrides=args)
    trainer.add_callback("teardown", parts.note)
    for event, handler in handlers.items():
        trainer.add_callback(event, handler)
    trainer.train()
    return Path(trainer.save_dir)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = read_exact_state(folder / "weights" / "last.pt")
    assert state is not None
    return {**state["model"], **{f"ema.{k}": v for k, v in state["ema"].items()}}


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "results.csv").open(newline="") as file:
        return [
            {k: float(v) for k, v in row.items() if k != "time"} for row in csv.DictReader(file)
        ]


def ends(folder: Path, ranks: int) -> list[Args]:
    return [json.loads((folder / f"rank{r}.json").read_text()) for r in range(ranks)]


def assert_same_run(one: Path, other: Path, columns: str = "") -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=1e-5)
    for row, expected in zip(rows(other), rows(one), strict=True):
        chosen = {k: v for k, v in expected.items() if k.startswith(columns)}
        assert {k: row[k] for k in chosen} == pytest.approx(chosen, rel=1e-4, abs=2e-5)


def test_ranks_train_as_one_process_on_the_same_batches(
    run: Args, networks: Path, classes: Path, tmp_path: Path
) -> None:
    args = run | {"model": str(networks / "tiny-cls.yaml"), "data": str(classes), "batch": 8}
    args |= {"imgsz": 32, "epochs": 2, "lr0": 0.05, "warmup_epochs": 0.0}
    start = train(
        parts.Classifier, args | {"device": "cpu", "name": "start", "epochs": 1, "lr0": 0}
    )
    args |= {"model": str(start / "weights" / "last.pt"), "pretrained": True}
    one = train(parts.Classifier, args | {"device": "cpu", "name": "one"})
    assert any((weights(one)[k] - v).abs().max() > 1e-3 for k, v in weights(start).items())
    for ranks in (2, 4):
        many = train(
            parts.Classifier, args | {"device": ",".join(["cpu"] * ranks), "name": str(ranks)}
        )
        assert_same_run(one, many)
        assert [end["epoch"] for end in ends(many, ranks)] == [1] * ranks


def test_detection_steps_as_one_process_that_sums_the_shares(run: Args) -> None:
    start = train(parts.Detector, run | {"device": "cpu", "name": "start", "epochs": 1})
    args = run | {"model": str(start / "weights" / "last.pt"), "pretrained": True, "fraction": 0.6}
    one = train(parts.ShardedDetector, args | {"device": "cpu", "name": "one"})
    two = train(parts.Detector, args | {"device": "cpu,cpu", "name": "two"})
    assert_same_run(one, two, "train/")
    for row, expected in zip(rows(two), rows(one), strict=True):
        metrics = {k: v for k, v in expected.items() if k.startswith("metrics/")}
        assert {k: row[k] for k in metrics} == pytest.approx(metrics, abs=1e-4)


def test_ranks_learn_from_a_teacher_with_equal_projections(
    run: Args, networks: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    teacher = tmp_path / "teacher.pt"
    YOLO(networks / "tiny.yaml").save(teacher)
    args = run | {"distill_model": str(teacher), "balance": 0.5, "layer_decay": 0.5, "dis": 50.0}
    folder = train(parts.Detector, args | {"device": "cpu,cpu"})
    alone = train(parts.Detector, args | {"device": "cpu", "name": "alone"})
    assert weights(folder).keys() == weights(alone).keys()
    assert any(name.startswith("projector.") for name in weights(folder))
    shared, single = ([row["train/dis_loss"] for row in rows(place)] for place in (folder, alone))
    # Each rank divides by the attention of its own half of a batch, so the steps are alike, not equal.
    assert shared[0] == pytest.approx(single[0], rel=0.3)
    assert shared[-1] < shared[0] / 5
    assert single[-1] < single[0] / 5
    assert all(row["val/dis_loss"] == 0 for row in rows(folder))


def test_a_loss_and_transforms_of_the_user_reach_the_ranks(run: Args) -> None:
    # a mean over all positions, times the images: the step of two ranks is that of one process
    args = run | {"loss": parts.scores_up, "transforms": parts.keep_still, "fraction": 0.6}
    start = train(parts.Detector, run | {"device": "cpu", "name": "start", "epochs": 1})
    args |= {"model": str(start / "weights" / "last.pt"), "pretrained": True}
    one = train(parts.Detector, args | {"device": "cpu", "name": "one"})
    two = train(parts.Detector, args | {"device": "cpu,cpu", "name": "two"})
    assert "train/score" in rows(two)[0]
    assert_same_run(one, two, "train/")


def test_uneven_sets_and_an_empty_share(run: Args) -> None:
    folder = train(parts.Detector, run | {"device": "cpu,cpu,cpu,cpu", "batch": 4, "epochs": 2})
    # 7 images on 4 ranks: 2 each; 3 images for validation in batches of 2: the last two ranks have none
    found = ends(folder, 4)
    assert [end["batches"] for end in found] == [2] * 4
    assert found[0]["seen"] == 3
    assert all(end["seen"] in (0, 1, 2) for end in found[1:])
    assert sum(end["seen"] == 0 for end in found[1:]) >= 1
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in rows(folder))


FAILURES = [
    (parts.fail_on_0, r"rank 0 of 2 failed: ValueError: a drawn mistake"),
    (parts.fail_on_1, r"rank 1 of 2 failed: ValueError: a drawn mistake"),
    (parts.die_on_0, r"rank 0 of 2 was killed by SIGKILL|rank 0 of 2 died"),
    (parts.die_on_1, r"rank 1 of 2 was killed by SIGKILL|rank 1 of 2 died"),
    (parts.sleep_on_1, r"rank 1 (of 2 )?(died or is stuck|did not reach)"),
]


@pytest.mark.parametrize(("handler", "text"), FAILURES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_failing_rank_ends_the_run_and_is_named(
    handler: Callable[[Any], None],
    text: str,
    run: Args,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, "20" if handler is parts.sleep_on_1 else "40")
    with pytest.raises(RankError, match=text):
        train(parts.Detector, run | {"device": "cpu,cpu"}, on_train_batch_start=handler)
    assert time.time() - float((tmp_path / "run" / parts.MOMENT).read_text()) < LIMIT_S


def test_ranks_go_on_within_an_epoch_in_the_same_bits(run: Args) -> None:
    args = run | {"device": "cpu,cpu", "mosaic": 1.0, "save_steps": 1}
    whole = train(parts.Detector, args | {"name": "whole"})
    with pytest.raises(RankError):
        train(
            parts.Detector, args | {"name": "cut"}, on_train_batch_start=parts.die_within_an_epoch
        )
    last = whole.parent / "cut" / "weights" / "last.pt"
    state = read_exact_state(last.with_name("step.pt"))
    assert state is not None
    assert (state["epoch"], state["midway"]["batches"], len(state["midway"]["losses"])) == (0, 1, 2)
    again = train(parts.Detector, {"resume": str(last)})
    mine, theirs = weights(whole), weights(again)
    assert [name for name, value in mine.items() if not torch.equal(value, theirs[name])] == []
    assert rows(again) == rows(whole)


def test_ranks_stop_together(run: Args) -> None:
    flat = train(
        parts.Flat, run | {"device": "cpu,cpu", "patience": 2, "epochs": 30, "name": "flat"}
    )
    assert [end["epoch"] for end in ends(flat, 2)] == [2, 2]
    asked = train(
        parts.Detector,
        run | {"device": "cpu,cpu", "epochs": 30, "name": "asked"},
        on_train_batch_end=parts.stop_on_1,
    )
    assert [end["epoch"] for end in ends(asked, 2)] == [1, 1]
    assert len(rows(asked)) == 2


def test_the_time_limit_holds_for_all(run: Args) -> None:
    began = time.monotonic()
    folder = train(
        parts.Detector,
        run | {"device": "cpu,cpu", "epochs": 10000, "time": 2 / 3600},
        on_train_batch_end=parts.dawdle,
    )
    assert time.monotonic() - began < LIMIT_S
    first, second = ends(folder, 2)
    assert first["epoch"] == second["epoch"] == len(rows(folder)) - 1


SCRIPT = """
import json, sys
from ultralytics import YOLO
args = json.loads(sys.argv[1])
print("METRICS", YOLO(args.pop("model")).train(**args))
"""


def start(command: list[str], tmp_path: Path) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), TIMEOUT_VARIABLE: "30", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_script_without_guard_may_train_on_several(run: Args, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = start([str(script), json.dumps(run | {"device": "cpu,cpu", "epochs": 1})], tmp_path)
    text = done.communicate(timeout=120)[0]
    assert done.returncode == 0, text
    assert "metrics/mAP50(B)" in text.split("METRICS")[1]


def test_torchrun_starts_the_ranks_of_one_machine(run: Args, tmp_path: Path) -> None:
    words = [f"{key}={value}" for key, value in (run | {"device": "cpu", "epochs": 1}).items()]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = start([*launcher, "-m", "ultralytics", "train", *words], tmp_path)
    text = done.communicate(timeout=120)[0]
    assert done.returncode == 0, text
    assert len(rows(tmp_path / "run")) == 1
    assert len(re.findall(r"1 epochs completed", text)) == 1
    assert not (tmp_path / "run-2").exists()


def test_torchrun_joins_two_machines(run: Args, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nodes = [
        start(
            [
                *("-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(node)),
                *(
                    "--nproc-per-node",
                    "1",
                    "--master-addr",
                    "127.0.0.1",
                    "--master-port",
                    str(port),
                ),
                str(script),
                json.dumps(run | {"device": "cpu", "epochs": 1}),
            ],
            tmp_path,
        )
        for node in range(2)
    ]
    texts = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], texts
    assert len(rows(tmp_path / "run")) == 1
    assert "METRICS None" in texts[1]
