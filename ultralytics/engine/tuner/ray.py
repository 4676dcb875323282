"""The search on Ray Tune: trials side by side, on one machine or several.

A trial gets the weights through Ray's object store, never by a path, so that it may run on another machine. The data
set must be there under the same path. Specification chapter 40, section 23.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.cfg.tables import TASK2METRIC
from ultralytics.engine.facade.starting import write_base
from ultralytics.engine.tuner.space import DEFAULT_SPACE, integer_names, make_space
from ultralytics.errors import ConfigTypeError, ConfigValueError, MissingExtra, nearest
from ultralytics.utils.environment import NUM_THREADS
from ultralytics.utils.logging import LOGGER, configure_logging

__all__ = ["run_ray_tune"]

Arguments = dict[str, Any]  # Any: values of configuration keys

OLDEST = (2, 41)
DEFAULT_EPOCHS = 100
USAGE_REPORTS = "RAY_USAGE_STATS_ENABLED"
REDUCTION = 3  # of each comparison, one trial in three goes on
# name -> (module below ray.tune.search, class, package to install)
SEARCHERS = {
    "ax": ("ax", "AxSearch", "ax-platform"),
    "bayesopt": ("bayesopt", "BayesOptSearch", "bayesian-optimization==1.4.3"),
    "bohb": ("bohb", "TuneBOHB", "hpbandster ConfigSpace"),
    "hebo": ("hebo", "HEBOSearch", "HEBO"),
    "hyperopt": ("hyperopt", "HyperOptSearch", "hyperopt"),
    "nevergrad": ("nevergrad", "NevergradSearch", "nevergrad"),
    "optuna": ("optuna", "OptunaSearch", "optuna"),
    "random": ("basic_variant", "BasicVariantGenerator", "ray[tune]"),
    "zoopt": ("zoopt", "ZOOptSearch", "zoopt"),
}


@dataclass(frozen=True)
class Opened:
    """A facade as it travels to a trial."""

    kind: type
    task: str
    name: str  # of the model, as runs record it
    weights: bytes | None  # None: the architecture file of that name

    @classmethod
    def of(cls, facade: Any) -> Opened:  # Any: a facade
        """Take what a facade holds."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "base.pt"
            write_base(facade, file)
            weights = file.read_bytes() if file.exists() else None
        return cls(type(facade), facade.task, str(facade.overrides["model"]), weights)

    def open(self) -> Any:
        """A facade like the one taken."""
        if self.weights is None:
            return self.kind(self.name, task=self.task)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "base.pt"
            file.write_bytes(self.weights)
            facade = self.kind(str(file), task=self.task)
        facade.overrides["model"] = self.name
        return facade


def run_ray_tune(
    model: Any,  # Any: a facade
    space: Mapping[str, Any] | None = None,
    grace_period: int = 10,
    gpu_per_trial: int | None = None,
    iterations: int = 300,
    search_alg: Any = "optuna",  # Any: a name, or a searcher of Ray
    **train_args: Any,
) -> Any:
    """Search hyperparameters with Ray Tune.

    Args:
        model: the facade to train; it is not changed.
        space: name -> (low, high), or a domain of `ray.tune`; the default space unless given.
        grace_period: epochs that every trial gets before it can be stopped.
        gpu_per_trial: devices of each trial.
        iterations: number of trials.
        search_alg: random, ax, bayesopt, bohb, hebo, hyperopt, nevergrad, optuna, zoopt, or a searcher.
        **train_args: any training argument; `resume=True` continues the search of the same name.

    Returns:
        The `ResultGrid` of Ray.

    Raises:
        MissingExtra: Ray 2.41 or newer, or the package of the searcher, is not installed.
        ConfigValueError: a searcher that is unknown.
    """
    configure_logging()
    ray, tune = load_ray()
    resume = bool(train_args.pop("resume", False))
    args = {**model.overrides, **train_args, "mode": "train"}
    checked = get_cfg(overrides=dict(args))
    folder = _folder(checked, resume)
    trials = _trainable(tune, model, args, checked, folder)
    is_ours = not ray.is_initialized()
    if is_ours:
        with _usage_kept_private():
            ray.init(include_dashboard=False)
    try:
        cpus = min(float(NUM_THREADS), ray.cluster_resources().get("CPU", 1.0))
        trainable = tune.with_resources(trials, {"cpu": cpus, "gpu": gpu_per_trial or 0})
        if resume and tune.Tuner.can_restore(str(folder)):
            LOGGER.info(f"Continuing the search in {folder}.")
            tuner = tune.Tuner.restore(str(folder), trainable=trainable, resume_errored=True)
        else:
            config = tune.TuneConfig(
                search_alg=make_searcher(search_alg, checked.seed),
                scheduler=_scheduler(search_alg, checked.epochs or DEFAULT_EPOCHS, grace_period),
                num_samples=iterations,
                metric=TASK2METRIC[model.task],
                mode="max",
            )
            tuner = tune.Tuner(
                trainable,
                param_space=make_domains(tune, space),
                tune_config=config,
                run_config=tune.RunConfig(name=folder.name, storage_path=str(folder.parent)),
            )
        results = tuner.fit()
    finally:
        if is_ours:
            ray.shutdown()
    _report(results, TASK2METRIC[model.task])
    return results


def load_ray() -> tuple[Any, Any]:  # Any: modules
    """Ray and its tune; MissingExtra when they are absent or too old."""
    try:
        ray, tune = import_module("ray"), import_module("ray.tune")
    except ImportError as error:
        raise MissingExtra(
            "use_ray=True needs Ray 2.41 or newer: pip install 'ultralytics[tune]'"
        ) from error
    numbers = tuple(int(part) for part in ray.__version__.split(".")[:2])
    if numbers < OLDEST:
        raise MissingExtra(
            f"use_ray=True needs Ray 2.41 or newer, but {ray.__version__} is installed: "
            "pip install 'ultralytics[tune]'"
        )
    return ray, tune


@contextmanager
def _usage_kept_private() -> Iterator[None]:
    """Start Ray without its reports of usage, unless the user has decided about them."""
    if USAGE_REPORTS in os.environ:
        yield
        return
    os.environ[USAGE_REPORTS] = "0"
    try:
        yield
    finally:
        del os.environ[USAGE_REPORTS]


def _folder(checked: SimpleNamespace, resume: bool) -> Path:
    place = SimpleNamespace(**vars(checked))
    place.exist_ok = bool(checked.exist_ok or resume)
    return Path(get_save_dir(place, name=checked.name or "tune"))


def make_domains(tune: Any, space: Mapping[str, Any] | None) -> dict[str, Any]:
    """Domains of Ray: uniform over ranges, whole numbers where the argument is one."""
    chosen = DEFAULT_SPACE if space is None else space
    ranges = {name: value for name, value in chosen.items() if isinstance(value, (tuple, list))}
    if ranges:
        make_space(ranges)
    whole = integer_names()
    domains = {
        name: tune.randint(int(value[0]), int(value[1]) + 1)
        if name in whole
        else tune.uniform(float(value[0]), float(value[1]))
        for name, value in ranges.items()
    }
    return {name: domains.get(name, value) for name, value in chosen.items()}


def make_searcher(chosen: Any, seed: int) -> Any:
    """The searcher of a name; a searcher is returned as it is.

    Raises:
        ConfigValueError: no searcher is called that.
        MissingExtra: its package is not installed.
    """
    if not isinstance(chosen, str):
        return chosen
    name = chosen.lower()
    if name not in SEARCHERS:
        raise ConfigValueError(
            f"search_alg={chosen!r} is unknown; choose one of {', '.join(SEARCHERS)}"
            f"{nearest(name, SEARCHERS)}"
        )
    module, kind, package = SEARCHERS[name]
    try:
        found: Callable[..., Any] = getattr(import_module(f"ray.tune.search.{module}"), kind)
        if name == "optuna":
            return _optuna(found, seed)
        return found(random_state=seed) if name == "random" else found()
    except (ImportError, AssertionError) as error:  # Ray asserts that the package is there
        raise MissingExtra(
            f"search_alg={name} needs: pip install {package}; or use search_alg=random"
        ) from error


def _optuna(kind: Callable[..., Any], seed: int) -> Any:
    """Tree-structured Parzen estimators over all parameters jointly; running trials count as poor ones."""
    optuna = import_module("optuna")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)
    return kind(sampler=sampler)


def _scheduler(search_alg: Any, epochs: int, grace_period: int) -> Any:
    schedulers = import_module("ray.tune.schedulers")
    # A trial that reports max_t is ended at once; one more lets full trainings finish their files.
    limit = epochs + 1
    if search_alg == "bohb":
        return schedulers.HyperBandForBOHB(
            time_attr="epoch", max_t=limit, reduction_factor=REDUCTION
        )
    return schedulers.ASHAScheduler(
        time_attr="epoch",
        max_t=limit,
        grace_period=max(1, min(grace_period, limit)),
        reduction_factor=REDUCTION,
    )


# Trials ---------------------------------------------------------------------------------------------------------------


def _trainable(
    tune: Any, model: Any, args: Arguments, checked: SimpleNamespace, folder: Path
) -> Any:
    data = model.training_arguments(args)["data"]
    if isinstance(data, (list, tuple)):
        raise ConfigTypeError("use_ray=True searches on one data set; give data as one path")
    place = {
        "data": str(Path(data).absolute()) if Path(str(data)).exists() else data,
        "project": str(Path(checked.project).absolute()) if checked.project else str(folder),
        "name": checked.name or "train",
        "save_dir": None,
    }
    dropped = ("model", "task", "mode")
    given = {key: value for key, value in args.items() if key not in dropped}
    return tune.with_parameters(run_trial, opened=Opened.of(model), args={**given, **place})


def run_trial(config: Mapping[str, Any], opened: Opened, args: Arguments) -> None:
    """One trial, in a process of Ray: train and report the metrics of every epoch."""
    tune = import_module("ray.tune")
    suffix = tune.get_context().get_trial_id().rpartition("_")[2]
    facade = opened.open()

    def report(trainer: Any) -> None:  # Any: a trainer
        values = {key: float(value) for key, value in trainer.metrics.items()}
        tune.report({**values, "epoch": trainer.epoch + 1})

    if not _is_reported():
        facade.add_callback("on_fit_epoch_end", report)
    facade.train(**{**args, **config, "name": f"{args['name']}_{suffix}"})


def _is_reported() -> bool:
    """Whether the integration of Ray, if switched on, reports the metrics already."""
    from ultralytics.utils.settings import SETTINGS

    return SETTINGS.get("raytune") is True and SETTINGS.is_explicit("raytune")


def _report(results: Any, metric: str) -> None:
    failed = len(results.errors)
    if failed == len(results):
        LOGGER.error(f"All {failed} trials failed; the first with: {results.errors[0]}")
        return
    best = results.get_best_result()
    LOGGER.info(
        f"{len(results) - failed} of {len(results)} trials succeeded. Best {metric} "
        f"{best.metrics[metric]:.5g} with {best.config}"
    )
