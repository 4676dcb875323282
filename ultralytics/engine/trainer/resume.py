"""Continue an interrupted run, or extend a finished one.

Arguments come from the checkpoint; a short list may be replaced by the caller, and anything else that differs is
refused by name. Specification chapter 40, section 14.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ultralytics.errors import CheckpointError, ResumeError
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load
from ultralytics.utils.files import atomic_write

__all__ = ["MAY_CHANGE", "ResumePoint", "cut_results", "find"]

MAY_CHANGE = frozenset(
    [
        "imgsz",
        "batch",
        "device",
        "close_mosaic",
        "augmentations",
        "save_period",
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


@dataclass
class ResumePoint:
    """Where a run is picked up.

    Attributes:
        path: checkpoint file.
        ckpt: its contents.
        exact: the bit-exact state, when the file carries one.
        args: arguments of the continued run.
    """

    path: Path
    ckpt: dict[str, Any]  # Any: contents of a checkpoint
    exact: dict[str, Any] | None
    args: dict[str, Any]

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
    path = Path(resume)
    if not path.is_file():
        raise ResumeError(f"resume={resume}: no such file; give the path of a last.pt")
    try:
        ckpt, _ = torch_safe_load(path)
        exact = read_exact_state(path)
    except CheckpointError as error:
        raise ResumeError(f"resume={resume}: {error}") from error
    stored = dict(ckpt.get("train_args") or {})
    if not stored:
        raise ResumeError(f"resume={resume}: the file holds no training arguments")
    if exact is None and (ckpt.get("optimizer") is None or int(ckpt.get("epoch", -1)) < 0):
        raise ResumeError(
            f"resume={resume}: the run is finished and its optimizer state was removed; "
            f"start a new run with model={resume} instead"
        )
    stored |= (exact or {}).get("own_args", {})
    _refuse_changes(resume, given, stored)
    args = {**stored, **{k: v for k, v in given.items() if k in MAY_CHANGE and v is not None}}
    args |= {"model": str(path), "resume": str(path), "save_dir": _run_folder(path, given, stored)}
    point = ResumePoint(path, ckpt, exact, args)
    _check_epochs(point)
    return point


def _refuse_changes(resume: str | Path, given: dict[str, Any], stored: dict[str, Any]) -> None:
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
    if point.args.get("time") is None and point.epoch + 1 >= planned:
        raise ResumeError(
            f"resume={point.path}: the run has finished its {point.epoch + 1} epochs; "
            f"give a larger number, for example epochs={2 * (point.epoch + 1)}, to train on"
        )


def cut_results(path: Path, epochs: int) -> None:
    """Drop rows of results.csv that belong to epochs after the checkpoint."""
    if not path.is_file():
        return
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    kept = rows[:1] + [row for row in rows[1:] if row and float(row[0]) <= epochs]
    if len(kept) < len(rows):
        atomic_write(path, "".join(",".join(row) + "\n" for row in kept))
