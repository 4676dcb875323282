"""Between a network and a validation on the host: settings of the head, predictions and labels of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.utils.logging import LOGGER

__all__ = ["check_max_det", "labels_on_host", "on_host", "prepare_head"]

DEFAULT_MAX_DET = 300

Prediction = dict[str, Tensor]


def prepare_head(model: Any, args: Any) -> bool:
    """Give a head its settings; returns whether its branch without suppression runs.

    Args:
        model: network or backend.
        args: settings of the validation.
    """
    network = model.base_model if getattr(model, "pt", False) else model
    layers = getattr(network, "model", None)
    head = layers[-1] if isinstance(layers, nn.Sequential) else None
    if head is not None and hasattr(head, "max_det"):
        head.max_det = args.max_det
        head.agnostic_nms = args.agnostic_nms
    return bool(getattr(model, "end2end", False))


def on_host(preds: list[Prediction], keys: Sequence[str]) -> list[Prediction]:
    """The same predictions with some entries on the host, by one copy for all of them.

    Args:
        preds: predictions of each image.
        keys: entries to bring over; each has one row per object and all have one dtype.
    """
    if not preds or preds[0]["conf"].device.type == "cpu":
        return preds
    if len({_kinds(pred, keys) for pred in preds}) > 1:  # some come from tiles
        return [on_host([pred], keys)[0] for pred in preds]
    counts = [len(pred["conf"]) for pred in preds]
    widths = [math.prod(preds[0][key].shape[1:]) for key in keys]
    rows = [
        torch.cat(
            [pred[key].reshape(count, width) for key, width in zip(keys, widths, strict=True)], 1
        )
        for pred, count in zip(preds, counts, strict=True)
    ]
    blocks = torch.cat(rows).cpu().split(counts)
    moved = []
    for pred, block in zip(preds, blocks, strict=True):
        parts = zip(keys, block.split(widths, dim=1), strict=True)
        moved.append({**pred, **{key: part.reshape(pred[key].shape) for key, part in parts}})
    return moved


def _kinds(pred: Prediction, keys: Sequence[str]) -> tuple[Any, ...]:
    """Type and shape of the rows of every entry."""
    return tuple((pred[key].dtype, pred[key].shape[1:]) for key in keys)


def labels_on_host(batch: dict[str, Any], keys: Sequence[str]) -> dict[str, Tensor]:
    """Labels of a batch on the host."""
    return {key: batch[key].cpu() for key in keys}


def check_max_det(args: Any, datasets: Iterable[Any]) -> None:
    """Warn about images with more objects than `max_det`; raise it if it is the default."""
    most = max((_most_objects(dataset) for dataset in datasets), default=0)
    if most <= args.max_det:
        return
    if args.max_det == DEFAULT_MAX_DET:
        LOGGER.warning(f"One image holds {most} objects; max_det is raised to {most}.")
        args.max_det = most
    else:
        LOGGER.warning(f"One image holds {most} objects, more than max_det={args.max_det}.")


def _most_objects(dataset: Any) -> int:
    """Largest number of objects in an image; the flat store answers without making label records."""
    store = getattr(dataset, "store", None)
    if store is not None:
        return int(store.counts.max(initial=0))
    return max((len(label["cls"]) for label in dataset.labels), default=0)
