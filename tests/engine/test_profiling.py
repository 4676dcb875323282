"""Profiles of a training: what counts for which stage, and that nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ultralytics import YOLO
from ultralytics.cfg.cli.commands import main
from ultralytics.cfg.cli.parse import parse_words
from ultralytics.engine.profiling import TrainingProfile
from ultralytics.engine.profiling.calls import CallTimes
from ultralytics.engine.profiling.clock import StageClock
from ultralytics.errors import ConfigValueError, NotAvailable
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.registry import get
from ultralytics.utils.loss.detect import v8DetectionLoss

Args = dict[str, Any]
BATCHES = 3
PAUSES_S = {"colour": 0.02, "copy": 0.2, "loss": 0.2, "step": 0.2}


@pytest.fixture(scope="module")
def network(narrow_file: Callable[[str], str]) -> YOLO:
    return YOLO(narrow_file("yolo11.yaml"))


@pytest.fixture
def args(painted: Path) -> Args:
    return {"data": str(painted), "imgsz": 64, "batch": 4, "nbs": 4, "device": "cpu"}


# ---------------------------------------------------------------- parts


def test_a_stage_lasts_from_the_mark_before_to_its_own() -> None:
    ticks = iter([1.0, 1.5, 3.5, 4.0, 4.25])
    clock = StageClock(torch.device("cpu"), now=lambda: next(ticks))
    for stage in ("start", "wait", "copy", "wait", "copy"):
        clock.mark(stage)
    assert clock.totals() == {"wait": 1000.0, "copy": 2250.0}


def test_calls_inside_calls_count_once_and_functions_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(now) / 1000)  # a millisecond each
    calls = CallTimes()
    inner = calls.timed("colour", lambda: None)
    calls.timed("warp", inner)()
    inner()
    assert calls.milliseconds == {
        "decode": 0.0,
        "collate": 0.0,
        "warp": pytest.approx(1.0),
        "colour": pytest.approx(1.0),
    }
    original = cv2.cvtColor
    with calls.watching():
        assert cv2.cvtColor is not original
        cv2.cvtColor(np.zeros((4, 4, 3), np.uint8), cv2.COLOR_BGR2RGB)
    assert cv2.cvtColor is original
    assert calls.milliseconds["colour"] == pytest.approx(2.0)


def made(wait: float, workers: int = 0) -> TrainingProfile:
    loading = {"decode": 6.0, "warp": 2.0, "colour": 1.0, "assemble": 1.0, "collate": 0.0}
    step = {"copy": 1.0, "forward": 2.0, "loss": 1.0, "backward": 5.0, "step": 1.0}
    return TrainingProfile("title", loading, {"wait": wait, **step}, wait + 10, workers)


def test_the_table_says_what_the_figures_mean() -> None:
    alone, shared = made(10.0), made(0.5, workers=4)
    assert (alone.images_per_s, alone.idle_share) == (50.0, 0.5)
    assert sum(alone.stages.values()) == 20.0
    assert "wait" not in alone.stages
    assert (
        "50.0 images/s; the device waits for data 50% of the time, most of all for decode"
        in str(alone)
    )
    assert shared.stages["wait"] == 0.5
    assert sum(shared.stages.values()) == 10.5
    assert "decode          6.000   60.0%" in shared.text
    assert "backward        5.000   47.6%" in shared.text
    assert shared.text.endswith("5% of the time; the longest stage is backward (gradients)")


# ---------------------------------------------------------------- whole profiles


def test_stages_add_up_to_the_time_of_a_batch_and_nothing_is_left(
    network: YOLO, args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = {k: v.clone() for k, v in network.model.state_dict().items()}
    called: list[Any] = []
    network.add_callback("on_pretrain_routine_start", called.append)
    network.add_callback("optimizer_step", called.append)
    found = network.profile(BATCHES, **args)
    network.reset_callbacks()
    assert all(ms > 0 for name, ms in found.stages.items() if name not in ("decode", "collate"))
    assert 0.9 < sum(found.stages.values()) / found.wall < 1.05
    assert sum(found.loading.values()) == pytest.approx(found.step["wait"], rel=0.05)
    assert not called
    assert not list(tmp_path.iterdir())
    assert all(torch.equal(v, weights[k]) for k, v in network.model.state_dict().items())


def slowed(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize(
    ("stage", "owner", "name"),
    [
        ("colour", cv2, "LUT"),
        ("copy", DetectionTrainer, "preprocess_batch"),
        ("loss", v8DetectionLoss, "loss"),
        ("step", torch.optim.AdamW, "step"),
    ],
)
def test_a_pause_shows_up_in_its_stage(
    stage: str,
    owner: Any,
    name: str,
    network: YOLO,
    args: Args,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pause = PAUSES_S[stage]
    monkeypatch.setattr(owner, name, slowed(getattr(owner, name), pause))
    found = network.profile(BATCHES, **args, optimizer="AdamW")
    images = 1 if stage == "colour" else args["batch"]
    assert found.stages[stage] >= pause * 1e3 / images


class TwoWorkers(DetectionTrainer):
    """Loads in two processes although it trains on a processor."""

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        self.args.workers = 2
        return super().get_dataloader(dataset_path, batch_size, rank, mode)


@pytest.mark.slow
def test_with_workers_loading_is_measured_apart(
    network: YOLO, args: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(network), "_smart_load", lambda _, key: TwoWorkers)
    found = network.profile(BATCHES, **args | {"batch": 2})
    assert found.workers == 2
    assert found.loading["warp"] > 0
    assert found.loading["colour"] > 0
    assert 0.9 < sum(found.stages.values()) / found.wall < 1.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("segment", "yolo11-seg"),
        ("segment", "yolo26-seg"),
        ("pose", "yolo11-pose"),
        ("pose", "yolo26-pose"),
        ("obb", "yolo26-obb"),
        ("classify", "yolo11-cls"),
        ("semantic", "yolo26-sem"),
    ],
)
def test_every_task_has_all_stages(task: str, name: str, narrow_file: Callable[[str], str]) -> None:
    model = YOLO(narrow_file(f"{name}.yaml"))
    found = model.profile(
        BATCHES, data=get(task).sample, imgsz=64, batch=4, nbs=4, fraction=0.1, device="cpu"
    )
    assert all(found.step[name] > 0 for name in ("copy", "forward", "loss", "backward", "step"))
    assert 0.9 < sum(found.stages.values()) / found.wall < 1.05


# ---------------------------------------------------------------- the command


def test_the_command_prints_the_table(
    network: YOLO, args: Args, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{k}={v}" for k, v in args.items()]
    assert main(["profile", *words, f"model={network.cfg}", "batches=1"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{stage} " in printed for stage in ("decode", "forward", "step", "total"))
    assert " images/s; the device waits for data " in printed


def test_profile_is_a_command_first_and_a_switch_of_training_later() -> None:
    assert parse_words(["profile", "data=x.yaml"]).command == "profile"
    assert parse_words(["data=x.yaml", "profile"]).overrides == {"data": "x.yaml"}
    line = parse_words(["train", "profile", "data=x.yaml"])
    assert (line.command, line.overrides["profile"]) == ("", True)


def test_what_cannot_be_profiled_is_refused(network: YOLO, args: Args) -> None:
    with pytest.raises(ConfigValueError, match="batches=0"):
        network.profile(0, **args)
    with pytest.raises(ConfigValueError, match="one device"):
        network.profile(1, **args | {"device": "cpu,cpu"})
    with pytest.raises(NotAvailable, match="yolo profile"):
        DetectionTrainer(overrides=args | {"model": "yolo11n.yaml", "profile": True})
