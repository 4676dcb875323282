"""Validation: run a network over a data set and measure it.

One validator serves two kinds of call. During training it borrows the averaged network of the trainer, leaves it as it
found it, and returns metrics and losses. Alone it opens weights of any format, prepares the data and prints a report.
Whatever belongs to one call is reset when the call begins. Specification chapter 45, section 4.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.cfg import get_cfg, get_save_dir
from ultralytics.cfg.load import own_setting
from ultralytics.engine.tiled_validation import TiledImages
from ultralytics.errors import DatasetNotFound
from ultralytics.events import CallbackTable, EventBus, Handler
from ultralytics.utils.callbacks.run_logger import Loggers, forward
from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.files import atomic_write
from ultralytics.utils.gather import gather_from_ranks
from ultralytics.utils.logging import LOGGER, colorstr
from ultralytics.utils.metrics.matching import assign_optimally, match_greedily
from ultralytics.utils.ops import Profile
from ultralytics.utils.torch_utils.device import select_device, smart_inference_mode
from ultralytics.utils.torch_utils.wrapping import unwrap_model
from ultralytics.utils.tqdm import TQDM

__all__ = ["BaseValidator"]

Batch = dict[str, Any]  # Any: tensors, names and shapes of a collated batch

STAGES = ("preprocess", "inference", "loss", "postprocess")
PLOTTED_BATCHES = 3
HALF = 16  # value of `quantize` that means float16
FIXED_BATCH = ("pt", "torchscript")  # formats that take any batch size


class BaseValidator:
    """Measures a network on a data set; task validators say how.

    Args:
        dataloader: batches to use; None builds them from `args.data` and `args.split`.
        save_dir: folder for files; None derives it from the arguments. It is created at once.
        args: settings, as a mapping or namespace.
        _callbacks: event name -> handlers. A `CallbackTable` is shared, anything else is copied.
    """

    lowest_conf = 0.001  # when the user sets no `conf`; a task may say another
    tile_predictor: Any = None  # Any: class of the predictor that reads tiles of large images

    def __init__(
        self,
        dataloader: Any = None,  # Any: everything that yields batches and has `dataset`
        save_dir: str | Path | None = None,
        args: Any = None,
        _callbacks: Mapping[str, Any] | None = None,
    ) -> None:
        from ultralytics.utils.checks import check_imgsz

        self.args = get_cfg(overrides=args)
        self.dataloader = dataloader
        self.save_dir = Path(save_dir) if save_dir else get_save_dir(self.args)
        (self.save_dir / "labels" if self.args.save_txt else self.save_dir).mkdir(
            parents=True, exist_ok=True
        )
        self._default_conf: float | None = None
        if self.args.conf is None:
            self._default_conf = self.lowest_conf
            self.args.conf = self._default_conf
        self.args.imgsz = check_imgsz(self.args.imgsz, max_dim=1)
        self.events = EventBus() if isinstance(_callbacks, CallbackTable) else EventBus(_callbacks)
        if isinstance(_callbacks, CallbackTable):
            self.events.callbacks = _callbacks
        self.callbacks = self.events.callbacks
        self.stride: int | None = None
        self.data: Any = None  # Any: the checked data set description
        self.device: Any = None  # Any: torch.device once a call has begun
        self.names: Any = None  # Any: class names by number
        self.nc: int | None = None
        self.iouv: Any = None  # Any: (T,) tensor of IoU thresholds, set by the task
        self.stats: Any = None
        self.confusion_matrix: Any = None
        self.metrics: Any = None  # Any: the metric object of the task
        self.loggers: Loggers = {}  # those of the trainer that asks
        self._reset(training=True)

    def _reset(self, training: bool) -> None:
        """Forget everything that belonged to an earlier call."""
        self.training = training
        self.batch_i: int | None = None
        self.seen = 0
        self.jdict: list[dict[str, Any]] = []  # Any: JSON values
        self.plots: dict[Path, dict[str, Any]] = {}  # Any: data of any kind of curve
        self.speed = dict.fromkeys(STAGES, 0.0)
        self._draws = bool(self.args.plots)

    # ---------------------------------------------------------------- the call

    @smart_inference_mode()
    def __call__(
        self,
        trainer: Any = None,  # Any: a trainer of any task
        model: nn.Module | str | Path | None = None,
        **kwargs: Any,  # accepted for compatibility
    ) -> dict[str, float] | None:
        """Validate a trainer's averaged network, or a model on its own.

        Args:
            trainer: gives network, device and data; its network comes back unchanged.
            model: network (it is copied, not changed) or weights file; None opens `args.model`.
            kwargs: ignored.

        Returns:
            Metrics by key with "fitness"; for a trainer also `val/<loss>`, all rounded to 5 decimals.
            None on ranks above 0.

        Raises:
            DatasetNotFound: the data set, or the split asked for, is not there.
        """
        self._reset(training=trainer is not None)
        if trainer is None:
            stats, _ = self._measure(self.get_model(model), None)
            return self._report(stats)
        with _left_unchanged(self.get_model(model, trainer)) as network:
            stats, losses = self._measure(network, trainer)
        if stats is None:
            return None
        results = {**stats, **trainer.label_loss_items(losses, prefix="val")}
        return {key: round(float(value), 5) for key, value in results.items()}

    def get_model(self, model: Any, trainer: Any = None) -> Any:
        """Network to call, on its device and ready; sets `device`, `data` and, alone, the loader.

        Args:
            model: network, weights file, or None.
            trainer: the trainer that asks, if one does.
        """
        if trainer is not None:
            return self._borrow(trainer)
        backend = self._open(model)
        self.data = self._check_data()
        if self.dataloader is None:
            self.dataloader = self._load_split()
        batch, size = 1 if backend.pt else self.args.batch, self.args.imgsz
        backend.warmup(imgsz=(batch, self.data.get("channels", 3), size, size))
        return backend

    def _borrow(self, trainer: Any) -> nn.Module:
        self.device = trainer.device
        self.data = trainer.data
        self.loggers = getattr(trainer, "loggers", {})
        ending = trainer.epoch == trainer.epochs - 1
        self._draws = bool(self.args.plots) and (ending or trainer.stopper.possible_stop)
        network: nn.Module = trainer.ema.ema
        return network

    def _open(self, model: Any) -> Any:
        """Backend for a network or a weights file; what it cannot do is taken out of the settings."""
        from ultralytics.nn.autobackend import AutoBackend
        from ultralytics.utils.callbacks import add_integration_callbacks
        from ultralytics.utils.checks import check_imgsz

        add_integration_callbacks(self)
        self.device = select_device(self.args.device)
        backend = AutoBackend(
            model=model if isinstance(model, nn.Module) else str(model or self.args.model),
            device=self.device,
            dnn=self.args.dnn,
            data=self.args.data,
            fp16=self.args.quantize == HALF,
            channels_last=self.args.channels_last,
            end2end=self.args.nms is False,
            verbose=self.args.verbose,
        )
        self.device = backend.device
        if backend.fp16:
            self.args.quantize = HALF
        self.stride = max(int(backend.stride), 32)
        free = backend.pt or backend.dynamic
        self.args.imgsz = check_imgsz(self.args.imgsz, stride=int(backend.stride), max_dim=1)
        if not free and getattr(backend, "imgsz", None):
            self.args.imgsz = check_imgsz(backend.imgsz, stride=int(backend.stride), max_dim=1)
        if backend.format not in FIXED_BATCH and not backend.dynamic:
            self.args.batch = getattr(backend, "batch", 1) or 1
            LOGGER.info(f"Setting batch={self.args.batch} and imgsz={self.args.imgsz} of the file")
        if not free or backend.format == "imx":
            self.args.rect = False
        if self.device.type in ("cpu", "mps"):
            self.args.workers = 0
        if self.args.compile:
            backend.compile_network(self.args.compile)
        return backend.eval()

    def _check_data(self) -> Any:
        """Description of the data set; tasks with another form of data override this."""
        from ultralytics.data.utils import check_det_dataset

        return check_det_dataset(self.args.data)

    def _load_split(self) -> Any:
        folder = self.data.get(self.args.split)
        if not folder:
            raise DatasetNotFound(f"data={self.args.data} has no split {self.args.split!r}")
        return self.get_dataloader(folder, self.args.batch)

    def _measure(
        self, network: Any, trainer: Any
    ) -> tuple[dict[str, float] | None, dict[str, Tensor]]:
        """The loop over batches, then metrics and mean losses; metrics are None on ranks above 0."""
        self.run_callbacks("on_val_start")
        self.init_metrics(unwrap_model(network))
        layout = _memory_format(network, self.device)
        timers = {stage: Profile(device=self.device) for stage in STAGES}
        cuts = trainer is None and own_setting(self.args, "tile") is not None
        tiles = TiledImages(self, network) if cuts else None
        losses: dict[str, Tensor] = {}
        # On a CPU a thread that reads ahead would take turns with the threads of the network.
        reads_ahead = self.device.type != "cpu"
        batches = _one_ahead(self.dataloader) if reads_ahead else self.dataloader
        bar = TQDM(batches, desc=self.get_desc(), total=len(self.dataloader))
        for self.batch_i, batch in enumerate(bar):
            self.run_callbacks("on_val_batch_start")
            with self._arithmetic(trainer):
                with timers["preprocess"]:
                    batch = self.preprocess(batch)
                    image = batch["img"].contiguous(memory_format=layout)
                with timers["inference"]:
                    outputs = (
                        network(image) if trainer else network(image, augment=self.args.augment)
                    )
                with timers["loss"]:
                    if trainer is not None:
                        _add(losses, network.loss(batch, outputs)[1])
                with timers["postprocess"]:
                    found = self.postprocess(outputs)
                if tiles is not None:
                    found = self.with_tiles(found, tiles.of(batch, timers), batch)
            self.update_metrics(found, batch)
            if self._draws and self.batch_i < PLOTTED_BATCHES and is_first_rank():
                self.plot_val_samples(batch, self.batch_i)
                self.plot_predictions(batch, found, self.batch_i)
            self.run_callbacks("on_val_batch_end")
        stats = self._conclude(timers)
        return stats, _mean_losses(losses, len(self.dataloader))

    def _conclude(self, timers: dict[str, Profile]) -> dict[str, float] | None:
        self.gather_stats()
        if not is_first_rank():
            return None
        stats = self.get_stats()
        images = max(len(getattr(self.dataloader, "sampler", self.dataloader.dataset)), 1)
        self.speed = {stage: timer.t / images * 1e3 for stage, timer in timers.items()}
        self.finalize_metrics()
        self.print_results()
        self.run_callbacks("on_val_end")
        return stats

    def _arithmetic(self, trainer: Any) -> contextlib.AbstractContextManager[Any]:
        if trainer is None or not trainer.amp or self.device.type == "cpu":
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = trainer.precision.autocast()
        return context

    def _report(self, stats: dict[str, float] | None) -> dict[str, float] | None:
        """The last lines and files of a validation that stands alone."""
        if stats is None:
            return None
        shown = ", ".join(f"{value:.1f}ms {stage}" for stage, value in self.speed.items())
        LOGGER.info(f"Speed: {shown} per image")
        if self.args.save_json and self.jdict:
            file = self.save_dir / "predictions.json"
            LOGGER.info(f"Saving {file}...")
            atomic_write(file, json.dumps(self.jdict))
            stats = self.eval_json(stats)
        if self.args.plots or self.args.save_json or self.args.save_txt:
            LOGGER.info(f"Results saved to {colorstr('bold', self.save_dir)}")
        return stats

    # ---------------------------------------------------------------- shared tools

    def match_predictions(
        self, pred_classes: Tensor, true_classes: Tensor, iou: Tensor, use_scipy: bool = False
    ) -> Tensor:
        """Which predictions are correct at which of the thresholds `iouv`.

        Args:
            pred_classes: (N,) classes of predictions by falling confidence.
            true_classes: (M,) classes of targets.
            iou: (M, N) overlaps; pairs of different class are disregarded.
            use_scipy: assign for the largest total overlap instead of greedily.

        Returns:
            (N, T) booleans on the device of `pred_classes`.
        """
        alike = true_classes[:, None] == pred_classes
        overlap = (iou * alike).cpu().numpy()
        thresholds = self.iouv.cpu().numpy()
        match = assign_optimally if use_scipy else match_greedily
        return torch.as_tensor(match(overlap, thresholds), device=pred_classes.device)

    def add_callback(self, event: str, callback: Handler) -> None:
        """Append a handler of an event."""
        self.events.subscribe(event, callback)

    def run_callbacks(self, event: str) -> None:
        """Call the handlers of an event with this validator."""
        self.events.emit(event, self)

    def log(self, values: Mapping[str, float]) -> None:
        """Report values of your own: they go to the log and to active loggers of the training."""
        forward(self.loggers, values)
        LOGGER.info(", ".join(f"{name}={value:.6g}" for name, value in values.items()))

    def on_plot(self, name: str | Path, data: dict[str, Any] | None = None) -> None:
        """Register a written picture and the numbers it shows."""
        self.plots[Path(name)] = {"data": data, "timestamp": time.time()}

    # ---------------------------------------------------------------- what a task provides

    def get_dataloader(self, dataset_path: Any, batch_size: int) -> Any:
        """Batches of a split."""
        raise NotImplementedError("this validator has no loader; override get_dataloader")

    def build_dataset(self, img_path: Any) -> Any:
        """Data set of a split."""
        raise NotImplementedError("this validator has no data set; override build_dataset")

    def preprocess(self, batch: Batch) -> Batch:
        """Batch on the device, ready for the network."""
        return batch

    def postprocess(self, preds: Any) -> Any:
        """Predictions of a batch from the network's output."""
        return preds

    def with_tiles(self, preds: Any, tiled: Mapping[int, Any], batch: Batch) -> Any:
        """Predictions of a batch with those of some images, by their place, made of results of tiles."""
        raise NotImplementedError("this validator takes no tiles; override with_tiles")

    def init_metrics(self, model: Any) -> None:
        """Prepare the metrics for a network."""

    def update_metrics(self, preds: Any, batch: Batch) -> None:
        """Add a batch to the metrics."""

    def finalize_metrics(self) -> None:
        """Complete the metrics once all numbers are known."""

    def get_stats(self) -> dict[str, float]:
        """Metrics by key."""
        return {}

    def gather_stats(self) -> None:
        """Bring the numbers of all ranks to rank 0."""

    def print_results(self) -> None:
        """Log the table."""

    def get_desc(self) -> str:
        """Header of the table, shown in front of the progress bar."""
        return ""

    @property
    def metric_keys(self) -> list[str]:
        """Names of the metrics."""
        return []

    def plot_val_samples(self, batch: Batch, ni: int) -> None:
        """Draw the targets of a batch."""

    def plot_predictions(self, batch: Batch, preds: Any, ni: int) -> None:
        """Draw the predictions of a batch."""

    def pred_to_json(self, preds: Any, batch: Batch) -> None:
        """Add predictions to `jdict`."""

    def eval_json(self, stats: dict[str, float]) -> dict[str, float]:
        """Metrics completed by an evaluation of the JSON predictions."""
        return stats


@contextlib.contextmanager
def _left_unchanged(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode; afterwards its plain attributes and those of its head are as before.

    A forward pass leaves cached anchors in the head, a loss leaves its criterion in the network.
    """
    owners = [network, *([network.model[-1]] if isinstance(network.model, nn.Sequential) else [])]
    kept = [dict(vars(owner)) for owner in owners]
    was_training = network.training
    network.eval()
    try:
        yield network
    finally:
        for owner, attributes in zip(owners, kept, strict=True):
            vars(owner).clear()
            vars(owner).update(attributes)
        if was_training:
            network.train()


def _one_ahead(loader: Any) -> Iterator[Batch]:
    """Batches in order; without worker processes a thread prepares the next one meanwhile."""
    if getattr(loader, "num_workers", 0):
        yield from loader
        return
    stream = iter(loader)
    end: Any = object()  # Any: stands where a batch could
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="validation batches") as pool:
        upcoming = pool.submit(next, stream, end)
        while (batch := upcoming.result()) is not end:
            upcoming = pool.submit(next, stream, end)
            yield batch


def _memory_format(network: Any, device: torch.device) -> torch.memory_format:
    """Layout of the input: on a CPU that of the network's own weights, elsewhere contiguous."""
    if device.type != "cpu" or not isinstance(network, nn.Module):
        return torch.contiguous_format
    kernels = (p for p in network.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1)
    first = next(kernels, None)
    if first is None or first.is_contiguous():
        return torch.contiguous_format
    is_last = first.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format


def _mean_losses(totals: dict[str, Tensor], batches: int) -> dict[str, Tensor]:
    """Mean over the batches of all ranks, on rank 0; a rank may have had none."""
    mine = {name: value.detach().cpu() for name, value in totals.items()}
    for other, count in gather_from_ranks((mine, batches)):
        _add(totals, {name: value.to(totals[name].device) for name, value in other.items()})
        batches += count
    return {name: value / batches for name, value in totals.items()}


def _add(totals: dict[str, Tensor], items: dict[str, Tensor]) -> None:
    for name, value in items.items():
        totals[name] = totals[name] + value if name in totals else value
