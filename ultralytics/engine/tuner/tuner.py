"""The search for hyperparameters as users start it: asks for values, trains, records, keeps the best.

A search may be killed at any moment. Started again with `resume=True` it makes the interrupted trial anew, with the
same values, and goes on to the same record as an uninterrupted one. Specification chapter 40, section 23.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.engine.trainer.multi import MultiTrainer
from ultralytics.engine.tuner import mongo
from ultralytics.engine.tuner.history import (
    FILE_NAME,
    History,
    Record,
    best_index,
    has_metrics,
)
from ultralytics.engine.tuner.search import PARENTS, SIGMA, Search, Trial
from ultralytics.engine.tuner.space import DEFAULT_SPACE, make_space
from ultralytics.events import Handler
from ultralytics.utils.files import atomic_path
from ultralytics.utils.locks import file_lock
from ultralytics.utils.logging import LOGGER, configure_logging
from ultralytics.utils.yaml_io import YAML

__all__ = ["Tuner"]

Arguments = dict[str, Any]  # Any: values of configuration keys

BEST_FILE = "best_hyperparameters.yaml"
MONGO = {"mongodb_uri": None, "mongodb_db": "ultralytics", "mongodb_collection": "tuner_results"}
OWN = ("project", "name", "save_dir", "exist_ok", "resume")  # of the search, not of its trainings
DIGITS = 5  # decimals of a recorded fitness


class Tuner:
    """Search hyperparameters by training again and again.

    Args:
        args: arguments of a training, as a mapping or a namespace, and those of the search: `space` (name ->
            (low, high) or (low, high, gain)), `mongodb_uri`, `mongodb_db`, `mongodb_collection`, and `trainer`, a class
            to use instead of the task's. `resume=True` continues the search of the same name.
        _callbacks: event name -> handlers of every training.
        model: the facade to train; the one that `model` of the arguments names when not given. It is not changed.

    Attributes:
        space: name -> range.
        tune_dir: folder of the search.
        tune_file: its record, one JSON object per trial.

    Raises:
        ConfigError, ConfigTypeError, ConfigValueError: a bad argument or range.
    """

    def __init__(
        self,
        args: Mapping[str, Any] | SimpleNamespace,
        _callbacks: Mapping[str, list[Handler]] | None = None,
        *,
        model: Any = None,  # Any: a facade
    ) -> None:
        configure_logging()
        given = dict(args if isinstance(args, Mapping) else vars(args))
        ranges = given.pop("space", None)
        address = {key: given.pop(key, default) for key, default in MONGO.items()}
        self.trainer = given.pop("trainer", None)
        self.given: Arguments = given
        self._search_space = make_space(ranges)
        self.space = dict(DEFAULT_SPACE if ranges is None else ranges)
        self.args = get_cfg(overrides=dict(given))
        self.callbacks = {name: list(some) for name, some in (_callbacks or {}).items()}
        self.model = model if model is not None else _open(self.args)
        self.search = Search(self._search_space, vars(self.args), seed=self.args.seed)
        self.tune_dir = _folder(self.args)
        self.tune_dir.mkdir(parents=True, exist_ok=True)
        self.tune_file = self.tune_dir / FILE_NAME
        self.shared = None
        if address["mongodb_uri"]:
            uri, database, collection = (str(address[key]) for key in MONGO)
            self.shared = mongo.connect(uri, database, collection)

    def __call__(self, iterations: int = 300, cleanup: bool = True) -> None:
        """Make trials until there are so many, those of an earlier start included.

        Args:
            iterations: number of trials.
            cleanup: keep only the folders of the best trial.

        Raises:
            Exhausted: the space holds no further combination.
            ResumeError: the record is damaged.
            TimeoutError: another process runs this search.
        """
        with file_lock(self.tune_file, timeout=1.0):
            history = History(self.tune_file)
            self._mirror(history)
            if history.records:
                LOGGER.info(f"Continuing the search in {self.tune_dir}: {_made(history)}.")
                self._keep_best(history, cleanup)
            while len(history.records) < iterations:
                record = self._trial(history)
                if self.shared:
                    self.shared.add(record)
                    self._mirror(history)
                else:
                    history.append(record)
                self._keep_best(history, cleanup)
                self._report(history, iterations)

    def _mirror(self, history: History) -> None:
        """Take the trials of all machines into the local file."""
        if self.shared:
            history.replace(self.shared.records())

    # ---------------------------------------------------------------- one trial

    def _trial(self, history: History) -> Record:
        """Train with new values; the record is not stored yet."""
        ticket = self.shared.draw_ticket() if self.shared else len(history.records)
        values = self._mutate(history.records, ticket=ticket)
        number = ticket + 1
        LOGGER.info(f"Trial {number}: {', '.join(f'{k}={v}' for k, v in values.items())}")
        series = self._series(values, number)
        results = series.train()
        trained = {run: metrics for run, metrics in results.items() if metrics}
        fitness = sum(_fitness(metrics) for metrics in trained.values()) / len(results)
        record: Record = {
            "iteration": number,
            "fitness": round(fitness, DIGITS),
            "hyperparameters": values,
            "datasets": trained,
            "save_dirs": {run: str(folder) for run, folder in series.save_dirs.items()},
        }
        failed = [run for run in results if run not in trained]
        return {**record, "failed_datasets": failed} if failed else record

    def _mutate(
        self,
        records: list[Record],
        n: int = PARENTS,
        sigma: float = SIGMA,
        ticket: int | None = None,
    ) -> dict[str, float]:
        """Values to try after some trials."""
        trials = [Trial(record["hyperparameters"], record["fitness"]) for record in records]
        return self.search.ask(trials, parents=n, sigma=sigma, ticket=ticket)

    def _series(self, values: Mapping[str, float], number: int) -> MultiTrainer:
        """The trainings of a trial, in a folder that holds nothing of an interrupted one."""
        folder = self.tune_dir / (f"multitrain-{number}" if number > 1 else "multitrain")
        shutil.rmtree(folder, ignore_errors=True)
        kept = {key: value for key, value in self.given.items() if key not in OWN}
        complete = self.model.training_arguments({**kept, **values})
        data = complete["data"]
        listed = list(data) if isinstance(data, (list, tuple)) else [data]
        kind = self.trainer or self.model.task_map[self.model.task]["trainer"]
        args = {**complete, "data": listed, "save_dir": str(folder)}
        return MultiTrainer(kind, args, self.model, self.callbacks)

    # ---------------------------------------------------------------- what is kept

    def _keep_best(self, history: History, cleanup: bool) -> None:
        """Bring the files in line with the record: best weights and values, and no other folders."""
        if not history.records:
            return
        best = history.records[best_index(history.records)]
        self._keep_weights(best)
        YAML.save(
            self.tune_dir / BEST_FILE,
            dict(best["hyperparameters"]),
            header=_header(best, len(history.records), self.tune_dir),
        )
        if cleanup:
            self._remove_folders({Path(folder).parent for folder in best["save_dirs"].values()})

    def _keep_weights(self, best: Record) -> None:
        """Copy the weights of the best trial, if they are on this machine."""
        folders = {run: Path(folder) / "weights" for run, folder in best["save_dirs"].items()}
        present = {run: folder for run, folder in folders.items() if folder.is_dir()}
        if not has_metrics(best) or not present:
            return
        target = self.tune_dir / "weights"
        shutil.rmtree(target, ignore_errors=True)
        for run, folder in present.items():
            place = target / run if len(folders) > 1 else target
            place.mkdir(parents=True, exist_ok=True)
            for file in folder.glob("*.pt"):
                with atomic_path(place / file.name) as temporary:
                    shutil.copyfile(file, temporary)

    def _remove_folders(self, kept: set[Path]) -> None:
        for folder in self.tune_dir.glob("multitrain*"):
            if folder.is_dir() and folder not in kept:
                shutil.rmtree(folder)

    def _report(self, history: History, iterations: int) -> None:
        from ultralytics.utils.plotting.studies import plot_tune_results

        best = history.records[best_index(history.records)]
        LOGGER.info(
            f"{_made(history)} of {iterations}. Best fitness {best['fitness']} in trial "
            f"{best['iteration']}; its values are in {self.tune_dir / BEST_FILE}."
        )
        if any(record["fitness"] > 0 for record in history.records):
            plot_tune_results(self.tune_file)


def _open(args: SimpleNamespace) -> Any:  # Any: a facade
    from ultralytics import YOLO

    return YOLO(args.model, task=args.task)


def _folder(args: SimpleNamespace) -> Path:
    place = SimpleNamespace(**vars(args))
    place.exist_ok = bool(args.exist_ok or args.resume)
    return Path(get_save_dir(place, name=args.name or "tune"))


def _fitness(metrics: Mapping[str, float]) -> float:
    value = metrics.get("fitness", 0.0)
    return value if math.isfinite(value) else 0.0


def _made(history: History) -> str:
    return f"{len(history.records)} trials made"


def _header(best: Record, count: int, folder: Path) -> str:
    lines = [
        f"Best values of {count} trials in {folder}",
        f"trial {best['iteration']}, fitness {best['fitness']}",
        *(f"trained in {place}" for place in best["save_dirs"].values()),
    ]
    for run, metrics in best["datasets"].items():
        lines += [f"{run}: {key}={value:.5g}" for key, value in metrics.items()]
    return "".join(f"# {line}\n" for line in [*lines, "Train with: cfg=<this file>"]) + "\n"
