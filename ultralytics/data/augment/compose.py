"""The frame of all sample transforms: one step, a list of steps, and steps that mix several samples.

A sample is a dict: `img` (H, W, C) uint8 BGR, `cls` (N, 1), `instances`, and optionally `semantic_mask`
(H, W), `depth` (H, W), `texts`, `rect_shape`. Transforms change the dict and return it. Numbers are
drawn from the global generators of `random` and NumPy, in the order of chapter 30, 5.2.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["BaseMixTransform", "BaseTransform", "Compose", "MixSource"]

Array = npt.NDArray[Any]  # Any: uint8 pixels, float coordinates, masks
Labels = dict[str, Any]  # Any: see the module header; users add keys of their own
Params = dict[str, Any]  # Any: what one transform draws for one sample
Transform = Callable[[Labels], Labels]


class MixSource(Protocol):
    """What mixing transforms need of a data set."""

    def __len__(self) -> int: ...

    def get_image_and_label(self, index: int) -> Labels:
        """A private copy of one sample, image loaded and resized."""


class BaseTransform:
    """One step: draw parameters, then apply them to pixels, objects, class map and depth map.

    Subclasses override the parts they change; each part takes and returns the sample.
    """

    def __call__(self, labels: Labels) -> Labels:
        """Change a sample and return it."""
        return self._apply(labels, self.get_params(labels))

    def get_params(self, labels: Labels) -> Params:
        """Everything drawn or derived that the apply steps share."""
        return {}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Change the pixels."""
        return labels

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Change classes, boxes, polygons and keypoints."""
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Change the class map, when there is one."""
        return labels

    def apply_depth(self, labels: Labels, params: Params) -> Labels:
        """Change the depth map, when there is one."""
        return labels

    def _apply(self, labels: Labels, params: Params) -> Labels:
        for step in (
            self.apply_image,
            self.apply_instances,
            self.apply_semantic,
            self.apply_depth,
        ):
            labels = step(labels, params)
        return labels


class Compose:
    """Transforms applied one after the other; a list that can be called."""

    def __init__(self, transforms: Transform | list[Transform]) -> None:
        """Keep a list as it is; wrap a single transform."""
        self.transforms = transforms if isinstance(transforms, list) else [transforms]

    def __call__(self, data: Any) -> Any:  # Any: whatever the first transform takes
        """Send a sample through all transforms."""
        for transform in self.transforms:
            data = transform(data)
        return data

    def append(self, transform: Transform) -> None:
        """Add a transform at the end."""
        self.transforms.append(transform)

    def insert(self, index: int, transform: Transform) -> None:
        """Add a transform before a position."""
        self.transforms.insert(index, transform)

    def tolist(self) -> list[Transform]:
        """The list itself, not a copy."""
        return self.transforms

    def __getitem__(self, index: int | list[int]) -> Any:  # Any: a transform, or Compose for a list
        """One transform, or a Compose of the transforms at a list of positions."""
        if isinstance(index, list):
            return Compose([self.transforms[i] for i in index])
        _check_index(index)
        return self.transforms[index]

    def __setitem__(self, index: int | list[int], value: Transform | list[Transform]) -> None:
        """Replace one transform, or those at a list of positions by a list of equal length."""
        if isinstance(index, list) != isinstance(value, list):
            raise AssertionError("positions and transforms must both be lists, or neither")
        places = index if isinstance(index, list) else [index]
        values = value if isinstance(value, list) else [value]
        if len(places) != len(values):
            raise AssertionError(f"{len(places)} positions for {len(values)} transforms")
        for place, transform in zip(places, values, strict=True):
            _check_index(place)
            if place >= len(self.transforms):
                raise AssertionError(
                    f"position {place} is out of range for {len(self.transforms)} transforms"
                )
            self.transforms[place] = transform

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.transforms))})"


class BaseMixTransform(BaseTransform):
    """A step that draws other samples of the data set, with probability `p`.

    While the apply steps run, the partners stand in `labels["mix_labels"]`, each sent through
    `pre_transform` if one is given, with a common list of texts.
    """

    def __init__(
        self, dataset: Any, pre_transform: Transform | None = None, p: float = 0.0
    ) -> None:
        """Args: dataset: a `MixSource`; mosaics also read its `buffer` and `cache`."""
        self.dataset = dataset
        self.pre_transform = pre_transform
        self.p = p

    def __call__(self, labels: Labels) -> Labels:
        """Mix a sample with others, or return it untouched."""
        if random.uniform(0, 1) > self.p:
            return labels
        chosen = self.get_indexes()
        numbers = chosen if isinstance(chosen, (list, tuple)) else [chosen]
        partners = [self.dataset.get_image_and_label(i) for i in numbers]
        if self.pre_transform is not None:
            partners = [self.pre_transform(partner) for partner in partners]
        labels["mix_labels"] = partners
        unify_texts([labels, *partners])
        labels = self._apply(labels, self.get_params(labels))
        labels.pop("mix_labels", None)
        return labels

    def get_indexes(self) -> int | Sequence[int]:
        """Numbers of the partners; one, uniformly drawn, unless a subclass says otherwise."""
        return random.randint(0, len(self.dataset) - 1)


def unify_texts(parts: list[Labels]) -> None:
    """Give samples with texts the ordered union of them, and classes that count in that union."""
    if "texts" not in parts[0]:
        return
    keys = [[tuple(text) for text in part["texts"]] for part in parts]
    union = {text: i for i, text in enumerate(dict.fromkeys(t for part in keys for t in part))}
    for part, own in zip(parts, keys, strict=True):
        classes = part["cls"].reshape(-1).astype(int)
        renumbered = np.array([union[own[c]] for c in classes], part["cls"].dtype)
        part["cls"] = renumbered.reshape(-1, 1)
        part["texts"] = [list(text) for text in union]


def _check_index(index: object) -> None:
    if not isinstance(index, int):
        raise AssertionError(f"a position must be an int or a list of ints, not {index!r}")
