"""One model trained on several data sets, one after the other and always from the same weights.

Each training is a process of its own, so that memory and state of one cannot reach the next. Trainers, callbacks and
transforms of the user live in this process only, so runs with them are made here. Specification chapter 40, section 17.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess  # nosec B404
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ultralytics
from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.engine.facade.starting import prepare_trainer, write_base
from ultralytics.errors import ConfigTypeError, ResumeError
from ultralytics.events import Handler
from ultralytics.nn.tasks.checkpoint import torch_safe_load
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["MultiTrainer"]

Arguments = dict[str, Any]  # Any: values of configuration keys
Metrics = dict[str, float]

WORK_FOLDER = ".work"  # below the folder of the series, while it runs
OWN_PLACE = ("project", "name", "save_dir", "exist_ok")  # replaced for each run


class MultiTrainer:
    """Train on a list of data sets.

    Args:
        trainer: trainer class of every run.
        args: arguments of a training; `data` is a list. `name` is that of the series, "multitrain" when not given.
        model: the facade whose weights every run starts from; it is not changed.
        _callbacks: event name -> handlers of every run.

    Attributes:
        save_dir: folder of the series, with a folder for each run.
        data: run -> data set.
        results: run -> metrics of its best epoch, or None if it failed.
        failures: run -> what went wrong.

    Raises:
        ConfigTypeError: `data` is no list, or an empty one.
        ResumeError: `resume` was given.
    """

    def __init__(
        self,
        trainer: Any,  # Any: a trainer class
        args: Mapping[str, Any],
        model: Any,  # Any: a facade
        _callbacks: Mapping[str, list[Handler]] | None = None,
    ) -> None:
        self.trainer, self.model = trainer, model
        self.args: Arguments = dict(args)
        listed = self.args.get("data")
        if not isinstance(listed, (list, tuple)) or not listed:
            raise ConfigTypeError(f"data={listed!r} must be a list of data sets")
        if self.args.get("resume"):
            raise ResumeError(
                "resume continues one run: open the last.pt of the run to continue, without a list as data"
            )
        self.callbacks = {name: list(some) for name, some in (_callbacks or {}).items()}
        self.data: dict[str, Any] = dict(zip(run_names(listed), listed, strict=True))
        checked = get_cfg(overrides={**self.args, "data": str(listed[0])})
        self.save_dir = Path(get_save_dir(checked, name=checked.name or "multitrain"))
        self.plots = bool(checked.plots)
        self.results: dict[str, Metrics | None] = {}
        self.failures: dict[str, str] = {}

    @property
    def save_dirs(self) -> dict[str, Path]:
        """Run -> its folder."""
        return {run: self.save_dir / run for run in self.data}

    def train(self) -> dict[str, Metrics | None]:
        """Make all runs; one that fails is logged, and the series goes on.

        Returns:
            run -> metrics of its best epoch, or None.
        """
        self.save_dir.mkdir(parents=True, exist_ok=True)
        work = self.save_dir / WORK_FOLDER
        work.mkdir(exist_ok=True)
        try:
            for run, data in self.data.items():
                LOGGER.info(f"Training {len(self.results) + 1} of {len(self.data)}: data={data}")
                self.results[run] = self._train_one(run, data, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self.save_results()
        if self.plots:
            self.plot_results()
        return self.results

    def _train_one(self, run: str, data: Any, work: Path) -> Metrics | None:  # Any: path or mapping
        place = {"project": str(self.save_dir), "name": run, "exist_ok": True}
        kept = {key: value for key, value in self.args.items() if key not in OWN_PLACE}
        args = {**kept, **place, "data": data}
        is_own = _is_packaged(self.trainer) and _is_packaged(type(self.model))
        request = _as_json(args) if is_own and not any(self.callbacks.values()) else None
        failure = self._train_here(args) if request is None else self._train_apart(request, work)
        if failure is None:
            return read_metrics(self.save_dir / run)
        self.failures[run] = failure
        LOGGER.error(f"Training on data={data} failed: {failure}")
        return None

    def _train_here(self, args: Arguments) -> str | None:
        """Make a run in this process; what went wrong, if anything did."""
        try:
            prepare_trainer(self.model, self.trainer, args, self.callbacks).train()
        except Exception as error:  # noqa: BLE001  (the series outlives a run, whatever ends it)
            return f"{type(error).__name__}: {error}"
        return None

    def _train_apart(self, args: Arguments, work: Path) -> str | None:
        """Make a run in a new process; what went wrong, if anything did."""
        failure = work / "failure.txt"
        failure.unlink(missing_ok=True)
        request = {
            "facade": _path_of(type(self.model)),
            "trainer": _path_of(self.trainer),
            "task": self.model.task,
            "model": write_base(self.model, work / "base.pt"),
            "name": str(args.get("model")),
            "args": {key: args[key] for key in args if key not in ("model", "task", "mode")},
            "failure": str(failure),
        }
        file = work / "request.json"
        atomic_write(file, json.dumps(request))
        status = run_child(file)
        if failure.exists():
            return failure.read_text(encoding="utf-8")
        return f"its process ended with status {status}" if status else None

    def save_results(self) -> None:
        """Write multitrain_results.json: the metrics of each run, and their means over those that succeeded."""
        done = [metrics for metrics in self.results.values() if metrics]
        keys = dict.fromkeys(key for metrics in done for key in metrics)
        mean = {key: _mean([m[key] for m in done if key in m]) for key in keys}
        content = {"results": self.results, "mean": mean}
        file = self.save_dir / "multitrain_results.json"
        atomic_write(file, json.dumps(content, indent=2))
        LOGGER.info(f"{len(done)} of {len(self.results)} trainings succeeded. Results: {file}")

    def plot_results(self) -> None:
        """Write multitrain_results.png: the fitness of each run."""
        from ultralytics.utils.plotting.studies import plot_multitrain_results

        plot_multitrain_results(self.results, save_dir=self.save_dir)


def run_child(request: Path) -> int:
    """Run a request in a process that imports the same package; its exit status.

    The process ends with the block, or with this process: both close its standard input.
    """
    home = str(Path(ultralytics.__file__).resolve().parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "ultralytics.engine.trainer.child", str(request)]
    with subprocess.Popen(  # nosec B603
        command,
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        return process.wait()


def run_names(data: Sequence[Any]) -> list[str]:  # Any: paths, or mappings that describe a set
    """Name of each run: that of the file or folder of its data set, numbered when it repeats."""
    names: list[str] = []
    for entry in data:
        base = _name_of(entry)
        name, number = base, 1
        while name in names:
            number += 1
            name = f"{base}-{number}"
        names.append(name)
    return names


def _name_of(data: Any) -> str:
    if isinstance(data, Mapping):
        return "data"
    path = Path(str(data))
    if path.is_dir():
        return path.resolve().name
    return (path.resolve().parent.name or path.stem) if path.stem == "data" else path.stem


def read_metrics(folder: Path) -> Metrics:
    """Metrics of the best epoch of a run, with "fitness"; of the last one when no best was kept.

    Raises:
        FileNotFoundError: the run left no weights.
    """
    files = [folder / "weights" / name for name in ("best.pt", "last.pt")]
    found = next((file for file in files if file.exists()), None)
    if found is None:
        raise FileNotFoundError(f"the run left no weights in {files[0].parent}")
    content = torch_safe_load(found)[0]
    metrics = content.get("train_metrics") or {}
    return {key: float(value) for key, value in metrics.items() if value is not None}


def _as_json(args: Arguments) -> Arguments | None:
    """The arguments with paths as texts, or None when some cannot be written down."""
    plain = {key: _path_to_text(value) for key, value in args.items()}
    try:
        json.dumps(plain)
    except TypeError:
        return None
    return plain


def _path_to_text(value: Any) -> Any:
    return str(value) if isinstance(value, os.PathLike) else value


def _is_packaged(kind: type) -> bool:
    is_reachable = "." not in kind.__qualname__
    return is_reachable and kind.__module__.partition(".")[0] == ultralytics.__name__


def _path_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
