"""Part of a split that a run uses: a ratio in (0, 1] or a number of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ultralytics.data.problems import DescriptionTypeError, DescriptionValueError

__all__ = ["choose_by_class", "count_images", "get_split_fraction"]

SPLITS = ("train", "val", "test")
Fraction = float | int


def get_split_fraction(fraction: Fraction | Sequence[Fraction], split: str) -> Fraction:
    """The share of one split (spec 30, 2.11).

    Args:
        fraction: one value for the training images, or a list for train, val and test. Whole
            numbers above 1 count images; 0 and 1 are ratios.
        split: name of the split; others than train, val and test are always whole.

    Raises:
        DescriptionTypeError: a value that is no number.
        DescriptionValueError: a negative value, a ratio above 1, or nothing of train or val.
    """
    if isinstance(fraction, (list, tuple)):
        position = SPLITS.index(split) if split in SPLITS else len(fraction)
        share = fraction[position] if position < len(fraction) else 1.0
    else:
        share = fraction if split == "train" else 1.0
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        raise DescriptionTypeError(f"fraction={fraction!r}: {split} share must be a number")
    if isinstance(share, int) and share in (0, 1):
        share = float(share)
    if share < 0 or (isinstance(share, float) and share > 1):
        raise DescriptionValueError(
            f"fraction={fraction!r}: {split} share must be a ratio from 0 to 1 or a number of images"
        )
    if share == 0 and split in ("train", "val"):
        raise DescriptionValueError(f"fraction={fraction!r}: the {split} share must not be 0")
    return share


def count_images(total: int, share: Fraction) -> int:
    """Number of images to use of `total`; a ratio keeps at least one."""
    return min(total, share if isinstance(share, int) else max(1, round(total * share)))


def choose_by_class(classes: npt.ArrayLike, count: int) -> npt.NDArray[np.int64]:
    """Indexes of `count` images, rising, that keep the shares of the classes.

    Every class gives its share rounded (largest remainders first, lower classes on ties) and at least one image
    where `count` allows it; the images of a class are evenly spaced over it, its first and last included.

    Args:
        classes: (n,) class of every image.
        count: images wanted; all when there are not more.
    """
    labels = np.asarray(classes)
    if count >= len(labels):
        return np.arange(len(labels))
    present, sizes = np.unique(labels, return_counts=True)
    quotas = _quotas(sizes, count)
    parts = [
        np.flatnonzero(labels == one)[np.linspace(0, size - 1, quota).astype(np.int64)]
        for one, size, quota in zip(present, sizes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(parts))


def _quotas(sizes: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Whole numbers that add up to `count` and follow the sizes."""
    exact = sizes * (count / sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    rest = np.argsort(quotas - exact, kind="stable")[: count - quotas.sum()]
    quotas[rest] += 1
    if count >= len(sizes):
        for i in np.flatnonzero(quotas == 0):
            quotas[np.argmax(quotas)] -= 1
            quotas[i] = 1
    return quotas
