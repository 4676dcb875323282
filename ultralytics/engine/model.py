"""The facade: one object to build or open a model, and to train, validate and run it.

It decides what to open, which class does the work and which argument wins; the work itself is done elsewhere. A call
that meets an exported model instead of a network is refused where only a network will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.cfg import get_save_dir
from ultralytics.cfg.load import DEFAULT_CFG_DICT, get_cfg
from ultralytics.data.sources.arrays import as_bgr
from ultralytics.engine.facade import arguments, opening
from ultralytics.engine.facade.guard import Guard
from ultralytics.engine.facade.starting import prepare_trainer, starts_from_weights
from ultralytics.errors import ConfigTypeError, NotAvailable, ResumeError
from ultralytics.events import EVENTS, EventBus, Handler
from ultralytics.nn import tasks
from ultralytics.nn.backends.formats import WEIGHT_SUFFIXES
from ultralytics.registry import get, resolve_name
from ultralytics.utils.environment import ASSETS, is_first_rank, rank
from ultralytics.utils.logging import LOGGER, configure_logging

if TYPE_CHECKING:
    from typing_extensions import Self

    from ultralytics.engine.profiling import TrainingProfile
    from ultralytics.engine.results import Results

__all__ = ["Model"]

Arguments = dict[str, Any]  # Any: values of configuration keys
ClassTable = Mapping[str, Mapping[str, Any]]  # Any: classes by task and role

TRACK_CONF = 0.1  # default confidence of track mode: trackers make use of faint detections


class Model(nn.Module):
    """A model of any task.

    Args:
        model: weights (.pt), architecture (.yaml), exported model, server address, published name, or another
            `Model`, whose state is then shared.
        task: what the model is for, where the file does not say.
        verbose: log the layers while building.

    Attributes:
        model: the network, or the path of an exported model.
        task: name of the task.
        overrides: arguments that every call starts from.
        ckpt: contents of the weights file, if there is one.
        callbacks: event name -> handlers of later runs.
        predictor, trainer, metrics: of the last run.
    """

    def __init__(
        self,
        model: str | Path | Model = "yolo26n.pt",
        task: str | None = None,
        verbose: bool = False,
    ) -> None:
        if isinstance(model, Model):
            self.__dict__ = model.__dict__
            return
        super().__init__()
        configure_logging()
        self.events = EventBus()
        self.callbacks = self.events.callbacks
        self.predictor: Any = None  # Any: predictor class of the task
        self.model: Any = None  # Any: a network or a path
        self.trainer: Any = None  # Any: trainer class of the task
        self.ckpt: dict[str, Any] | None = {}
        self.cfg: str | None = None
        self.ckpt_path: str | None = None
        self.overrides: Arguments = {}
        self.metrics: Any = None  # Any: metrics object of the task
        self.task = task
        self.model_name: str | None = None
        self._guard = Guard()
        self._setup: Arguments = {}  # what the predictor was made with
        name = str(model).strip()
        if self.is_triton_model(name):
            self.model = self.model_name = name
            self.overrides = {"model": name, "task": task or "detect"}
            self.task = task or "detect"
        elif opening.is_model_file(name):
            self._new(name, task=task, verbose=verbose)
        else:
            self._load(name, task=task)
        del self.training  # the network's own flag shows through

    # ---------------------------------------------------------------- opening

    @staticmethod
    def is_triton_model(model: str) -> bool:
        """Whether a text is the address of an inference server."""
        return opening.is_server(model)

    def _new(
        self, cfg: str, task: str | None = None, model: Any = None, verbose: bool = False
    ) -> None:
        """Build the network of an architecture file; `model` is a class to use instead of the task's."""
        content = tasks.yaml_model_load(cfg)
        self.cfg = cfg
        self.task = opening.task_of_file(content, task, cfg)
        build = model or self._smart_load("model").suited_to(content)
        self.model = build(content, verbose=verbose and rank() == -1)
        self.overrides = {"model": cfg, "task": self.task}
        self.model.args = {**DEFAULT_CFG_DICT, **self.overrides}
        self.model.task = self.task
        self.model_name = cfg

    def _load(self, weights: str, task: str | None = None) -> None:
        """Open weights, or remember the path of an exported model."""
        name = opening.fetched(weights)
        if Path(name).suffix.lower() in WEIGHT_SUFFIXES:
            self._adopt(*tasks.load_checkpoint(name))
            if task and resolve_name(task) != self.task:
                LOGGER.warning(f"{name} is a {self.task} model; task={task} is not used.")
        else:
            self.model, self.ckpt = opening.exported_path(name), None
            self.task = resolve_name(task) if task else tasks.guess_model_task(name)
            self.ckpt_path = name
        self.overrides |= {"model": name, "task": self.task}
        self.model_name = name

    def _adopt(self, network: Any, ckpt: dict[str, Any]) -> None:  # Any: a task model
        """Make a network and its checkpoint the state of this object."""
        self.model, self.ckpt = network, ckpt
        self.task = network.task
        self.overrides = arguments.carried(network.args)
        network.args = dict(self.overrides)
        self.ckpt_path = network.pt_path
        self.predictor = None

    @property
    def task_map(self) -> ClassTable:
        """Classes by task and role: model, trainer, validator, predictor."""
        raise NotImplementedError(f"{type(self).__name__} lists no classes")

    def _smart_load(self, key: str) -> Any:  # Any: a class, whose base depends on the role
        """The class that plays a role in the task of this model.

        Raises:
            NotImplementedError: there is none.
        """
        try:
            return self.task_map[self.task or ""][key]
        except KeyError as error:
            get(self.task or "")
            raise NotAvailable(
                f"{type(self).__name__} has no {key} for task={self.task}"
            ) from error

    def _network(self) -> Any:  # Any: a task model
        """The network, for what an exported model cannot do."""
        if isinstance(self.model, nn.Module):
            return self.model
        raise ConfigTypeError(
            f"model={self.model} is not a PyTorch network. Exported formats can only predict and "
            "validate, for example: yolo predict model=yolo26n.onnx"
        )

    # ---------------------------------------------------------------- weights and facts

    def reset_weights(self) -> Self:
        """Start all layers afresh and make everything trainable."""
        network = self._network()
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        for parameter in network.parameters():
            parameter.requires_grad = True
        self.overrides["pretrained"] = False
        self.predictor = None
        return self

    def load(self, weights: str | Path | nn.Module | dict[str, Any] = "yolo26n.pt") -> Self:
        """Take over weights that fit; a following `train` starts from them.

        Args:
            weights: file, published name, network, or contents of a weights file.
        """
        network = self._network()
        self.overrides.pop("pretrained", None)
        if isinstance(weights, (str, Path)):
            source, self.ckpt = tasks.load_checkpoint(opening.fetched(str(weights)))
            self.ckpt_path = source.pt_path
        else:
            source = weights
            self.ckpt = weights if isinstance(weights, dict) else {"model": weights}
        network.load(source)
        self.predictor = None
        return self

    def save(self, filename: str | Path = "saved_model.pt") -> None:
        """Write a weights file: the network in float16, and whatever the opened file held.

        A name that ends in .safetensors gets that format: tensors and text, without code of any kind.
        """
        from ultralytics.engine.trainer.checkpoint import frozen_half, release_facts

        network = self._network()
        content = {**(self.ckpt or {}), "ema": None, "model": frozen_half(network)}
        tasks.write_checkpoint({**content, "modelopt": None, **release_facts()}, filename)

    def info(
        self, detailed: bool = False, verbose: bool = True, imgsz: int | Sequence[int] = 640
    ) -> tuple[int, int, int, float] | None:
        """Log and return (layers, parameters, gradients, GFLOPs); None when not `verbose`."""
        facts: tuple[int, int, int, float] | None = self._network().info(
            detailed=detailed, verbose=verbose, imgsz=imgsz
        )
        return facts

    def fuse(self, verbose: bool = True, imgsz: int | Sequence[int] = 640) -> Self:
        """Fold normalisation into convolutions, in place and for good."""
        self._network().fuse(verbose=verbose, imgsz=imgsz)
        self.predictor = None
        return self

    @property
    def names(self) -> dict[int, str]:
        """Class number -> name."""
        if isinstance(self.model, nn.Module):
            found: Any = self.model.names  # Any: older files hold a list
        else:
            found = self._predictor({}, {}, None).model.names
        return dict(enumerate(found)) if isinstance(found, (list, tuple)) else found

    @property
    def device(self) -> torch.device | None:
        """Where the network is; None for exported models."""
        first = next(self.model.parameters(), None) if isinstance(self.model, nn.Module) else None
        return None if first is None else first.device

    @property
    def transforms(self) -> Any:  # Any: a torchvision pipeline
        """Preprocessing stored with the network, or None."""
        return getattr(self.model, "transforms", None)

    # ---------------------------------------------------------------- prediction

    def __call__(
        self, source: Any = None, stream: bool = False, **kwargs: Any
    ) -> list[Results] | Iterator[Results]:
        """Short for `predict`."""
        return self.predict(source, stream, **kwargs)

    def predict(
        self,
        source: Any = None,
        stream: bool = False,
        predictor: Any = None,
        **kwargs: Any,
    ) -> list[Results] | Iterator[Results]:
        """Run the model on pictures, videos, folders, streams or arrays.

        Args:
            source: see the page on sources; the packaged pictures when absent.
            stream: return a generator that keeps one result at a time.
            predictor: class to use instead of the task's.
            **kwargs: any prediction argument; `color="rgb"` says that arrays of the source are RGB, not BGR.
        """
        configure_logging()
        if source is None:
            source = ASSETS
            LOGGER.warning(f"'source' was not given; using source={source}")
        source = as_bgr(source, kwargs.pop("color", "bgr"))
        prompts = kwargs.pop("prompts", None)
        args = arguments.for_prediction(self.overrides, kwargs)
        with self._guard:  # other threads renew the arguments of the same predictor
            made = self._predictor(args, kwargs, predictor)
            made.claim()
        if prompts is not None and hasattr(made, "set_prompts"):
            made.set_prompts(prompts)
        results: list[Results] | Iterator[Results] = made(source=source, stream=stream)
        return results

    def _predictor(self, args: Arguments, call: Arguments, kind: Any) -> Any:
        """The predictor, built anew when the call needs another set-up, else with its arguments renewed."""
        current = self.predictor
        is_other = kind is not None and type(current) is not kind
        if (
            current is None
            or is_other
            or arguments.needs_rebuild(self._setup, call, self.overrides)
        ):
            args = args or arguments.for_prediction(self.overrides, {})
            args = {**self._setup, **args}
            made = (kind or self._smart_load("predictor"))(
                overrides=args, _callbacks=self.callbacks
            )
            made.setup_model(model=self.model, verbose=False)
            self.predictor = made
            self._setup = {key: args[key] for key in arguments.REBUILD_KEYS if key in args}
            return made
        renewed = get_cfg(DEFAULT_CFG_DICT, {**self._setup, **args})
        is_moved = arguments.needs_new_folder(vars(current.settings), vars(renewed))
        current.renew(renewed, get_save_dir(renewed) if is_moved else None)
        return current

    def embed(
        self, source: Any = None, stream: bool = False, **kwargs: Any
    ) -> list[Tensor] | Iterator[Tensor]:
        """One vector per picture: pooled outputs of chosen layers (`embed=`), the last but one by default."""
        network = self._network()
        if not kwargs.get("embed"):
            kwargs["embed"] = [len(network.model) - 2]
        vectors: Any = self.predict(source, stream, **kwargs)  # Any: the predictor's other output
        return vectors

    def track(
        self,
        source: Any = None,
        stream: bool = False,
        persist: bool = False,
        gt: str | Path | None = None,
        **kwargs: Any,
    ) -> list[Results] | Iterator[Results]:
        """Follow objects through videos, streams or pictures.

        Args:
            source: see `predict`.
            stream: return a generator that keeps one result at a time.
            persist: go on with the tracks of the call before.
            gt: MOTChallenge file of the true tracks of the source; HOTA, MOTA, IDF1 and their parts are logged and
                stay in `metrics`.
            **kwargs: any prediction argument; `tracker` names a tracker or its file, `conf` is 0.1 by default.

        Raises:
            ConfigValueError: results of this task cannot be tracked.
        """
        from ultralytics.trackers import register_tracker

        register_tracker(self, persist)
        kwargs["conf"] = TRACK_CONF if kwargs.get("conf") is None else kwargs["conf"]
        kwargs["batch"] = kwargs.get("batch") or 1
        kwargs["mode"] = "track"
        if gt is None:
            return self.predict(source=source, stream=stream, **kwargs)
        from ultralytics.trackers.evaluation import evaluated

        results = evaluated(self, self.predict(source=source, stream=True, **kwargs), gt)
        return results if stream else list(results)

    # ---------------------------------------------------------------- validation and training

    def val(self, validator: Any = None, **kwargs: Any) -> Any:  # Any: metrics of the task
        """Measure the model on a data set.

        Args:
            validator: class to use instead of the task's.
            **kwargs: any validation argument.
        """
        configure_logging()
        kind = validator or self._smart_load("validator")
        args = arguments.for_validation(self.overrides, kwargs, str(self.task))
        made = kind(args=args, _callbacks=self.callbacks.duplicate())
        made(model=self.model)
        self.metrics = made.metrics
        return made.metrics

    def train(  # type: ignore[override]
        self, trainer: Any = None, **kwargs: Any
    ) -> Any:  # Any: metrics of the task
        """Train the model; afterwards this object holds the best weights.

        Args:
            trainer: class to use instead of the task's.
            **kwargs: any training argument. `resume=True` continues the run of the opened weights. A list as `data`
                trains on each of its sets from the same weights and returns metrics by run.
        """
        configure_logging()
        self._network()
        kind = trainer or self._smart_load("trainer")
        args = self.training_arguments(kwargs)
        if isinstance(args.get("data"), (list, tuple)):
            from ultralytics.engine.trainer.multi import MultiTrainer

            return MultiTrainer(kind, args, self, self.callbacks).train()
        self.trainer = prepare_trainer(self, kind, args)
        if starts_from_weights(self, args):
            self.model, self.predictor = self.trainer.model, None
        self.trainer.train()
        if is_first_rank():
            self._adopt_result()
        return self.metrics

    def training_arguments(self, call: Arguments) -> Arguments:
        resume = call.get("resume", False)
        if resume is True:
            if not self.ckpt_path:
                raise ResumeError(
                    f"resume=True: {self.model_name} was built new, so there is no run to continue; "
                    "open the last.pt of the run, or give its path as resume=PATH"
                )
            resume = self.ckpt_path
        if resume:
            fixed = {"model": str(resume), "task": self.task, "resume": str(resume)}
            return {**call, **fixed, "mode": "train"}
        args = arguments.for_training(
            self.overrides, call, str(self.overrides.get("model")), str(self.task)
        )
        args.setdefault("pretrained", self.overrides.get("pretrained", True))
        return args

    def _adopt_result(self) -> None:
        """Open the best weights of the finished run, else the last."""
        path = next((p for p in (self.trainer.best, self.trainer.last) if p.exists()), None)
        if path is None:
            raise FileNotFoundError(f"the run left no weights in {self.trainer.wdir}")
        self._adopt(*tasks.load_checkpoint(path))
        self.overrides["model"] = str(path)
        measured = getattr(self.trainer.validator, "metrics", None)
        self.metrics = measured or (self.ckpt or {}).get("train_metrics")

    def tune(
        self, use_ray: bool = False, iterations: int = 300, *args: Any, **kwargs: Any
    ) -> Any:  # Any: ResultGrid of Ray
        """Search hyperparameters by training again and again; this object is not changed.

        Args:
            use_ray: let Ray Tune search, on one machine or several; its results are returned.
            iterations: number of trainings.
            *args: further positional arguments of `run_ray_tune`; only with `use_ray`.
            **kwargs: any training argument; `space` holds ranges, name -> (low, high) or (low, high, gain).
        """
        from ultralytics.engine.tuner.start import start_search

        configure_logging()
        self._network()
        return start_search(self, use_ray, iterations, args, kwargs)

    def profile(self, batches: int = 10, **kwargs: Any) -> TrainingProfile:
        """Train a few batches and say where their time goes; nothing is kept, and this object is not changed.

        Args:
            batches: how many batches are measured, after two that are not.
            **kwargs: any training argument.
        """
        from ultralytics.engine.profiling import profile_training

        configure_logging()
        self._network()
        return profile_training(self, self.training_arguments(kwargs), batches)

    # ---------------------------------------------------------------- not in this version

    def calibrate(self, data: Any, **kwargs: Any) -> tuple[float, float] | None:
        """Fit the scale of a depth model."""
        raise NotAvailable("calibrate belongs to depth models, which are not part of this version")

    def benchmark(
        self, data: Any = None, format: str = "", verbose: bool = False, **kwargs: Any
    ) -> Any:
        """Compare exported formats."""
        raise NotAvailable("benchmark is not part of this version")

    def export(self, **kwargs: Any) -> str:
        """Write the network in a format of another runtime."""
        raise NotAvailable("export is not part of this version; the .pt weights run with predict")

    # ---------------------------------------------------------------- callbacks

    def add_callback(self, event: str, func: Handler) -> None:
        """Append a handler that later runs call; an unknown event name warns."""
        self.events.subscribe(event, func)

    def clear_callback(self, event: str) -> None:
        """Remove all handlers of an event."""
        self.callbacks[event] = []

    def reset_callbacks(self) -> None:
        """Remove every handler, also those of unknown events."""
        self.callbacks.clear()
        self.callbacks.update({event: [] for event in EVENTS})

    # ---------------------------------------------------------------- torch

    def eval(self) -> Self:
        """Put the network in inference mode."""
        self._network().eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert the network; a predictor made before is dropped when anything changed."""
        before = _signature(self._network())
        super()._apply(fn, recurse)
        if _signature(self.model) != before:
            self.predictor = None
        self.overrides["device"] = str(self.device)
        return self

    def __getattr__(self, name: str) -> Any:  # Any: attributes of the network
        """Whatever the facade does not have is looked up on the network."""
        children = self.__dict__.get("_modules") or {}
        if name in children:
            return children[name]
        network = children.get("model")
        if network is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(network, name)


def _signature(network: nn.Module) -> list[tuple[torch.dtype, torch.device]]:
    return [(p.dtype, p.device) for p in network.parameters()]
