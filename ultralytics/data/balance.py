"""Showing images of rare classes more often (setting `balance`).

With power p the weight of a class is `(most / count) ** p`, that of an image the largest of its classes, 1 for an
image without labels: repeat-factor sampling (Gupta et al. 2019, LVIS, section 5.2) with a power instead of a threshold.
`samplers.BalancedOrder` makes epochs of these weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics.errors import ConfigValueError

__all__ = ["class_weights", "image_weights"]

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


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
        counts = dataset.store.counts
    elif hasattr(dataset, "samples"):
        classes = np.array([sample[1] for sample in dataset.samples])
        counts = np.ones(len(classes), np.int64)
    else:
        found = [np.ravel(label["cls"]) for label in getattr(dataset, "labels", ())]
        classes = np.concatenate(found) if found else np.zeros(0)
        counts = np.array([len(part) for part in found], np.int64)
    return classes.astype(np.int64), np.repeat(np.arange(len(counts)), counts)
