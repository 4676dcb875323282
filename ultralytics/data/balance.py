"""Showing images of rare classes more often (setting `balance`).

An epoch has as many images as the set, but an image may come several times or not at all. With power p the weight of
a class is `(most / count) ** p`, that of an image the largest of its classes, 1 for an image without labels; this is
repeat-factor sampling (Gupta et al. 2019, LVIS, section 5.2) with a power instead of a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ultralytics.errors import ConfigValueError

__all__ = ["BalancedOrder", "class_weights", "image_weights"]

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
MASK64 = (1 << 64) - 1


class BalancedOrder:
    """Images of every epoch: each comes as often as its share of the weights says, rounded up or down at random.

    A function of seed and epoch alone.

    Args:
        weights: positive weight of each image.
        seed: of all epochs.
    """

    def __init__(self, weights: Sequence[float] | Floats, seed: int) -> None:
        self.weights = np.asarray(weights, np.float64)
        self.seed = seed

    def __call__(self, epoch: int) -> list[int]:
        """The images of an epoch, in random order."""
        size = len(self.weights)
        generator = torch.Generator()
        generator.manual_seed((self.seed + 0x9E3779B97F4A7C15 * (epoch + 1)) & MASK64)
        places = torch.randperm(size, generator=generator).numpy()
        ends = np.cumsum(self.weights[places])
        # Evenly spaced marks on the joined weights: an image gets the whole part of its share, at times one more.
        start = torch.rand((), generator=generator, dtype=torch.float64).item()
        marks = (np.arange(size) + start) / size * ends[-1]
        chosen = places[np.minimum(np.searchsorted(ends, marks, side="right"), size - 1)]
        mixed: list[int] = chosen[torch.randperm(size, generator=generator).numpy()].tolist()
        return mixed


def class_weights(counts: Whole, power: float) -> Floats:
    """`(most / count) ** power` of every class; 1 for classes without labels."""
    weights = np.ones(len(counts))
    present = counts > 0
    weights[present] = (counts.max() / counts[present]) ** power
    return weights


def image_weights(dataset: Any, power: float) -> Floats:  # Any: a data set with labels
    """Weight of every image of a data set.

    Raises:
        ConfigValueError: the data set lists no classes, or has no labels.
    """
    classes, images = _labels_of(dataset)
    if not len(classes):
        raise ConfigValueError(f"balance={power}: the training set has no labels to balance")
    weights = np.ones(len(dataset))
    np.maximum.at(weights, images, class_weights(np.bincount(classes), power)[classes])
    return weights


def _labels_of(dataset: Any) -> tuple[Whole, Whole]:
    """Class and image of every label."""
    if getattr(dataset, "use_class_maps", False):
        raise ConfigValueError(
            "balance has no effect on class maps, whose images hold many classes; use cls_pw"
        )
    if hasattr(dataset, "store"):
        classes = dataset.store.block[:, 0]
        counts = np.diff(dataset.store.offsets)
    elif hasattr(dataset, "samples"):
        classes = np.array([sample[1] for sample in dataset.samples])
        counts = np.ones(len(classes), np.int64)
    else:
        found = [np.ravel(label["cls"]) for label in getattr(dataset, "labels", ())]
        classes = np.concatenate(found) if found else np.zeros(0)
        counts = np.array([len(part) for part in found], np.int64)
    return classes.astype(np.int64), np.repeat(np.arange(len(counts)), counts)
