"""Data sets and loaders from settings.

A loader of this module repeats for ever: each pass over it is one epoch, worker processes stay alive between
passes, `set_epoch(e)` puts it at the start of any epoch without history, and `start_at(e, b)` within one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, RandomSampler

from ultralytics.data.balance import image_weights
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.fraction import get_split_fraction
from ultralytics.data.samplers import (
    GENERATOR_BASE,
    ContiguousDistributedSampler,
    EpochBatchSampler,
    RankSampler,
    epoch_order,
    stream_seed,
)
from ultralytics.errors import ConfigValueError, NotAvailable
from ultralytics.registry import get
from ultralytics.utils import environment
from ultralytics.utils.logging import colorstr
from ultralytics.utils.processes import explain_early_ends, refuse_unguarded_start

if TYPE_CHECKING:
    from ultralytics.data.sources.dispatch import check_source as check_source
    from ultralytics.data.sources.dispatch import load_inference_source as load_inference_source

__all__ = [
    "ContiguousDistributedSampler",
    "InfiniteDataLoader",
    "build_dataloader",
    "build_grounding",
    "build_yolo_dataset",
    "check_source",
    "load_inference_source",
    "seed_worker",
]


def __getattr__(name: str) -> Any:  # Any: functions of the inference sources, loaded on first use
    if name in ("check_source", "load_inference_source"):
        from ultralytics.data.sources import dispatch

        return getattr(dispatch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class InfiniteDataLoader(DataLoader[Any]):
    """A DataLoader that keeps its workers and goes on with the next epoch.

    `len()` is the number of batches of one pass. `set_epoch(e)` before a pass makes that pass epoch e; without it
    passes follow one another. Indexes of shuffled or augmented data carry the seed of their sample.
    """

    def __init__(
        self,
        *args: Any,
        order_seed: int | None = None,
        weights: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Describe the loader.

        Args:
            *args, **kwargs: as DataLoader.
            order_seed: seed of order and samples, default: that of `generator`, or 0.
            weights: how often each sample comes relative to the others, when shuffled; default: equally often.
        """
        generator = kwargs.get("generator")
        if order_seed is None:
            order_seed = generator.initial_seed() if generator is not None else 0
        super().__init__(*args, **kwargs)
        self._stream: Any = None  # Any: torch's private iterator class
        self._position = self._skipped = 0
        self._batches: EpochBatchSampler | None = None
        self._weights = weights
        self.set_seeds(order_seed, order_seed)

    def set_seeds(self, order: int, samples: int) -> None:
        """Seeds of the order of samples and of the random draws for each; the next pass is that of epoch 0."""
        self.close()
        self.seeds = {"order": order, "augmentation": samples}
        self._position = self._skipped = 0
        self._batches = self._make_batches(order, samples)
        if self._batches is not None:
            object.__setattr__(self, "batch_sampler", self._batches)

    def _make_batches(self, order: int, samples: int) -> EpochBatchSampler | None:
        """Endless batches in the order of the sampler; None for data sets that are streams themselves."""
        if self.batch_size is None or not hasattr(self.dataset, "__len__"):
            return None
        sampler = self.sampler
        marked = isinstance(sampler, (RandomSampler, DistributedSampler)) or bool(
            getattr(self.dataset, "augment", False)
        )
        return EpochBatchSampler(
            epoch_order(sampler, len(self.dataset), order, self._weights),
            self.batch_size,
            self.drop_last,
            samples,
            self.num_workers,
            marked,
            (getattr(sampler, "rank", 0), getattr(sampler, "num_replicas", 1)),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        if self._batches is None:
            yield from super().__iter__()
            return
        rest, self._skipped = len(self) - self._skipped, 0
        for _ in range(rest):
            batch = self._first() if self._stream is None else next(self._stream)
            self._position += 1
            yield batch

    def _first(self) -> Any:
        """Start the workers; their first batch."""
        if not self.num_workers:
            self._stream = super().__iter__()
            return next(self._stream)
        refuse_unguarded_start()
        with explain_early_ends():
            self._stream = super().__iter__()
            return next(self._stream)

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass epoch `epoch`; nothing happens when it would be anyway."""
        if self._batches is None or self._position == epoch * len(self):
            return
        self._put_at(epoch)

    @property
    def can_start_within(self) -> bool:
        """Whether `start_at` works: not for streams, which have no order of their own."""
        return self._batches is not None

    def start_at(self, epoch: int, batch: int) -> None:
        """Make the next pass the rest of an epoch, after `batch` of its batches."""
        self._put_at(epoch, batch)

    def _put_at(self, epoch: int, batch: int = 0) -> None:
        self.close()
        if self._batches is not None:
            self._batches.set_epoch(epoch, batch)
            self._position, self._skipped = epoch * len(self) + batch, batch

    def reset(self) -> None:
        """Start new workers at the beginning of the next pass, so that they see changes of the data set."""
        self._put_at(-(-self._position // max(len(self), 1)))

    def close(self) -> None:
        """Stop the worker processes; the next pass starts new ones."""
        stream, self._stream = getattr(self, "_stream", None), None
        stop = getattr(stream, "_shutdown_workers", None)
        if stop is not None:
            stop()
        object.__setattr__(self, "_iterator", None)  # torch's own reference to persistent workers

    def __del__(self) -> None:
        self.close()


def _cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seed_worker(worker_id: int) -> None:
    """Start-up of a worker process: seeds of `random` and NumPy, and OpenCV without threads of its own."""
    import cv2

    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)
    cv2.setNumThreads(0)


# Any below: cfg is a settings namespace, data a checked description
def build_yolo_dataset(
    cfg: Any,
    img_path: str | Sequence[str],
    batch: int,
    data: dict[str, Any],
    mode: str = "train",
    rect: bool = False,
    stride: int = 32,
    multi_modal: bool = False,
    fraction: float | None = None,
    kind: type[YOLODataset] | None = None,
) -> YOLODataset:
    """Data set of one split.

    Args:
        cfg: settings; imgsz, cache, single_cls, task, classes, fraction, rect and augmentation are read.
        img_path: images of the split.
        batch: images per batch.
        data: checked description.
        mode: "train" augments, anything else does not.
        rect: rectangular batches.
        stride: of the model.
        multi_modal: open-vocabulary data, not available in this version.
        fraction: share of the images; default: the configured one for this split.
        kind: class to use instead of the task's.
    """
    if multi_modal:
        raise NotAvailable("open-vocabulary data sets are not available in this version")
    kind = kind or get(cfg.task).load_dataset().suited_to(data)
    is_train = mode == "train"
    if data.get("complete"):
        fraction = 1.0
    elif fraction is None:
        split = "train" if is_train else getattr(cfg, "split", None) or "val"
        fraction = get_split_fraction(cfg.fraction, split)
    return kind(
        img_path=img_path,
        imgsz=cfg.imgsz,
        batch_size=batch,
        augment=is_train,
        hyp=cfg,
        rect=cfg.rect or rect,
        cache=cfg.cache or None,
        single_cls=cfg.single_cls or False,
        stride=stride,
        pad=0.0 if is_train else kind.val_pad,
        prefix=colorstr(f"{mode}: "),
        task=cfg.task,
        classes=cfg.classes,
        data=data,
        fraction=fraction,
    )


def build_grounding(*args: Any, **kwargs: Any) -> Any:
    """Grounding data for open-vocabulary training comes in a later version."""
    raise NotAvailable("grounding data sets are not available in this version")


def build_dataloader(
    dataset: Dataset[Any],
    batch: int,
    workers: int,
    shuffle: bool = True,
    rank: int = -1,
    drop_last: bool = False,
    pin_memory: bool = True,
    device: str | torch.device = "cuda",
    balance: float = 0.0,
) -> InfiniteDataLoader:
    """Loader of a data set (spec 30, 6.2).

    Args:
        dataset: with a length; its `collate_fn` joins samples.
        batch: images per batch and rank, at most the length of the set.
        workers: processes at most; fewer when there are few cores or batches, none for a single batch.
        shuffle: new order in every epoch.
        rank: -1 for a single process. Ranks share the order and the random draws of a single process: the samples
            of one step over all ranks are those of its step. An epoch that does not divide evenly repeats its
            first samples; without `shuffle` nothing is repeated and a rank may have no sample.
        drop_last: leave out an incomplete last batch, if a whole one remains.
        pin_memory: page-locked batches; only done when an accelerator takes them.
        device: where batches go.
        balance: show images of rare classes more often, see `data.balance`.

    Raises:
        ConfigValueError: an empty data set, a batch below 1, or `balance` without `shuffle` or without labels.
    """
    total = len(dataset)  # type: ignore[arg-type]  # map-style data sets have a length
    if total == 0 or batch < 1:
        raise ConfigValueError(f"cannot make batches of {batch} from {total} images")
    if balance and not shuffle:
        raise ConfigValueError(
            f"balance={balance} needs shuffled images, which rect=True rules out"
        )
    batch = min(batch, total)
    seed = torch.initial_seed() - environment.rank() - 1
    sampler: Any = None
    if rank != -1:
        sampler = (
            RankSampler(dataset, environment.world_size(), rank, shuffle=True, seed=seed)
            if shuffle
            else ContiguousDistributedSampler(dataset, environment.world_size(), rank=rank)  # type: ignore[arg-type]
        )
    per_rank = total if sampler is None else len(sampler)
    batches = -(-per_rank // batch)
    accelerators = torch.cuda.device_count() if torch.cuda.is_available() else 0
    workers = min(_cores() // max(accelerators, 1), workers, 0 if batches <= 1 else batches)
    generator = torch.Generator()
    generator.manual_seed((GENERATOR_BASE + environment.rank() + seed) % 2**64)
    return InfiniteDataLoader(
        dataset=dataset,
        batch_size=batch,
        shuffle=shuffle and sampler is None,
        sampler=sampler,
        num_workers=workers,
        prefetch_factor=None if workers == 0 else 4 if shuffle else 2,
        pin_memory=accelerators > 0
        and pin_memory
        and torch.device(device).type not in ("cpu", "mps"),
        collate_fn=getattr(dataset, "collate_fn", None),
        worker_init_fn=seed_worker,
        persistent_workers=False,
        generator=generator,
        # The order of a single process on every rank, which takes its share of it.
        order_seed=stream_seed(seed),
        weights=image_weights(dataset, balance).tolist() if balance else None,
        drop_last=drop_last and per_rank > batch and per_rank % batch != 0,
    )
