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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.engine.trainer import checkpoint, exact, freezing, loop, memory, optim, resume
from ultralytics.engine.trainer.schedule import Schedule, decay_function, nominal_accumulation
from ultralytics.errors import ConfigValueError, DatasetError, NotAvailable, UltralyticsError
from ultralytics.events import EventBus, Handler
from ultralytics.nn.backends.formats import WEIGHT_SUFFIXES
from ultralytics.nn.tasks.globals import remember_classes
from ultralytics.utils import YAML
from ultralytics.utils.callbacks import add_integration_callbacks
from ultralytics.utils.checks import check_imgsz, check_model_file_from_stem
from ultralytics.utils.environment import LOCAL_RANK, RANK
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER, colorstr, configure_logging
from ultralytics.utils.namespace import IterableSimpleNamespace, explicit_keys
from ultralytics.utils.torch_utils import init_seeds, select_device, unset_deterministic
from ultralytics.utils.torch_utils.ema import ModelEMA
from ultralytics.utils.torch_utils.normalisation import to_channels_last
from ultralytics.utils.torch_utils.precision import (
    attempt_compile,
    choose_precision,
    wants_channels_last,
)
from ultralytics.utils.torch_utils.stopping import EarlyStopping
from ultralytics.utils.torch_utils.wrapping import unwrap_model

__all__ = ["BaseTrainer"]

Batch = dict[str, Any]  # Any: tensors and tuples by key


class BaseTrainer:
    """Train one model on one data set.

    Args:
        cfg: base arguments: path, dictionary or namespace; the packaged defaults when None.
        overrides: arguments that replace them.
        _callbacks: event name -> handlers; the table is copied.

    Raises:
        ConfigError, ConfigTypeError, ConfigValueError: a bad argument.
        ResumeError: a run that cannot be continued as asked.
        DatasetError: a data set that cannot be used.
    """

    val_batch_factor = 2  # validation needs no gradients; a task that needs the memory says 1

    def __init__(
        self,
        cfg: Any = None,  # Any: what get_cfg accepts
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Handler]] | None = None,
    ) -> None:
        configure_logging()
        self.clock: Callable[[], float] = time.time
        self.args: IterableSimpleNamespace = self._resolve_args(cfg, dict(overrides or {}))
        self._refuse_what_is_missing()
        optim.canonical_name(self.args.optimizer)
        self.device: torch.device = select_device(self.args.device, verbose=self.args.verbose)
        if self.args.device is not None:
            self.args.device = str(self.device) if self.device.type != "cuda" else self.args.device
        self.world_size = 0 if self.device.type in ("cpu", "mps") else 1
        self.ddp = False
        self.accelerator = self.device.type
        self.events = EventBus(_callbacks)
        self.callbacks = self.events.callbacks
        self._make_folder()
        try:
            init_seeds(self.args.seed + 1 + RANK, deterministic=self.args.deterministic)
            self._prepare()
        except BaseException:
            unset_deterministic()
            self._remove_empty_folder()
            raise

    def _resolve_args(self, cfg: Any, overrides: dict[str, Any]) -> IterableSimpleNamespace:
        base = get_cfg(overrides=overrides) if cfg is None else get_cfg(cfg, overrides)
        self.resume: bool = bool(base.resume)
        self._resume_point: resume.ResumePoint | None = None
        if not self.resume:
            return base
        path = base.model if base.resume is True else base.resume
        given = {name: getattr(base, name) for name in explicit_keys(base)}
        self._resume_point = resume.find(str(path), given)
        return get_cfg(overrides=self._resume_point.args)

    def _refuse_what_is_missing(self) -> None:
        later = {
            "distill_model": self.args.distill_model,
            "profile": self.args.profile,
            "quantize": self.args.quantize,
        }
        for name, value in later.items():
            if value:
                raise NotAvailable(f"{name}={value} is not available in training yet; leave it out")
        if len([d for d in str(self.args.device or "").split(",") if d.strip()]) > 1:
            raise NotAvailable(
                f"device={self.args.device}: training on several devices is not available yet; "
                "name one device"
            )

    def _make_folder(self) -> None:
        self.save_dir = Path(get_save_dir(self.args))
        self.args.name = self.save_dir.name
        self._made_folder = not self.save_dir.exists()
        self.wdir = self.save_dir / "weights"
        self.last, self.best = self.wdir / "last.pt", self.wdir / "best.pt"
        self.csv = self.save_dir / "results.csv"
        if RANK in (-1, 0):
            self.wdir.mkdir(parents=True, exist_ok=True)
        self.args.save_dir = str(self.save_dir)

    def _remove_empty_folder(self) -> None:
        """Take back the run folder of a failed start, if it is ours and holds no result."""
        early = ("args.yaml", "labels.jpg")
        files = [p for p in self.save_dir.rglob("*") if p.is_file() and p.name not in early]
        if self._made_folder and not files:
            shutil.rmtree(self.save_dir, ignore_errors=True)

    def _prepare(self) -> None:
        self.save_period: int = self.args.save_period
        self.batch_size: int | float = self.args.batch
        self.epochs: int = self.args.epochs or 100
        self.start_epoch = 0
        if RANK in (-1, 0):
            add_integration_callbacks(self)
            self.run_callbacks("on_pretrain_routine_start")
        if not self.args.model:
            raise ConfigValueError(
                "train needs a model: add model=FILE, for example model=yolo26n.pt"
            )
        # Any: a name until setup_model has built the network
        self.model: Any = check_model_file_from_stem(self.args.model)
        self.data: dict[str, Any] = self.get_dataset()
        if RANK in (-1, 0):
            YAML.save(self.save_dir / "args.yaml", dict(vars(self.args)))
            shown = ", ".join(f"{k}={v}" for k, v in sorted(vars(self.args).items()))
            LOGGER.info(f"{colorstr('blue', 'bold', 'engine/trainer: ')}{shown}")
        if self.device.type in ("cpu", "mps"):
            self.args.workers = 0
        if not self.resume and RANK in (-1, 0):
            self.csv.unlink(missing_ok=True)
        self._reset_run_state()

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
        self.loss_names: tuple[str, ...] = ()
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
        self.is_mosaic_closed = False
        self.is_saved = False  # the epoch just finished has its checkpoint file
        self.has_saved = False
        self.snapshot: dict[str, Any] | None = None  # exact state in memory, when no file is kept
        self.first_timed_epoch = 0
        self.freeze_layer_names: list[str] = []

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
        """Report values of your own: they are logged and kept in `extra_metrics` for integrations."""
        self.extra_metrics.update(values)
        LOGGER.info(", ".join(f"{name}={value}" for name, value in values.items()))

    # ---------------------------------------------------------------- run

    def train(self) -> None:
        """Run the whole training.

        A run that ends before it has left anything takes its folder back. Whatever happened, the
        determinism switches of the process go back to what they were, and the event `teardown` is
        sent last.
        """
        try:
            self._do_train()
        except BaseException:
            self._remove_empty_folder()
            raise
        finally:
            unset_deterministic()
            self.run_callbacks("teardown")

    def _do_train(self) -> None:
        try:
            loop.run(self)
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
        self.freeze_layer_names = freezing.freeze(self.model, self.args.freeze)
        self.precision = choose_precision(self.args.amp, self.device, self.model)
        self.amp = self.precision.is_mixed
        self.scaler = self.precision.scaler()
        if self.args.compile:
            self.model = attempt_compile(self.model, self.device, self.args.compile)
        if self.batch_size < 1:
            self.batch_size = self.args.batch = self.auto_batch()
        self.batch_size = int(self.batch_size)
        self._build_train_pipeline()
        self.validator = self.get_validator()
        self.set_class_weights()
        self.ema = ModelEMA(self.model)
        if RANK in (-1, 0):
            keys = [*self.validator.metrics.keys, *self.label_loss_items(prefix="val")]
            self.metrics = dict.fromkeys(keys, 0.0)
            if self.args.plots:
                self.plot_training_labels()
        self.stopper = EarlyStopping(self.args.patience)
        self.resume_training(ckpt)
        self.scheduler.last_epoch = self.start_epoch - 1
        self.run_callbacks("on_pretrain_routine_end")

    def _build_train_pipeline(self) -> None:
        """Loaders, accumulation, optimiser and schedule for the current batch size."""
        per_rank = int(self.batch_size) // max(self.world_size, 1)
        self.train_loader = self.get_dataloader(
            self.data["train"], batch_size=per_rank, rank=LOCAL_RANK, mode="train"
        )
        self._guard_single_image_batch()
        if RANK in (-1, 0):
            self.test_loader = self.get_dataloader(
                self._validation_images(),
                batch_size=per_rank * self.val_batch_factor,
                rank=LOCAL_RANK,
                mode="val",
            )
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
        images, batch = len(self.train_loader.dataset), int(self.batch_size)
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
        made = optim.make_optimizer(model, name, lr, momentum, decay)
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
        return memory.auto_batch(
            model=self.model,
            imgsz=self.args.imgsz,
            fraction=self.batch_size if 0 < self.batch_size < 1 else memory.DEFAULT_FRACTION,
            precision=self.precision,
            max_num_obj=max_num_obj,
            dataset_size=dataset_size,
        )

    def resume_training(self, ckpt: dict[str, Any] | None) -> None:
        """Continue from a checkpoint: bit for bit when it carries the exact state."""
        point = self._resume_point
        if point is None:
            return
        self.start_epoch = point.epoch + 1
        if point.exact is not None:
            exact.restore(self, point.exact)
            self.snapshot = point.exact
        else:
            self._resume_from_average(point.ckpt)
        resume.cut_results(self.csv, self.start_epoch)
        LOGGER.info(
            f"Resuming {point.path} at epoch {self.start_epoch + 1} of {self.epochs}"
            + ("" if point.exact else "; it holds averaged weights only, so not bit for bit")
        )

    def _resume_from_average(self, ckpt: dict[str, Any]) -> None:
        average = ckpt["ema"].float().state_dict()
        unwrap_model(self.model).load_state_dict(average)
        self.ema.ema.load_state_dict(average)
        self.ema.updates = ckpt["updates"]
        exact.load_optimizer(self.optimizer, ckpt["optimizer"])
        if ckpt.get("scaler"):
            self.scaler.load_state_dict(ckpt["scaler"])
        self.best_fitness = float(ckpt["best_fitness"] or 0.0)
        if ckpt.get("stopper"):
            self.stopper.load_state_dict(ckpt["stopper"])
        exact.fast_forward(unwrap_model(self.model), self.start_epoch)

    # ---------------------------------------------------------------- hooks for subclasses

    def get_dataset(self) -> dict[str, Any]:
        """Check the data set; `args.data` becomes the resolved YAML file."""
        try:
            data = self.check_data()
        except UltralyticsError:
            raise
        except (OSError, ValueError, TypeError, SyntaxError, KeyError, RuntimeError) as error:
            raise DatasetError(f"data={self.args.data}: {error}") from error
        if data.get("yaml_file"):
            self.args.data = str(data["yaml_file"])
        unknown = [c for c in self.args.classes or () if not 0 <= c < data["nc"]]
        if unknown:
            raise ConfigValueError(
                f"classes={self.args.classes}: {self.args.data} has no class {unknown[0]}; its "
                f"classes are 0 to {data['nc'] - 1}"
            )
        if self.args.single_cls:
            data["names"], data["nc"] = {0: "item"}, 1
        return data

    def check_data(self) -> dict[str, Any]:
        """Description of the data set; tasks with another form of data override this."""
        from ultralytics.data.utils import check_det_dataset

        return check_det_dataset(self.args.data, required=("train", self.args.split))

    def setup_model(self) -> dict[str, Any] | None:
        """Build or load the network; returns the checkpoint when the model name is a weights file."""
        from ultralytics.nn.tasks import load_checkpoint

        if isinstance(self.model, nn.Module):
            return None
        cfg, weights, ckpt = self.model, None, None
        if str(self.model).lower().endswith(WEIGHT_SUFFIXES):
            weights, ckpt = load_checkpoint(self.model)
            cfg = weights.yaml
        if not self.resume:
            if isinstance(self.args.pretrained, (str, Path)):
                weights, _ = load_checkpoint(self.args.pretrained)
            elif self.args.pretrained is False:
                weights = None
        self.model = self.get_model(cfg=cfg, weights=weights)
        return ckpt

    def get_model(
        self, cfg: Any = None, weights: nn.Module | None = None, verbose: bool = True
    ) -> nn.Module:
        """Network of the task. Task trainers override this."""
        raise NotImplementedError("this trainer has no network; override get_model")

    def get_validator(self) -> Any:
        """Validator of the task. Task trainers override this."""
        raise NotImplementedError("this trainer has no validator; override get_validator")

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        """Loader of a split. Task trainers override this."""
        raise NotImplementedError("this trainer has no loader; override get_dataloader")

    def build_dataset(self, img_path: Any, mode: str = "train", batch: int | None = None) -> Any:
        """Data set of a split. Task trainers override this."""
        raise NotImplementedError("this trainer has no data set; override build_dataset")

    def preprocess_batch(self, batch: Batch) -> Batch:
        """Move a batch to the device and scale it."""
        return batch

    def set_model_attributes(self) -> None:
        """Give the network the class names of the data set."""
        self.model.names = self.data["names"]

    def set_class_weights(self) -> None:
        """Give the network class weights, where a task has them."""

    def label_loss_items(
        self, loss_items: dict[str, Tensor] | None = None, prefix: str = "train"
    ) -> Any:
        """Loss values by labelled name, rounded to 5 decimals; the names alone without values."""
        if loss_items is None:
            return [f"{prefix}/{name}" for name in self.loss_names]
        return {f"{prefix}/{k}": round(float(v), 5) for k, v in loss_items.items()}

    def progress_string(self) -> str:
        """Header of the progress rows of an epoch."""
        columns = ["Epoch", "GPU_mem", *self.loss_names, "Instances", "Size"]
        return "\n" + ("%11s" * len(columns)) % tuple(columns)

    def plot_training_samples(self, batch: Batch, ni: int) -> None:
        """Draw a training batch, where a task has a picture of it."""

    def plot_training_labels(self) -> None:
        """Draw label statistics, where a task has them."""

    def plot_metrics(self) -> None:
        """Draw results.csv as results.png."""
        from ultralytics.utils.plotting import plot_results

        plot_results(file=self.csv, on_plot=self.on_plot)

    # ---------------------------------------------------------------- parts of the loop

    def optimizer_step(self) -> None:
        """Unscale, clip to a total norm of 10, step, clear the gradients, move the average."""
        self.run_callbacks("optimizer_step")
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=10.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.run_callbacks("on_before_zero_grad")
        self.optimizer.zero_grad()
        if self.ema:
            self.ema.update(self.model)
        self.run_callbacks("on_params_update")

    def validate(self) -> tuple[dict[str, float], float]:
        """Validate the average; returns the metrics and the fitness, and keeps the best fitness."""
        metrics = self.validator(self)
        fitness = float(metrics.pop("fitness", -float(self.loss.detach())))
        if math.isfinite(fitness) and (self.best_fitness is None or self.best_fitness < fitness):
            self.best_fitness = fitness
        return metrics, fitness

    def save_metrics(self, metrics: Mapping[str, float | None]) -> None:
        """Append a row to results.csv; the header is written once. None becomes an empty cell."""
        names = ["epoch", "time", *metrics]
        values = [self.epoch + 1, self.clock() - self.train_time_start, *metrics.values()]
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
        results = None
        for path in (self.last, self.best):
            if not path.is_file():
                continue
            is_last = path == self.last
            written = checkpoint.strip_optimizer(
                path,
                updates=None if is_last else {"train_results": results},
                keep_exact=is_last,
            )
            if is_last:
                results = written.get("train_results")
        if not self.best.is_file():
            return
        LOGGER.info(f"\nValidating {self.best}...")
        self.validator.args.plots = self.args.plots
        self.validator.args.compile = False
        metrics = self.validator(model=self.best)
        metrics.pop("fitness", None)
        self.metrics = metrics
        self.epoch += 1
        try:
            self.run_callbacks("on_fit_epoch_end")
        finally:
            self.epoch -= 1

    def _model_train(self) -> None:
        """Training mode, except for normalisation inside frozen parts."""
        self.model.train()
        for name, module in self.model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and any(
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
