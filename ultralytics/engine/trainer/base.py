"""The trainer: parts of a run and the methods that subclasses override.

Construction resolves arguments, device, folder and data set; `train` builds the parts (`_setup_train`) and runs the
loop (`loop.run`). Every method here is a few lines that call a part. Specification chapter 40.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.cfg.load import own_setting
from ultralytics.engine.trainer import (
    checkpoint,
    freezing,
    loop,
    memory,
    midway,
    monitor,
    nonfinite,
    objects,
    optim,
    own_loss,
    own_transforms,
    parallel,
    resume,
    streams,
    teacher,
)
from ultralytics.engine.trainer.hooks import TrainerHooks
from ultralytics.engine.trainer.progress import LateValues
from ultralytics.engine.trainer.schedule import Schedule, decay_function, nominal_accumulation
from ultralytics.errors import ConfigValueError, DatasetError, NotAvailable
from ultralytics.events import EventBus, Handler
from ultralytics.nn.tasks.globals import remember_classes
from ultralytics.utils import YAML, environment
from ultralytics.utils.callbacks import add_integration_callbacks
from ultralytics.utils.callbacks.run_logger import Loggers, forward
from ultralytics.utils.checks import check_imgsz, check_model_file_from_stem
from ultralytics.utils.environment import is_first_rank, rank
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER, colorstr, configure_logging
from ultralytics.utils.namespace import IterableSimpleNamespace, explicit_keys
from ultralytics.utils.processes import refuse_unguarded_start
from ultralytics.utils.ranks import Ranks, join_ranks
from ultralytics.utils.torch_utils import select_device, unset_deterministic
from ultralytics.utils.torch_utils.device import parse_device
from ultralytics.utils.torch_utils.ema import ModelEMA
from ultralytics.utils.torch_utils.normalisation import to_channels_last
from ultralytics.utils.torch_utils.precision import (
    Precision,
    attempt_compile,
    choose_precision,
    wants_channels_last,
)
from ultralytics.utils.torch_utils.stopping import EarlyStopping

__all__ = ["BaseTrainer"]


class BaseTrainer(TrainerHooks):
    """Train one model on one data set.

    Args:
        cfg: base arguments: path, dictionary or namespace; the packaged defaults when None.
        overrides: arguments that replace them.
        _callbacks: event name -> handlers; the table is copied.

    Raises:
        ConfigError, ConfigTypeError, ConfigValueError: a bad argument.
        ResumeError: a run that cannot be continued as asked.
        DatasetError: a data set that cannot be used.
        UnguardedScript: a process of this training imports a script that trains anew.
        RankError: a run on several devices of which one rank failed or is missing.
    """

    def __init__(
        self,
        cfg: Any = None,  # Any: what get_cfg accepts
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Handler]] | None = None,
    ) -> None:
        configure_logging()
        refuse_unguarded_start()
        self.clock: Callable[[], float] = time.time
        self.given = (cfg, dict(overrides or {}))
        self.args = self._resolve_args(cfg, dict(overrides or {}))
        self.given_objects = objects.take(self.args)
        objects.check_resumed(self._resume_point, self.given_objects)
        teacher.check_request(self)
        self._refuse_what_is_missing()
        optim.canonical_name(self.args.optimizer)
        self.events = EventBus(_callbacks)
        self.callbacks = self.events.callbacks
        self.loggers: Loggers = {}  # open experiment loggers by setting
        self.ranks: Ranks = join_ranks()
        try:
            self._choose_devices()
            self._make_folder()
            streams.begin(self)
            self._prepare()
        except BaseException as error:
            unset_deterministic()
            self._remove_empty_folder()
            self._tell(error)
            raise

    def _tell(self, error: BaseException) -> None:
        """Tell the other ranks why this one ends; raise what is known about a rank that caused it."""
        cause = self.ranks.report(error)
        self.ranks.leave()
        if cause is not error:
            raise cause from error

    def _resolve_args(self, cfg: Any, overrides: dict[str, Any]) -> IterableSimpleNamespace:
        base = get_cfg(overrides=overrides) if cfg is None else get_cfg(cfg, overrides)
        self.resume = bool(base.resume)
        self._resume_point: resume.ResumePoint | None = None
        if not self.resume:
            return base
        path = base.model if base.resume is True else base.resume
        given = {name: getattr(base, name) for name in explicit_keys(base)}
        self._resume_point = resume.find(str(path), given)
        return get_cfg(overrides=self._resume_point.args)

    def _refuse_what_is_missing(self) -> None:
        later = {"quantize": self.args.quantize}
        if self.args.profile:
            raise NotAvailable(
                "profile=True times ONNX and TensorRT copies of the network, which this version cannot "
                "export; leave it out. `yolo profile` shows where the time of a training goes."
            )
        if own_setting(self.args, "tile") is not None:
            LOGGER.warning("tile has no effect on training; use it in val, predict and track.")
        for name, value in later.items():
            if value:
                raise NotAvailable(f"{name}={value} is not available in training yet; leave it out")

    def _choose_devices(self) -> None:
        """Device of this process; whether it only launches others; the share of the batch of each."""
        canonical = parse_device(self.args.device)
        named = parallel.named_devices(canonical)
        self.ddp = len(named) > 1 and not self.ranks.is_shared
        asked = self.args.device
        if self.ranks.is_shared:
            asked = parallel.own_device(self.args.device, environment.local_rank())
        elif self.ddp:
            self.args.device = canonical  # idle devices are chosen once, not by every rank anew
            asked = "cpu" if set(named) == {"cpu"} else self.args.device
        self.device = select_device(asked, verbose=self.args.verbose)
        if self.args.device is not None and len(named) == 1:
            self.args.device = str(self.device) if self.device.type != "cuda" else self.args.device
        self.accelerator = self.device.type
        alone = 0 if self.device.type in ("cpu", "mps") else 1
        self.world_size = len(named) if self.ddp else self.ranks.count if self.is_shared else alone
        if self.world_size > 1:
            self.args.batch = parallel.share_batch(self.args.batch, self.world_size)
            if self.args.rect:
                LOGGER.warning(
                    "rect=True keeps images in order, which ranks cannot share; it is off."
                )
                self.args.rect = False

    @property
    def is_shared(self) -> bool:
        """Whether this process is one rank of several."""
        return self.ranks.is_shared

    def _make_folder(self) -> None:
        chosen = self.ranks.first(lambda: str(get_save_dir(self.args)), "the folder of the run")
        self.save_dir = Path(chosen)
        self.args.name = self.save_dir.name
        self._made_folder = not self.save_dir.exists()
        self.wdir = self.save_dir / "weights"
        self.last, self.best = self.wdir / "last.pt", self.wdir / "best.pt"
        self.csv = self.save_dir / "results.csv"
        if is_first_rank():
            self.wdir.mkdir(parents=True, exist_ok=True)
        self.args.save_dir = str(self.save_dir)

    def _remove_empty_folder(self) -> None:
        """Take back the run folder of a failed start, if it is ours and holds no result."""
        early = ("args.yaml", "labels.jpg")
        if not hasattr(self, "save_dir") or not is_first_rank():
            return
        files = [p for p in self.save_dir.rglob("*") if p.is_file() and p.name not in early]
        if self._made_folder and not files:
            shutil.rmtree(self.save_dir, ignore_errors=True)

    def _prepare(self) -> None:
        self.save_period: int = self.args.save_period
        self.batch_size: int | float = self.args.batch
        self.epochs: int = self.args.epochs or 100
        self.start_epoch = 0
        if is_first_rank() and not self.ddp:
            add_integration_callbacks(self)
            self.run_callbacks("on_pretrain_routine_start")
        if not self.args.model and not self.args.data:  # its methods can be used, `train` refuses
            self.model, self.data = None, {}
            self._remove_empty_folder()
            self._reset_run_state()
            return
        self._require_model()
        self.model = check_model_file_from_stem(self.args.model)
        self.data = self.ranks.in_turn(self.get_dataset, "the check of the data set")
        if is_first_rank():
            YAML.save(self.save_dir / "args.yaml", dict(vars(self.args)))
            shown = ", ".join(f"{k}={v}" for k, v in sorted(vars(self.args).items()))
            LOGGER.info(f"{colorstr('blue', 'bold', 'engine/trainer: ')}{shown}")
        if self.device.type in ("cpu", "mps"):
            self.args.workers = 0
        if is_first_rank():
            checkpoint.remove_leftovers(self.wdir)
        if not self.resume and is_first_rank():
            self.csv.unlink(missing_ok=True)
            midway.clear(self)
        self._reset_run_state()

    def _require_model(self) -> None:
        if not self.args.model:
            raise ConfigValueError(
                "train needs a model: add model=FILE, for example model=yolo26n.pt"
            )

    def _reset_run_state(self) -> None:
        self.validator: Any = None
        self.ema: Any = None
        self.metrics: dict[str, float] = {}
        self.extra_metrics: dict[str, float] = {}
        self.plots: dict[Path, dict[str, Any]] = {}
        self.plot_idx: list[int] = [0, 1, 2]
        self.best_fitness: float | None = None
        self.fitness: float | None = None
        self.loss: Tensor = torch.zeros(())
        self.loss_items: dict[str, Tensor] = {}
        self.tloss: dict[str, Tensor] = {}
        self.loss_names = ()
        self.lr: dict[str, float] = {}
        self.lf: Callable[[int], float] = lambda e: 1.0
        self.epoch = 0
        self.epoch_time = self.epoch_time_start = self.train_time_start = 0.0
        self.stop = False
        self.accumulate = 1
        self.last_opt_step = -1
        self.batches_done = 0
        self.nan_recovery_attempts = 0
        self.memory_retries = 0
        self.reported_at = 0.0
        self.late_losses = LateValues()
        self.is_mosaic_closed = False
        self.is_saved = False  # the epoch just finished has its checkpoint file
        self.has_saved = False
        self.snapshot: dict[str, Any] | None = None  # exact state in memory, when no file is kept
        self.rngs: list[dict[str, Any]] = []  # generators of every rank at the end of the epoch
        self.midway: dict[str, Any] | None = None  # place in the epoch where a continued run starts
        self.save_steps = self.steps_unsaved = 0
        self.batch: dict[str, Any] | None = None  # the batch in work
        self.nonfinite: str | None = None  # what was first not finite in this pass
        self.is_watched = False  # every loss is checked, as one was not finite before
        self.alerted: set[str] = set()  # operators without a deterministic kernel
        self.first_timed_epoch = 0
        self.freeze_layer_names: list[str] = []
        self.transforms_seen: Any = None  # as of the last epoch, while worker processes hold copies

    # ---------------------------------------------------------------- events

    def add_callback(self, event: str, callback: Handler) -> None:
        """Add a handler of an event; it is called with the trainer."""
        self.events.subscribe(event, callback)

    def set_callback(self, event: str, callback: Handler) -> None:
        """Make a handler the only one of an event."""
        self.events.replace(event, callback)

    def run_callbacks(self, event: str) -> None:
        """Call the handlers of an event in the order they were added."""
        self.events.emit(event, self)

    def on_plot(self, path: str | Path, data: dict[str, Any] | None = None) -> None:
        """Register a picture written by this run."""
        self.plots[Path(path)] = {"data": data, "timestamp": self.clock()}

    def log(self, values: Mapping[str, float]) -> None:
        """Report values of your own: they go to the log, to `extra_metrics` and to active loggers."""
        self.extra_metrics.update(values)
        forward(self.loggers, values)
        LOGGER.info(", ".join(f"{name}={value}" for name, value in values.items()))

    # ---------------------------------------------------------------- run

    def train(self) -> None:
        """Run the whole training.

        A run that ends before it has left anything takes its folder back. Whatever happened, the
        determinism switches of the process go back to what they were, and the event `teardown` is
        sent last.
        """
        try:
            self._require_model()
            if self.ddp:
                self._launch()
            else:
                self._do_train()
        except BaseException as error:
            self._remove_empty_folder()
            self._tell(error)
            raise
        finally:
            unset_deterministic()
            if not self.ddp:
                self.run_callbacks("teardown")

    def _launch(self) -> None:
        """Have one process per device do the work; this one builds the network and waits."""
        from ultralytics.engine.trainer.launch import Job, launch

        if not self.resume:
            self.setup_model()
        launch(Job.of(self), self.world_size)

    def _do_train(self) -> None:
        try:
            self.ranks.start(self.device)
            loop.run(self)
            self.ranks.exchange(None, "the end of the run")
            self.ranks.leave()
        finally:
            self._close_loaders()

    def _close_loaders(self) -> None:
        """End the worker processes of loaders that have a way to."""
        for loader in (getattr(self, "train_loader", None), getattr(self, "test_loader", None)):
            if loader is not None and hasattr(loader, "close"):
                loader.close()

    def _setup_train(self) -> None:
        """Build everything the loop needs."""
        ckpt = self.setup_model()
        remember_classes(self.model)  # refuses now what could not be saved later
        self.model = self.model.to(self.device)
        self.channels_last = wants_channels_last(self.args.channels_last, self.device)
        if self.channels_last:
            self.model = to_channels_last(self.model, self.device)
        self.set_model_attributes()
        self.stride = max(int(self.model.stride.max()), 32)
        self.args.imgsz = check_imgsz(
            self.args.imgsz, stride=self.stride, floor=self.stride, max_dim=1
        )
        self.args.freeze = freezing.with_kept(self.model, self.args.freeze)
        self.freeze_layer_names = freezing.freeze(self.model, self.args.freeze)
        parallel.share_weights(self.model, self.ranks)
        self.precision = self._agree_on_precision()
        self.amp = self.precision.is_mixed
        self.scaler = self.precision.scaler()
        self.model = teacher.add_to(self)
        if self.args.compile:
            self.model = attempt_compile(self.model, self.device, self.args.compile)
        if self.batch_size < 1:
            self.batch_size = self.args.batch = self.auto_batch()
        self.batch_size = int(self.batch_size)
        self._build_train_pipeline()
        self.validator = self.get_validator()
        teacher.name_loss(self)
        if self.is_shared:
            self.validator.args.device = str(self.device)
        self.set_class_weights()
        self.ema = ModelEMA(self.model)
        own_loss.attach(self)
        self.model = parallel.wrap(self)
        keys = [*self.validator.metrics.keys, *self.label_loss_items(prefix="val")]
        self.metrics = dict.fromkeys(keys, 0.0)
        if self.args.plots and is_first_rank():
            self.plot_training_labels()
        monitor.check(self)
        self.stopper = EarlyStopping(self.args.patience)
        self.resume_training(ckpt)
        self.scheduler.last_epoch = self.start_epoch - 1
        self.run_callbacks("on_pretrain_routine_end")

    def _agree_on_precision(self) -> Precision:
        """The same arithmetic on every rank: half precision only where the probe passes on all."""
        mine = choose_precision(self.args.amp, self.device, self.model)
        chosen = self.ranks.exchange(mine.kind, "the choice of the precision")
        return mine if len(set(chosen)) == 1 else replace(mine, kind="fp32")

    def _build_loaders(self) -> None:
        per_rank = int(self.batch_size) // max(self.world_size, 1)
        self.train_loader = self.get_dataloader(
            self.data["train"], batch_size=per_rank, rank=rank(), mode="train"
        )
        streams.assign(self)
        self.test_loader = self.get_dataloader(
            self._validation_images(),
            batch_size=per_rank * self.val_batch_factor,
            rank=rank(),
            mode="val",
        )

    def _build_train_pipeline(self) -> None:
        """Loaders, accumulation, optimiser and schedule for the current batch size."""
        self.ranks.in_turn(self._build_loaders, "the scan of the data set")
        own_transforms.install(self)
        parallel.check_batches(self)
        self._guard_single_image_batch()
        nominal = nominal_accumulation(self.args.nbs, int(self.batch_size))
        decay = self.args.weight_decay * self.batch_size * nominal / self.args.nbs
        batches = len(self.train_loader)
        self.accumulate = nominal if self.args.time else max(1, min(nominal, batches * self.epochs))
        images = len(self.train_loader.dataset)
        iterations = math.ceil(images / max(self.batch_size, self.args.nbs)) * self.epochs
        self.optimizer = self.build_optimizer(
            model=self.model,
            name=self.args.optimizer,
            lr=self.args.lr0,
            momentum=self.args.momentum,
            decay=decay,
            iterations=iterations,
        )
        self._setup_scheduler()

    def _validation_images(self) -> Any:
        """Images of the split to validate on; a set without val is validated on test."""
        images = self.data.get(self.args.split)
        if images is None and self.args.split == "val":
            images = self.data.get("test")
        if images is None:
            raise DatasetError(f"data={self.args.data} has no split {self.args.split!r}")
        return images

    def _guard_single_image_batch(self) -> None:
        ranks = self.ranks.count
        images, batch = -(-len(self.train_loader.dataset) // ranks), int(self.batch_size) // ranks
        smallest = self.args.imgsz * (1 - self.args.multi_scale)
        drops = getattr(self.train_loader, "drop_last", False)
        if images % min(batch, images) == 1 and smallest < 2 * self.stride and not drops:
            raise ConfigValueError(
                f"the last of the batches of {batch} would hold one image, which batch "
                f"normalisation cannot use at imgsz={self.args.imgsz}; choose another batch"
            )

    def _setup_scheduler(self) -> None:
        """(Re)build the rates for the planned number of epochs."""
        self.lf = decay_function(self.epochs, self.args.lrf, self.args.cos_lr)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lr_lambda=self.lf)
        self.schedule = Schedule(
            epochs=self.epochs,
            batches=len(self.train_loader),
            warmup_epochs=self.args.warmup_epochs,
            accumulate=self.accumulate,
            lf=self.lf,
            warmup_momentum=self.args.warmup_momentum,
            momentum=self.args.momentum,
            warmup_bias_lr=self.args.warmup_bias_lr,
        )

    def build_optimizer(
        self,
        model: nn.Module,
        name: str = "auto",
        lr: float = 0.001,
        momentum: float = 0.9,
        decay: float = 1e-5,
        iterations: float = 1e5,
    ) -> torch.optim.Optimizer:
        """Optimiser over the parameter groups of a network.

        Under `name="auto"` the choice depends on the length of the run. Rates the user set himself
        stay; the effective values are written back to `args`.
        """
        label = colorstr("optimizer:")
        if optim.canonical_name(name) == "auto":
            choice = optim.choose_automatically(iterations, self.data.get("nc", 10))
            own = explicit_keys(self.args)
            name = choice.name
            lr = lr if "lr0" in own else choice.lr
            momentum = momentum if "momentum" in own else choice.momentum
            self.args.optimizer, self.args.lr0 = name, lr
            if "warmup_bias_lr" not in own:
                self.args.warmup_bias_lr = 0.0
            LOGGER.info(
                f"{label} auto chose {name} with lr={lr} and momentum={momentum}; "
                "a value you set yourself is kept"
            )
        layer_decay = own_setting(self.args, "layer_decay")
        made = optim.make_optimizer(model, name, lr, momentum, decay, layer_decay)
        counts = {role: 0 for role in ("bn", "weight", "muon", "bias")}
        for group in made.param_groups:
            counts[group["param_group"]] += len(group["params"])
        decayed = counts["weight"] + counts["muon"]
        LOGGER.info(
            f"{label} {type(made).__name__}(lr={lr}, momentum={momentum}); tensors: {counts['bn']} "
            f"norm, {decayed} weight (decay={decay:g}), {counts['bias']} bias"
        )
        return made

    def auto_batch(self, max_num_obj: int = 0, dataset_size: int = 0) -> int:
        """Largest batch that fits the asked share of device memory."""
        largest = self.args.imgsz * (1 + self.args.multi_scale)
        return memory.auto_batch(
            model=self.model,
            imgsz=math.ceil(largest / self.stride) * self.stride,
            fraction=self.batch_size if 0 < self.batch_size < 1 else memory.DEFAULT_FRACTION,
            precision=self.precision,
            max_num_obj=max_num_obj,
            dataset_size=dataset_size,
        )

    def resume_training(self, ckpt: dict[str, Any] | None) -> None:
        """Continue from a checkpoint: bit for bit when it carries the exact state."""
        if self._resume_point is not None:
            resume.apply(self, self._resume_point)

    # ---------------------------------------------------------------- parts of the loop

    def optimizer_step(self) -> None:
        """Unscale, clip to a total norm of 10, step, clear the gradients, move the average."""
        self.run_callbacks("optimizer_step")
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=10.0)
        nonfinite.check_norm(self, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.run_callbacks("on_before_zero_grad")
        self.optimizer.zero_grad()
        if self.ema:
            self.ema.update(self.model)
        self.run_callbacks("on_params_update")

    def validate(self) -> tuple[dict[str, float], float]:
        """Validate the average; returns the metrics and what decides, and keeps the best of that."""
        parallel.share_buffers(self.ema.ema, self.ranks)
        measured = (self.validator(self), float(self.loss.detach()))
        metrics, loss = self.ranks.exchange(measured, "the metrics")[0]
        teacher.add_missing_loss(self, metrics)
        fitness = monitor.score(self, metrics, float(metrics.pop("fitness", -loss)))
        if math.isfinite(fitness) and (self.best_fitness is None or self.best_fitness < fitness):
            self.best_fitness = fitness
        return metrics, fitness

    def save_metrics(self, metrics: Mapping[str, float | None]) -> None:
        """Append a row to results.csv; the header is written once. None becomes an empty cell."""
        names = ["epoch", "time", *metrics]
        values = [self.epoch + 1, self.clock() - self.train_time_start, *metrics.values()]
        if own_setting(self.args, "mark_best"):
            names, values = [*names, "best"], [*values, int(checkpoint.is_best(self))]
        row = ",".join("" if v is None else f"{v:.6g}" for v in values) + "\n"
        is_new = not self.csv.exists()
        with self.csv.open("a", encoding="utf-8") as file:
            file.write((",".join(names) + "\n" if is_new else "") + row)

    def read_results_csv(self) -> dict[str, list[float | None]]:
        """results.csv as column -> values."""
        return checkpoint.read_results(self.csv)

    def save_model(self) -> None:
        """Write the checkpoint files of this epoch."""
        checkpoint.save(self)

    def final_eval(self) -> None:
        """Strip last.pt and best.pt, then validate best.pt on its own."""
        if is_first_rank():
            self._strip_files()
        best = self.ranks.first(self._best_weights, "the best weights")
        if best is None:
            return
        LOGGER.info(f"\nValidating {self.best}...")
        self.validator.args.plots = self.args.plots
        self.validator.args.compile = False
        metrics = self.ranks.exchange(self.validator(model=best), "the final metrics")[0]
        metrics.pop("fitness", None)
        self.metrics = metrics
        self.epoch += 1
        try:
            self.run_callbacks("on_fit_epoch_end")
        finally:
            self.epoch -= 1

    def _strip_files(self) -> None:
        # last.pt goes last: while it is whole, an interrupted run can be taken up and finish this.
        results = checkpoint.read_results(self.csv) if self.last.is_file() else None
        if self.best.is_file():
            checkpoint.strip_optimizer(self.best, updates={"train_results": results})
        if self.last.is_file():
            checkpoint.strip_optimizer(self.last, keep_exact=True)

    def _best_weights(self) -> Any:  # Any: a path, or a network that other ranks have no file of
        """What the final validation opens; None when nothing was saved."""
        from ultralytics.nn.tasks import load_checkpoint

        if not self.best.is_file():
            return None
        return load_checkpoint(self.best)[0] if self.is_shared else self.best

    def _model_train(self) -> None:
        """Training mode, except for normalisation inside frozen parts."""
        self.model.train()
        for name, module in self.model.named_modules():
            if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)) and any(
                part in f"{name}." for part in self.freeze_layer_names
            ):
                module.eval()

    def _close_dataloader_mosaic(self) -> None:
        """End mixing of images for the rest of the run."""
        dataset = self.train_loader.dataset
        if hasattr(dataset, "mosaic"):
            dataset.mosaic = False
        if hasattr(dataset, "close_mosaic"):
            LOGGER.info("Closing mosaic for the remaining epochs")
            dataset.close_mosaic(hyp=copy(self.args))
        if hasattr(self.train_loader, "reset"):
            self.train_loader.reset()

    def _get_memory(self, fraction: bool = False) -> float:
        """Reserved device memory in GiB, or as a share of the total."""
        return memory.reserved(self.device, fraction)

    def _clear_memory(self, threshold: float | None = None) -> None:
        """Release cached device memory when more than the threshold share is in use."""
        memory.clear(self.device, threshold)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of the run atomically; returns its path."""
        path = self.save_dir / name
        atomic_write(path, text)
        return path
