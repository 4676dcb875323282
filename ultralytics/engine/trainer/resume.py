"""Continue an interrupted run, or extend a finished one.

Arguments come from the checkpoint; a short list may be replaced by the caller, and anything else that differs is
refused by name. Specification chapter 40, section 14.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics.cfg.load import OUR_KEYS, own_setting
from ultralytics.engine.trainer import checkpoint, exact, midway
from ultralytics.errors import CheckpointError, ResumeError
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load
from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_model

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["MAY_CHANGE", "ResumePoint", "apply", "cut_results", "find"]

MAY_CHANGE = frozenset(
    [
        "imgsz",
        "batch",
        "device",
        "close_mosaic",
        "augmentations",
        "save_period",
        "save_steps",
        "workers",
        "cache",
        "patience",
        "time",
        "freeze",
        "val",
        "plots",
        "channels_last",
        "distill_model",
        "save_dir",
        "data",
        "epochs",
        "verbose",
        "exist_ok",
        "loss",
        "transforms",
    ]
)
# The file says which run and folder are meant, so repeating what once led there is no change.
NOT_REPORTED = frozenset(
    {"model", "data", "mode", "resume", "pretrained", "task", "cfg", "project", "name"}
)
SETTLED = ("optimizer", "auto")  # replaced in the stored arguments by what was chosen
LENGTH = frozenset({"epochs", "patience", "time"})  # arguments that decide where a run ends


@dataclass
class ResumePoint:
    """Where a run is picked up.

    Attributes:
        path: checkpoint file.
        ckpt: its contents.
        exact: the bit-exact state, when the file carries one.
        args: arguments of the continued run.
        is_over: all epochs are done, only the evaluation at the end of the run is missing.
    """

    path: Path
    ckpt: dict[str, Any]  # Any: contents of a checkpoint
    exact: dict[str, Any] | None
    args: dict[str, Any]
    is_over: bool = False

    @property
    def epoch(self) -> int:
        """Index of the last finished epoch."""
        return int(self.exact["epoch"] if self.exact else self.ckpt["epoch"])


def find(resume: str | Path, given: dict[str, Any]) -> ResumePoint:
    """Read a checkpoint to go on from.

    Args:
        resume: path of the checkpoint.
        given: arguments of the caller.

    Raises:
        ResumeError: the file does not exist, cannot be continued, or an argument cannot be changed.
    """
    path = _newest(Path(resume))
    if not path.is_file():
        raise ResumeError(f"resume={resume}: no such file; give the path of a last.pt")
    try:
        ckpt, _ = torch_safe_load(path)
        state = read_exact_state(path)
    except CheckpointError as error:
        raise ResumeError(f"resume={resume}: {error}") from error
    stored = {**(ckpt.get("train_args") or {}), **((state or {}).get("own_args") or {})}
    if not ckpt.get("train_args"):
        raise ResumeError(f"resume={resume}: the file holds no training arguments")
    is_stripped = ckpt.get("optimizer") is None
    if state is None and (is_stripped or int(ckpt.get("epoch", -1)) < 0):
        raise ResumeError(
            f"resume={resume}: the run is finished and its optimizer state was removed; "
            f"start a new run with model={resume} instead"
        )
    _refuse_changes(resume, given, stored)
    args = {**stored, **{k: v for k, v in given.items() if k in MAY_CHANGE and v is not None}}
    args |= {"model": str(path), "resume": str(path), "save_dir": _run_folder(path, given, stored)}
    point = ResumePoint(path, ckpt, state, args)
    point.is_over = not is_stripped and _has_ended(point, given)
    _check_epochs(point)
    return point


def _newest(path: Path) -> Path:
    """The checkpoint within an epoch that goes beyond a last.pt, when there is one beside it."""
    step = path.with_name(midway.FILE)
    if path.name != "last.pt" or not step.is_file():
        return path
    if not path.is_file():
        return step
    try:
        whole, part = read_exact_state(path), read_exact_state(step)
    except CheckpointError:
        return path
    return step if whole and part and part["epoch"] >= whole["epoch"] else path


def _has_ended(point: ResumePoint, given: dict[str, Any]) -> bool:
    """Whether the run was interrupted after its last epoch."""
    state = point.exact
    if state is None or "midway" in state or not state.get("is_stopped"):
        return False
    return point.epoch + 1 >= int(point.args["epochs"]) or not LENGTH & given.keys()


def _refuse_changes(resume: str | Path, given: dict[str, Any], stored: dict[str, Any]) -> None:
    ours = {key: own_setting(None, key) for key in OUR_KEYS}
    stored = {**ours, **stored}
    changed = [
        f"{k}={v} (the run has {stored.get(k)})"
        for k, v in given.items()
        if k in stored and stored[k] != v and (k, v) != SETTLED
        if k not in MAY_CHANGE and k not in NOT_REPORTED
    ]
    if changed:
        raise ResumeError(
            f"resume={resume}: these arguments cannot change when a run goes on: "
            f"{', '.join(sorted(changed))}. Leave them out, or start a new run."
        )


def _run_folder(path: Path, given: dict[str, Any], stored: dict[str, Any]) -> str:
    if given.get("save_dir"):
        return str(given["save_dir"])
    here = path.resolve().parent
    return str(here.parent if here.name == "weights" else stored.get("save_dir") or here)


def _check_epochs(point: ResumePoint) -> None:
    planned = int(point.args["epochs"])
    if not point.is_over and point.args.get("time") is None and point.epoch + 1 >= planned:
        raise ResumeError(
            f"resume={point.path}: the run has finished its {point.epoch + 1} epochs; "
            f"give a larger number, for example epochs={2 * (point.epoch + 1)}, to train on"
        )


def apply(trainer: BaseTrainer, point: ResumePoint) -> None:
    """Put the state of a run into a trainer whose parts are built: bit for bit when the checkpoint carries it."""
    trainer.start_epoch = point.epoch + 1
    state = point.exact
    if state is None:
        _restore_average(trainer, point.ckpt)
    else:
        exact.restore(trainer, state)
        trainer.snapshot = state
        midway.restore(trainer, state)
    if is_first_rank():
        _tidy_folder(trainer, point)
    place = f"epoch {trainer.start_epoch + 1} of {trainer.epochs}"
    if point.is_over:
        place = "its end: all epochs are done"
    elif trainer.midway is not None:
        place += f", after {trainer.midway['batches']} batches"
    LOGGER.info(
        f"Resuming {point.path} at {place}"
        + ("" if state else "; it holds averaged weights only, so not bit for bit")
    )


def _tidy_folder(trainer: BaseTrainer, point: ResumePoint) -> None:
    """Bring the files of an interrupted run to the state of its checkpoint."""
    cut_results(trainer.csv, trainer.start_epoch)
    is_whole = point.exact is not None and "midway" not in point.exact
    is_last = trainer.last.is_file() and point.path.samefile(trainer.last)
    if is_whole and is_last and point.ckpt.get("optimizer") is not None:
        checkpoint.write_copies(trainer, point.epoch)  # the run may have ended before them


def _restore_average(trainer: BaseTrainer, ckpt: dict[str, Any]) -> None:  # Any: a checkpoint
    average = ckpt["ema"].float().state_dict()
    unwrap_model(trainer.model).load_state_dict(average)
    trainer.ema.ema.load_state_dict(average)
    trainer.ema.updates = ckpt["updates"]
    exact.load_optimizer(trainer.optimizer, ckpt["optimizer"])
    if ckpt.get("scaler"):
        trainer.scaler.load_state_dict(ckpt["scaler"])
    trainer.best_fitness = float(ckpt["best_fitness"] or 0.0)
    if ckpt.get("stopper"):
        trainer.stopper.load_state_dict(ckpt["stopper"])
    exact.fast_forward(unwrap_model(trainer.model), trainer.start_epoch)


def cut_results(path: Path, epochs: int) -> None:
    """Drop rows of results.csv that belong to epochs after the checkpoint, and what an interruption left of a row."""
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text)))
    complete = [row for row in rows[1:] if len(row) == len(rows[0])]
    if complete and not text.endswith("\n"):
        complete = [row for row in complete if row is not rows[-1]]
    kept = rows[:1] + [row for row in complete if float(row[0]) <= epochs]
    if len(kept) < len(rows):
        atomic_write(path, "".join(",".join(row) + "\n" for row in kept))
