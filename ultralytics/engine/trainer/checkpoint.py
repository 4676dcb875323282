"""What a training checkpoint holds, how it is written, and how it is stripped for release.

Keys, types and precisions are those of the interface (specification chapter 10, section 6.1, and chapter 40, section
13). One serialisation per epoch; last.pt, best.pt and epochN.pt are copies of the same bytes, each replaced atomically.
"""

from __future__ import annotations

import csv
import io
import re
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics import __version__
from ultralytics.cfg.load import OUR_KEYS
from ultralytics.engine.trainer import exact
from ultralytics.errors import CheckpointError
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load, write_checkpoint
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_model

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = [
    "build",
    "is_best",
    "read_results",
    "release_facts",
    "remove_leftovers",
    "save",
    "strip_optimizer",
    "write_copies",
]

LICENSE_TEXT = "Apache-2.0 (library). The licence of the weights is set by whoever trained them."
DOCS_TEXT = "https://www.apache.org/licenses/LICENSE-2.0"
KEEP_FLOAT32 = frozenset({"step", "exp_avg", "exp_avg_sq", "square_avg"})

LEFTOVER = re.compile(
    r"\.(last|best|step|epoch\d+)\.[0-9a-f]{12}\.pt"
)  # half-written by `atomic_path`

Checkpoint = dict[str, Any]  # Any: modules, numbers, texts and dictionaries by key


def release_facts() -> dict[str, str]:
    """Date, version and licence texts of a file written now."""
    return {
        "date": datetime.now().astimezone().isoformat(),
        "version": __version__,
        "license": LICENSE_TEXT,
        "docs": DOCS_TEXT,
    }


def build(trainer: BaseTrainer) -> Checkpoint:
    """Assemble the checkpoint of the epoch just finished. Nothing of the trainer is changed."""
    facts = release_facts()
    return {
        "epoch": trainer.epoch,
        "best_fitness": trainer.best_fitness,
        "stopper": dict(trainer.stopper.state_dict()),
        "model": None,
        "ema": frozen_half(trainer.ema.ema),
        "updates": trainer.ema.updates,
        "modelopt": None,
        "optimizer": half_optimizer_state(trainer.optimizer),
        "scaler": trainer.scaler.state_dict(),
        "train_args": {k: v for k, v in vars(trainer.args).items() if k not in OUR_KEYS},
        "train_metrics": {**trainer.metrics, "fitness": trainer.fitness},
        "train_results": read_results(trainer.csv),
        "date": facts["date"],
        "version": facts["version"],
        "git": repository_facts(),
        "license": facts["license"],
        "docs": facts["docs"],
    }


def save(trainer: BaseTrainer) -> None:
    """Write last.pt, and copies of it as best.pt and epochN.pt where they are due."""
    repair_average(trainer.ema.ema, unwrap_model(trainer.model))
    write_checkpoint(build(trainer), trainer.last, exact=exact.capture(trainer))
    if not is_best(trainer) and not trainer.has_saved and not trainer.resume:
        trainer.best.unlink(missing_ok=True)  # of an earlier run in the same folder
    trainer.has_saved = True
    write_copies(trainer, trainer.epoch)


def remove_leftovers(folder: Path) -> None:
    """Remove files that an interrupted run was writing, from its folder of weights."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def is_best(trainer: BaseTrainer) -> bool:
    """Whether the epoch just finished is the best so far; ties count."""
    return trainer.best_fitness == trainer.fitness


def write_copies(trainer: BaseTrainer, epoch: int) -> None:
    """Write last.pt again as best.pt and epochN.pt, where they are due after an epoch."""
    copies = [trainer.best] if is_best(trainer) else []
    if trainer.save_period > 0 and epoch % trainer.save_period == 0:
        copies.append(trainer.wdir / f"epoch{epoch}.pt")
    if copies:
        data = trainer.last.read_bytes()
        for path in copies:
            atomic_write(path, data)


def frozen_half(model: Any) -> nn.Module:  # Any: a task network
    """A float16 copy in plain memory order, without loss object, NaN or infinity."""
    criterion, model.criterion = getattr(model, "criterion", None), None
    try:
        copy = deepcopy(model).half()
    finally:
        model.criterion = criterion
    with torch.no_grad():
        for tensor in (*copy.parameters(), *copy.buffers()):
            tensor.data = tensor.data.contiguous()
            if tensor.is_floating_point():
                torch.nan_to_num_(tensor)
    return copy


def repair_average(average: nn.Module, live: nn.Module) -> None:
    """Where the average is not finite but the live weight is, take the live weight."""
    source = live.state_dict()
    with torch.no_grad():
        for name, value in average.state_dict().items():
            if not value.is_floating_point() or torch.isfinite(value).all():
                continue
            if name in source and torch.isfinite(source[name]).all():
                value.copy_(source[name])


def half_optimizer_state(optimizer: torch.optim.Optimizer) -> Checkpoint:
    """The optimiser's state with float32 tensors in half precision where the interface wants it."""
    stored = optimizer.state_dict()
    state = {
        index: {
            name: value.half()
            if isinstance(value, Tensor)
            and value.dtype == torch.float32
            and name not in KEEP_FLOAT32
            else value
            for name, value in entry.items()
        }
        for index, entry in stored["state"].items()
    }
    return {**stored, "state": state}


def read_results(path: Path) -> dict[str, list[float | None]]:
    """results.csv as column -> values; empty cells are None. A missing file is an empty result."""
    if not path.is_file():
        return {}
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if not rows:
        return {}
    columns = [name.strip() for name in rows[0]]
    return {
        name: [float(row[i]) if row[i].strip() else None for row in rows[1:]]
        for i, name in enumerate(columns)
    }


def repository_facts() -> dict[str, str | None]:
    """Branch and commit of the working directory. Paths, remotes and messages stay private."""
    from ultralytics.utils.git import GitRepo

    repo = GitRepo(Path.cwd())
    found = repo.is_repo
    return {
        "root": None,
        "branch": repo.branch if found else None,
        "commit": repo.commit if found else None,
        "message": None,
        "origin": None,
    }


def strip_optimizer(
    f: str | Path = "best.pt",
    s: str | Path = "",
    updates: dict[str, Any] | None = None,
    keep_exact: bool = False,
) -> Checkpoint:
    """Turn a training checkpoint into a released one: half-precision average, no optimiser.

    Args:
        f: checkpoint to read.
        s: file to write; the same file when empty.
        updates: keys to set or replace in the result.
        keep_exact: keep the record that allows to train on bit for bit.

    Returns:
        The written dictionary; empty, with a warning, when `f` is not a checkpoint.
    """
    from ultralytics.cfg.load import DEFAULT_CFG_DICT

    try:
        ckpt, _ = torch_safe_load(f)
    except (CheckpointError, OSError) as error:
        LOGGER.warning(f"Not stripped: {f} is not a readable checkpoint ({error}).")
        return {}
    found = ckpt.get("ema") or ckpt.get("model")
    if not isinstance(found, nn.Module):
        LOGGER.warning(f"Not stripped: {f} holds no network.")
        return {}
    model: Any = found  # Any: a task network
    ckpt["model"] = model
    args = getattr(model, "args", None)
    if args is not None and not isinstance(args, dict):
        model.args = dict(vars(args))
    model.criterion = None
    model.half()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for key in ("optimizer", "best_fitness", "stopper", "ema", "updates", "scaler"):
        ckpt[key] = None
    ckpt["epoch"] = -1
    merged = {**DEFAULT_CFG_DICT, **(ckpt.get("train_args") or {})}
    ckpt["train_args"] = {k: merged[k] for k in DEFAULT_CFG_DICT}
    result = {**release_facts(), **ckpt, **(updates or {})}
    target = Path(s or f)
    write_checkpoint(result, target, exact=read_exact_state(f) if keep_exact else None)
    size_mb = target.stat().st_size / 1e6
    kept = ", with the state that continues the run exactly" if keep_exact else ""
    LOGGER.info(f"Stripped {f}{f' to {s}' if s else ''}: {size_mb:.1f} MB{kept}")
    return result
