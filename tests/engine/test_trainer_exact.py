"""Going on within an epoch, named random streams, the column that decides, and the mark of the best row."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine import kills
from tests.engine.test_trainer_runs import Plain, TwoWorkers, train
from ultralytics import YOLO
from ultralytics.engine.trainer import checkpoint, resume
from ultralytics.errors import ConfigTypeError, ConfigValueError, ResumeError
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load

Args = dict[str, Any]


@pytest.fixture
def args(tiny_run: Args) -> Args:
    return tiny_run | {"epochs": 2, "exist_ok": False}


def rows(path: Path) -> list[dict[str, str]]:
    with (path / "results.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(file)]


def interrupt(after: int) -> Callable[[Any], None]:
    """A handler that ends the process's run, as Ctrl-C does, after a number of batches of the run."""

    def handler(trainer: Any) -> None:
        if trainer.batches_done == after:
            raise KeyboardInterrupt

    return handler


# ---------------------------------------------------------------- within an epoch


@pytest.mark.parametrize("kind", [DetectionTrainer, TwoWorkers])
@pytest.mark.parametrize("after", [4, 8])
def test_a_run_goes_on_within_an_epoch_in_the_same_bits(
    after: int, kind: type[DetectionTrainer], args: Args, tmp_path: Path
) -> None:
    whole = train(args | {"name": "whole"}, kind)
    with pytest.raises(KeyboardInterrupt):
        train(args | {"save_steps": 1}, kind, on_train_batch_end=interrupt(after))
    last = tmp_path / "run" / "weights" / "last.pt"
    assert last.is_file() == (after > 5)  # five batches to an epoch
    state = read_exact_state(last.with_name("step.pt"))
    assert state is not None
    assert 0 < state["midway"]["batches"] == (after - 1) % 5
    seen: list[int] = []
    again = train(
        {"resume": str(last)},
        kind,
        on_train_start=lambda t: seen.append(t.start_epoch),
        on_train_batch_end=lambda t: seen.append(t.batches_done),
    )
    assert seen == [after // 5, *range(after, 11)]
    states = [read_exact_state(t.last) for t in (whole, again)]
    kept = ("model", "ema", "optimizer", "rng", "best_fitness", "streams")
    one, two = ({k: (state or {})[k] for k in kept} for state in states)
    assert kills.differences(one, two) == []
    assert rows(whole.save_dir) == rows(again.save_dir)
    assert not last.with_name("step.pt").exists()


def test_step_files_count_optimizer_steps(args: Args) -> None:
    written: list[int] = []

    def look(trainer: Any) -> None:
        state = (
            read_exact_state(trainer.wdir / "step.pt")
            if (trainer.wdir / "step.pt").is_file()
            else None
        )
        if state is not None:
            written.append(state["midway"]["batches"] + 5 * (state["epoch"] + 1))

    steps: list[int] = []
    train(
        args | {"save_steps": 2, "nbs": 4, "warmup_epochs": 0.0},
        on_train_batch_start=look,
        on_before_zero_grad=lambda t: steps.append(t.batches_done),
    )
    assert steps == list(range(1, 11))
    # after steps 2 and 4; last.pt takes over at the end of an epoch, and the count goes on
    assert written == [2, 2, 4, 6, 6, 8, 8]


def test_a_loader_that_cannot_start_within_an_epoch_is_named(
    args: Args, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bool] = []
    with caplog.at_level(logging.WARNING, "ultralytics"):
        train(
            args | {"save_steps": 1, "verbose": True},
            Plain,
            on_train_batch_end=lambda t: seen.append((t.wdir / "step.pt").exists()),
        )
    assert seen == [False] * 10
    assert "save_steps=1 is not used: DataLoader cannot start within an epoch" in caplog.text


def test_steps_without_checkpoints_are_refused(args: Args) -> None:
    with pytest.raises(ConfigValueError, match="save_steps=1 with save=False"):
        train(args | {"save_steps": 1, "save": False})


def test_another_batch_starts_the_epoch_anew(
    args: Args, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(args | {"save_steps": 1}, on_train_batch_end=interrupt(8))
    step = tmp_path / "run" / "weights" / "step.pt"
    seen: list[int] = []
    with caplog.at_level(logging.WARNING, "ultralytics"):
        train(
            {"resume": str(step), "batch": 6},
            on_train_batch_end=lambda t: seen.append(t.batches_done),
        )
    assert seen == [4, 5, 6]  # three batches of six
    assert "the loader has other batches now" in caplog.text


def test_the_facade_goes_on_from_a_step_file(args: Args, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(args | {"save_steps": 1}, on_train_batch_end=interrupt(4))
    model = YOLO(tmp_path / "run" / "weights" / "step.pt")
    model.train(resume=True)
    assert [row["epoch"] for row in rows(tmp_path / "run")] == ["1", "2"]
    assert not (tmp_path / "run-2").exists()


# ---------------------------------------------------------------- the end of a run


@pytest.mark.parametrize("stripped", [0, 1])
def test_a_run_interrupted_in_its_last_evaluation_is_finished(
    stripped: int, args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Path] = []

    def strip(path: Path, **named: Any) -> Any:
        if len(done) == stripped:
            raise KeyboardInterrupt
        done.append(path)
        return own(path, **named)

    own = checkpoint.strip_optimizer
    monkeypatch.setattr(checkpoint, "strip_optimizer", strip)
    with pytest.raises(KeyboardInterrupt):
        train(args)
    monkeypatch.setattr(checkpoint, "strip_optimizer", own)
    last, best = (tmp_path / "run" / "weights" / f"{n}.pt" for n in ("last", "best"))
    content = last.read_bytes()
    best.unlink()  # as if the run had ended before the copy
    assert torch_safe_load(last)[0]["optimizer"] is not None
    batches: list[int] = []
    written: list[bytes] = []
    again = train(
        {"resume": str(last)},
        on_train_start=lambda t: written.append(t.best.read_bytes() if t.best.is_file() else b""),
        on_train_batch_end=lambda t: batches.append(t.batches_done),
    )
    assert batches == []
    assert written == [content]
    assert again.metrics["metrics/mAP50(B)"] >= 0
    assert [torch_safe_load(p)[0]["optimizer"] for p in (last, best)] == [None, None]
    with pytest.raises(ResumeError, match="has finished its 2 epochs"):
        train({"resume": str(last)})


@pytest.mark.parametrize("rest", ["3", "3,1.5", "3,1.5,0.", "2,1.5,0.", "", "1"])
def test_what_an_interruption_left_of_a_row_is_cut(rest: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    whole = "epoch,time,loss\n1,0.5,7\n"
    path.write_text(whole + rest)
    resume.cut_results(path, epochs=2)
    assert path.read_text() == whole


def test_half_written_files_of_an_earlier_try_go(args: Args, tmp_path: Path) -> None:
    weights = tmp_path / "run" / "weights"
    weights.mkdir(parents=True)
    for name in (".last.0123456789ab.pt", ".epoch12.0123456789ab.pt", ".mine.pt"):
        (weights / name).write_bytes(b"half")
    train(args | {"epochs": 1, "exist_ok": True})
    assert sorted(p.name for p in weights.iterdir()) == [".mine.pt", "best.pt", "last.pt"]


# ---------------------------------------------------------------- random streams


def first_batch(args: Args) -> dict[str, Any]:
    """Weights, files, pictures and size of the first batch of a run."""
    seen: dict[str, Any] = {}

    class First(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            raw = batch["img"].clone()
            out = super().preprocess_batch(batch)
            if not seen:
                weight = next(self.model.parameters()).detach().clone()
                seen.update(
                    init=weight,
                    order=batch["im_file"],
                    augmentation=raw,
                    steps=tuple(out["img"].shape),
                )
                raise KeyboardInterrupt
            return out

    with pytest.raises(KeyboardInterrupt):
        train(args, First)
    return seen


@pytest.mark.parametrize("name", ["init", "order", "augmentation", "steps"])
def test_one_stream_is_seeded_alone(name: str, args: Args) -> None:
    plain = first_batch(args | {"seeds": {}, "multi_scale": 0.9, "imgsz": 320})
    named = [
        first_batch(
            args | {"seeds": {name: seed}, "multi_scale": 0.9, "imgsz": 320, "name": f"{seed}"}
        )
        for seed in (11, 12)
    ]

    def same(one: Any, other: Any) -> bool:
        return torch.equal(one, other) if isinstance(one, Tensor) else one == other

    assert not all(same(plain[name], other[name]) for other in named)
    follows = {"order": {"augmentation"}}.get(name, set())  # other files, other pictures
    for other in named:
        assert [
            k for k in plain if k != name and k not in follows and not same(plain[k], other[k])
        ] == []


def test_streams_are_recorded_by_name(args: Args, tmp_path: Path) -> None:
    trainer = train(args | {"epochs": 1, "seed": 3, "seeds": {"order": 9}})
    state = read_exact_state(trainer.last)
    assert state is not None
    base = 6148914691236517204  # of loaders, specification chapter 40, section 21
    assert state["streams"] == {
        "init": {"seed": 3},
        "order": {"seed": base + 9},
        "augmentation": {"seed": base + 3},
        "steps": {"seed": None, "state": "rng"},
    }
    again = train({"resume": str(trainer.last), "epochs": 2})
    assert again.train_loader.seeds == {"order": base + 9, "augmentation": base + 3}
    assert again.args.seeds == {"order": 9}
    with pytest.raises(ResumeError, match="seeds="):
        train({"resume": str(trainer.last), "epochs": 3, "seeds": {"order": 8}})


@pytest.mark.parametrize(
    ("seeds", "error", "text"),
    [
        ({"ordre": 1}, ConfigValueError, "did you mean 'order'"),
        ({"order": -1}, ConfigValueError, "seed of order must be a whole number"),
        (5, ConfigTypeError, "a mapping such as"),
    ],
)
def test_unknown_streams_are_refused(
    seeds: Any, error: type[Exception], text: str, args: Args
) -> None:
    with pytest.raises(error, match=text):
        DetectionTrainer(overrides=args | {"seeds": seeds})


# ---------------------------------------------------------------- the column that decides


class Scripted(DetectionTrainer):
    """Validation losses by script; the fitness grows for ever."""

    script = (0.5, 0.3, 0.4, 0.35, 0.2)

    def get_validator(self) -> Any:
        inner = super().get_validator()
        trainer = self

        class Fixed(type(inner)):
            def __call__(self, *given: Any, **named: Any) -> Any:
                found = super().__call__(*given, **named)
                if given:
                    found |= {
                        "val/box_loss": trainer.script[trainer.epoch],
                        "fitness": float(trainer.epoch + 1),
                    }
                return found

        inner.__class__ = Fixed
        return inner


@pytest.mark.parametrize(
    ("monitor", "best", "done"),
    [
        (None, 5, 5),
        ("val/box_loss:min", 2, 4),
        ("val/box_loss", 2, 4),
        ("val/box_loss:max", 1, 3),
        ("fitness:min", 1, 3),
    ],
)
def test_one_column_decides_about_the_best_and_the_end(
    monitor: str | None, best: int, done: int, args: Args
) -> None:
    given = args | {"epochs": 5, "patience": 2, "mark_best": True, "save_period": 1}
    trainer = train(given | {"monitor": monitor}, Scripted)
    found = rows(trainer.save_dir)
    assert len(found) == done
    assert [int(row["epoch"]) for row in found if row["best"] == "1"][-1] == best
    kept = torch_safe_load(trainer.wdir / f"epoch{best - 1}.pt")[0]["ema"].state_dict()
    stripped = torch_safe_load(trainer.best)[0]["model"].state_dict()
    assert kills.differences(dict(kept), dict(stripped)) == []


@pytest.mark.parametrize("monitor", ["val/boxloss", "metrics/mAP50(A)", "train/total"])
def test_an_unknown_column_is_refused_before_the_first_step(monitor: str, args: Args) -> None:
    steps: list[int] = []
    with pytest.raises(
        ConfigValueError, match=r"there is no column .*choose one of: fitness, metrics/"
    ):
        train(args | {"monitor": monitor}, optimizer_step=lambda t: steps.append(t.batches_done))
    assert steps == []


def test_the_decision_stays_when_a_run_goes_on(args: Args) -> None:
    trainer = train(args | {"epochs": 1, "monitor": "val/cls_loss:min"})
    again = train({"resume": str(trainer.last), "epochs": 2})
    losses = [float(row["val/cls_loss"]) for row in rows(again.save_dir)]
    assert again.best_fitness == pytest.approx(-min(losses), abs=1e-4)
    with pytest.raises(ResumeError, match="monitor=fitness"):
        train({"resume": str(trainer.last), "epochs": 3, "monitor": "fitness"})


@pytest.mark.parametrize("value", ["val/box_loss:least", ":min"])
def test_a_direction_is_min_or_max(value: str, args: Args) -> None:
    with pytest.raises(ConfigValueError, match="must end in :min or :max"):
        DetectionTrainer(overrides=args | {"monitor": value})


# ---------------------------------------------------------------- the mark in results.csv


def test_the_best_row_is_marked_on_request_only(args: Args) -> None:
    plain = train(args | {"epochs": 1})
    assert "best" not in rows(plain.save_dir)[0]
    marked = train(args | {"epochs": 2, "mark_best": True, "name": "marked"})
    text = marked.csv.read_text().splitlines()
    assert text[0] == plain.csv.read_text().splitlines()[0] + ",best"
    assert set(marked.read_results_csv()["best"]) <= {0.0, 1.0}
    assert len({line.count(",") for line in text}) == 1
    assert checkpoint.read_results(marked.csv)["epoch"] == [1.0, 2.0]
