"""The batch with most labels, trained on once before the first epoch, so that a lack of memory shows at once.

Nothing of it stays: weights are not changed, statistics, gradients and generators go back to what they were, and the
samples are made in a process of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ultralytics.data.build import seed_worker
from ultralytics.data.samplers import SampleIndex
from ultralytics.engine.trainer import exact, memory, recovery
from ultralytics.engine.trainer.forward import losses_of
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_parallel

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["densest", "rehearse"]

PARTNERS = 4  # images of a mosaic


def rehearse(trainer: BaseTrainer) -> None:
    """Train on the densest batch without a step; on a lack of memory go on with a smaller batch.

    It is made on GPUs, or where `dry_run` of the trainer says so, of a run of one process. Tasks whose labels need the
    same memory in every batch have none.
    """
    wanted = trainer.device.type == "cuda" if trainer.dry_run is None else trainer.dry_run
    if not wanted or trainer.is_shared:
        return
    trainer.epoch = trainer.start_epoch
    counts = label_counts(trainer.train_loader.dataset)
    while counts is not None:
        batch = _samples(trainer, counts)
        error = _try(trainer, batch)
        if error is None:
            _announce(trainer, batch)
            return
        recovery.shrink_batch(trainer)
        trainer.midway = None  # a run that goes on within an epoch has other batches now


def label_counts(dataset: Any) -> np.ndarray | None:  # Any: of any task
    """Labels of every image (n,), or None where labels are not lists of objects."""
    store = getattr(dataset, "store", None)
    return None if store is None else store.counts


def densest(counts: np.ndarray, images: int) -> list[int]:
    """The images with most labels, the first ones of equal count, as many as there are."""
    return np.argsort(-counts, kind="stable")[:images].tolist()


def _samples(trainer: BaseTrainer, counts: np.ndarray) -> dict[str, Any]:
    """A batch of the densest images, mixed with one another, made by a process that ends with it."""
    loader, size = trainer.train_loader, int(trainer.batch_size)
    pool = tuple(densest(counts, PARTNERS * size))
    indexes = [SampleIndex(i, 0, position, pool) for position, i in enumerate(pool[:size])]
    source = DataLoader(
        loader.dataset,
        batch_sampler=[indexes],
        num_workers=1,
        collate_fn=loader.collate_fn,
        worker_init_fn=seed_worker,
        generator=torch.Generator(),
    )
    batch: dict[str, Any] = next(iter(source))
    return batch


def _try(trainer: BaseTrainer, batch: dict[str, Any]) -> str | None:
    """One forward and backward pass; what was wrong if there was not enough memory for it."""
    network = unwrap_parallel(trainer.model)
    grads = [(p, p.grad) for p in network.parameters()]
    for parameter, _ in grads:
        parameter.grad = None
    failed = None
    try:
        with exact.undisturbed(network):
            trainer._model_train()
            with trainer.precision.autocast():
                prepared = trainer.preprocess_batch(dict(batch))
                loss, _ = losses_of(trainer, prepared)
            trainer.scaler.scale(loss.sum()).backward()
    except RuntimeError as error:
        if not recovery.can_shrink_batch(trainer, error):
            raise
        failed = str(error)
    finally:
        for parameter, grad in grads:
            parameter.grad = grad
    return failed


def _announce(trainer: BaseTrainer, batch: dict[str, Any]) -> None:
    text = f"Dry run of a dense batch: {len(batch['img'])} images with {len(batch['cls'])} labels"
    if trainer.device.type == "cuda":
        peak = torch.cuda.max_memory_reserved(trainer.device) / memory.GIB
        total = memory.DeviceMemory(trainer.device).total
        text += f", at most {peak:.2f} of {total:.1f} GiB"
    LOGGER.info(text)
