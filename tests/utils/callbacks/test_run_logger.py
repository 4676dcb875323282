"""Experiment loggers: who gets one, what they are told, and that a failing one costs nothing but itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ultralytics.errors import MissingExtra
from ultralytics.events import EventBus, Handler
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import callbacks
from ultralytics.utils.callbacks.base import INTEGRATIONS
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of
from ultralytics.utils.settings import SettingsManager

MODULE = INTEGRATIONS["tensorboard"]


class Choices(dict[str, object]):
    """Settings whose named keys the user has set."""

    explicit: frozenset[str] = frozenset()

    def is_explicit(self, key: str) -> bool:
        return key in self.explicit


class SomeTrainer:
    """Owner of a table."""

    def __init__(self) -> None:
        self.callbacks = EventBus().callbacks


class Recorder(RunLogger):
    """Keeps what it is told; fails in the method named by `fails`."""

    setting = "recorder"
    package = "json"
    fails = ""

    def __init__(self, trainer: Any) -> None:
        super().__init__(trainer)
        self.numbers: list[tuple[str, float, int]] = []
        self.pictures: list[tuple[str, int]] = []
        self.ends: list[str] = []
        self._maybe_fail("__init__")

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        self._maybe_fail("log_numbers")
        self.numbers += [(name, value, step) for name, value in values.items()]

    def log_picture(self, path: Path, step: int) -> None:
        self._maybe_fail("log_picture")
        self.pictures.append((path.name, step))

    def log_results(self) -> None:
        self._maybe_fail("log_results")
        self.ends.append("results")

    def close(self) -> None:
        self._maybe_fail("close")
        self.ends.append(f"closed, complete={self.is_complete}")

    def _maybe_fail(self, method: str) -> None:
        if method == self.fails:
            raise RuntimeError(f"{method} went wrong\nand a second line")


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> Choices:
    monkeypatch.setattr(f"{MODULE}.handlers", lambda: handlers_of(Recorder))
    chosen = Choices(tensorboard=True, mlflow=True, wandb=False)
    chosen.explicit = frozenset({"tensorboard", "wandb"})
    return chosen


def active(table: Mapping[str, list[Handler]]) -> dict[str, int]:
    return {event: len(handlers) for event, handlers in table.items() if handlers}


def test_integrations_are_opt_in_and_added_once(choices: Choices) -> None:
    trainer = SomeTrainer()
    callbacks.add_integration_callbacks(trainer, choices)
    callbacks.add_integration_callbacks(trainer, choices)
    assert active(trainer.callbacks) == {
        "on_pretrain_routine_end": 1,
        "on_train_epoch_end": 1,
        "on_fit_epoch_end": 1,
        "on_train_end": 1,
        "teardown": 1,
    }
    other = SimpleNamespace(callbacks=EventBus().callbacks)
    callbacks.add_integration_callbacks(other, choices)
    assert not active(other.callbacks)
    choices.explicit = frozenset()
    untouched = SomeTrainer()
    callbacks.add_integration_callbacks(untouched, choices)
    assert not active(untouched.callbacks)


@pytest.mark.parametrize("version", [None, "0.0.4", "0.0.6"])
def test_settings_that_nobody_chose_add_nothing_and_say_nothing(
    version: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "settings.json"
    if version is not None:  # as older versions wrote it: all on
        content = {"settings_version": version, **dict.fromkeys(INTEGRATIONS, True)}
        file.write_text(json.dumps(content))
    trainer = SomeTrainer()
    with caplog.at_level(logging.DEBUG, "ultralytics"):
        callbacks.add_integration_callbacks(trainer, SettingsManager(file))
    assert not active(trainer.callbacks)
    assert caplog.text == ""


def test_a_missing_package_is_named_and_the_rest_goes_on(
    choices: Choices, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ultralytics.utils.callbacks.mlflow.MlflowLogger.package", "not_there_x")
    choices.explicit = frozenset({"tensorboard", "mlflow"})
    trainer = SomeTrainer()
    with caplog.at_level(logging.WARNING, "ultralytics"):
        callbacks.add_integration_callbacks(trainer, choices)
    assert len(active(trainer.callbacks)) == 5
    assert "mlflow=True has no effect: not_there_x is not installed: pip install" in caplog.text


@pytest.mark.parametrize("setting", sorted(INTEGRATIONS))
def test_every_integration_has_a_logger_of_its_setting(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    module = import_module(INTEGRATIONS[setting])
    kinds = [k for k in vars(module).values() if isinstance(k, type) and RunLogger in k.__mro__[1:]]
    assert [kind.setting for kind in kinds] == [setting]
    monkeypatch.setattr(kinds[0], "package", "not_there_x")
    with pytest.raises(MissingExtra, match="not_there_x"):
        module.handlers()


def train(args: dict[str, object], *kinds: type[Recorder], **handlers: Handler) -> Any:
    trainer = DetectionTrainer(overrides=args | {"model": "yolo11n.yaml"})
    kept: list[Recorder] = []
    for kind in kinds:
        for event, handler in handlers_of(kind).items():
            trainer.add_callback(event, handler)
    trainer.add_callback("on_train_start", lambda t: kept.extend(t.loggers.values()))
    for event, handler in handlers.items():
        trainer.add_callback(event, handler)
    trainer.train()
    trainer.kept = kept
    return trainer


def test_what_a_logger_is_told(short_run: dict[str, object]) -> None:
    trainer = train(
        short_run,
        Recorder,
        on_train_batch_end=lambda t: t.log({"mine": 2.5}),
        on_val_end=lambda v: v.log({"seen": v.seen}),
    )
    (logger,) = trainer.kept
    assert trainer.loggers == {}
    assert logger.ends == ["results", "closed, complete=True"]
    steps = {name: [s for n, _, s in logger.numbers if n == name] for name, _, _ in logger.numbers}
    once = ("train/box_loss", "train/cls_loss", "train/dfl_loss", "lr/pg0", "lr/pg1", "lr/pg2")
    assert all(steps[name] == [1, 2] for name in once)
    assert steps["metrics/mAP50-95(B)"] == [1, 2, 3]  # 3: the final evaluation
    assert steps["model/parameters"] == steps["model/GFLOPs"] == [1]
    assert steps["mine"] == [1, 1, 2, 2]  # two batches an epoch
    assert [value for name, value, _ in logger.numbers if name == "seen"] == [4, 4, 4]
    parameters = dict((n, v) for n, v, _ in logger.numbers)["model/parameters"]
    assert parameters == sum(p.numel() for p in trainer.model.parameters())


def test_failing_loggers_are_reported_once_and_switched_off(
    short_run: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    methods = ("__init__", "log_numbers", "log_results", "close")
    kinds = [type("Failing", (Recorder,), {"fails": m, "setting": f"of {m}"}) for m in methods]
    with caplog.at_level(logging.WARNING, "ultralytics"):
        trainer = train(
            short_run | {"epochs": 1}, *kinds, on_train_batch_end=lambda t: t.log({"mine": 1})
        )
    assert trainer.loggers == {}
    assert [logger.setting for logger in trainer.kept] == [f"of {m}" for m in methods[1:]]
    assert (trainer.save_dir / "weights" / "best.pt").is_file()
    told = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Logger ")]
    assert told == [
        f"Logger of {m} failed and is off for the rest of this run: RuntimeError: {m} went wrong"
        for m in methods
    ]


def test_a_run_that_fails_is_closed_as_incomplete(short_run: dict[str, object]) -> None:
    kept: list[Recorder] = []

    def stop(trainer: Any) -> None:
        kept.extend(trainer.loggers.values())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(short_run, Recorder, on_train_epoch_start=stop)
    assert kept[0].ends == ["closed, complete=False"]


def test_a_picture_goes_out_once_for_every_time_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    trainer = SimpleNamespace(
        plots={tmp_path / "a.jpg": {"timestamp": 1.0}, tmp_path / "absent.jpg": {"timestamp": 1.0}},
        validator=SimpleNamespace(plots={}),
        epoch=0,
        metrics={},
    )
    logger = Recorder(trainer)
    logger.end_run()
    trainer.epoch = 4
    logger.end_run()
    trainer.plots[tmp_path / "a.jpg"] = {"timestamp": 2.0}
    logger.end_run()
    assert logger.pictures == [("a.jpg", 1), ("a.jpg", 5)]
