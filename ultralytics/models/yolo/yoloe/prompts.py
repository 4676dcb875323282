"""Prompts a user gives: regions of pictures, and files of class embeddings.

Regions are corner boxes in pixels of the original picture, each with the number of its class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.augment import LetterBox, LoadVisualPrompt
from ultralytics.errors import ConfigValueError
from ultralytics.geometry.letterbox import letterbox_geometry

__all__ = ["Regions", "checked_prompts", "read_embeddings", "regions_of", "write_embeddings"]

KEYS = ("bboxes", "cls")
CELL = 8  # input pixels per cell of the prompt grid
FILE_KEYS = {"embeddings", "names", "model"}

Array = np.ndarray[Any, Any]
Prompts = Mapping[str, Any]  # Any: arrays, or lists of one array per picture


@dataclass(frozen=True)
class Regions:
    """Prompts of one picture.

    Attributes:
        cls: (n,) class numbers.
        bboxes: (n, 4) corners in pixels; used when there are no masks.
        masks: (n, h, w) masks of the size of the picture.
    """

    cls: Array
    bboxes: Array | None = None
    masks: Array | None = None

    def cells(self, classes: Sequence[float], input_hw: Sequence[int], size: Any) -> Tensor:
        """Which cells (K, H / 8, W / 8) of the finest level belong to each of the classes.

        Args:
            classes: all class numbers, ascending; those without a region here get no cell.
            input_hw: height and width of the network input.
            size: (height, width, ...) of the picture.
        """
        shape = (int(input_hw[0]), int(input_hw[1]))
        drawn = LoadVisualPrompt().get_visuals(
            self.cls, shape, bboxes=self._boxes(shape, size), masks=self._masks(shape)
        )
        found = drawn.new_zeros(len(classes), *drawn.shape[1:])
        own = np.searchsorted(np.asarray(classes), np.unique(self.cls))
        found[torch.from_numpy(own)] = drawn
        return found

    def _boxes(self, shape: tuple[int, int], size: Any) -> Tensor | None:
        if self.masks is not None or self.bboxes is None:
            return None
        (height, width), (pad_x, pad_y) = size[:2], letterbox_geometry(shape, size)[1]
        gain = min(shape[0] / height, shape[1] / width)
        boxes = torch.as_tensor(np.asarray(self.bboxes), dtype=torch.float32) * gain
        return _with_cells(boxes + torch.tensor([pad_x, pad_y, pad_x, pad_y]))

    def _masks(self, shape: tuple[int, int]) -> Array | None:
        if self.masks is None:
            return None
        fit = LetterBox(shape, auto=False, padding_value=0)
        flat = [fit(image=np.ascontiguousarray(mask, np.uint8)) for mask in self.masks]
        return np.stack(flat)


def _with_cells(boxes_N4: Tensor) -> Tensor:
    """Boxes in input pixels; a side between two cell corners is moved so that one cell lies in it."""
    low, high = (boxes_N4 / CELL).split(2, dim=1)
    is_lost = low.ceil() >= high
    nearest = ((low + high) / 2).floor()
    low, high = torch.where(is_lost, nearest, low), torch.where(is_lost, nearest + 1, high)
    return torch.cat((low, high), dim=1) * CELL


def checked_prompts(prompts: Prompts, source: Any, has_reference: bool) -> dict[str, Any]:
    """A copy of what a user gave, or one error that says what is wrong with it.

    Args:
        prompts: "bboxes" and "cls", flat or one array per picture.
        source: what is predicted.
        has_reference: whether the prompts belong to a picture of their own.

    Raises:
        ConfigValueError: see the text.
    """
    if not all(key in prompts for key in KEYS):
        raise ConfigValueError(
            f"Expected 'bboxes' and 'cls' in visual prompts, got {list(prompts)}"
        )
    if not all(isinstance(prompts[key], Sequence) or np.ndim(prompts[key]) for key in KEYS):
        raise ConfigValueError("Expected non-scalar 'bboxes' and 'cls' in visual prompts")
    boxes, classes = prompts["bboxes"], prompts["cls"]
    if len(boxes) != len(classes) or not len(boxes):
        raise ConfigValueError(
            "Expected an equal, non-zero number of 'bboxes' and 'cls' in visual prompts, "
            f"got {len(boxes)} and {len(classes)}"
        )
    if isinstance(source, np.ndarray) and source.ndim == 4:
        raise ConfigValueError(
            "4-D NumPy sources are not supported with visual prompts; give a list"
        )
    if is_per_picture(prompts):
        _check_per_picture(boxes, source, has_reference)
    for box, cls in zip(*_rows(prompts), strict=True):
        _check_regions(np.asarray(box), np.asarray(cls))
    return {key: prompts[key] for key in KEYS}


def _check_per_picture(boxes: Any, source: Any, has_reference: bool) -> None:
    is_series = isinstance(source, (list, tuple)) or (
        isinstance(source, Tensor) and source.ndim == 4
    )
    if has_reference or not is_series:
        raise ConfigValueError(
            "Expected flat 'bboxes' and 'cls' arrays: one array per picture needs a list of pictures "
            "and no refer_image"
        )
    if len(boxes) != len(source):
        raise ConfigValueError(
            f"Expected one prompt per source image, got {len(boxes)} for {len(source)} images"
        )


def _check_regions(boxes: Array, classes: Array) -> None:
    if classes.ndim != 1 or classes.dtype.kind not in "iufb":
        raise ConfigValueError(
            f"Expected non-string scalar class indices in 'cls', got {classes!r}"
        )
    if not len(classes) or boxes.shape != (len(classes), 4):
        raise ConfigValueError(
            f"Expected non-string scalar class indices, one for every box of 4 numbers; got boxes "
            f"{boxes.shape} and classes {classes.shape}"
        )


def is_per_picture(prompts: Prompts) -> bool:
    """Whether both entries are lists of arrays, one for every picture."""
    return all(
        isinstance(prompts.get(key), list) and all(isinstance(x, np.ndarray) for x in prompts[key])
        for key in KEYS
    )


def _rows(prompts: Prompts) -> tuple[list[Any], list[Any]]:
    boxes, classes = prompts["bboxes"], prompts["cls"]
    return (boxes, classes) if is_per_picture(prompts) else ([boxes], [classes])


def regions_of(prompts: Prompts) -> list[Regions]:
    """Prompts picture by picture; a single entry stands for all pictures.

    Raises:
        ValueError: neither boxes nor masks.
    """
    if "bboxes" not in prompts and "masks" not in prompts:
        raise ValueError("visual prompts need 'bboxes' or 'masks'")
    if "masks" in prompts and "bboxes" not in prompts:
        return [Regions(np.asarray(prompts["cls"]), masks=np.asarray(prompts["masks"]))]
    return [
        Regions(np.asarray(cls), bboxes=np.asarray(box, np.float32))
        for box, cls in zip(*_rows(prompts), strict=True)
    ]


# files


def write_embeddings(
    file: str | Path, names: Sequence[str], embeddings: Tensor, model: str
) -> Path:
    """Write class embeddings (1, K, D) of a model as .npz; returns the path."""
    path = Path(file).with_suffix(".npz")
    np.savez(
        path,
        embeddings=embeddings.detach().cpu().float().numpy(),
        names=np.asarray(list(names), dtype=np.str_),
        model=np.asarray(model, dtype=np.str_),
    )
    return path


def read_embeddings(file: str | Path, model: str, width: int) -> tuple[list[str], Tensor]:
    """Names and embeddings (1, K, D) of a file written for the same model.

    Raises:
        ConfigValueError: the file belongs to another model, or does not hold what it should.
    """
    with np.load(file, allow_pickle=False) as stored:
        if set(stored.files) != FILE_KEYS:
            raise ConfigValueError(
                f"{file} holds {sorted(stored.files)} in place of {sorted(FILE_KEYS)}"
            )
        embeddings, names, owner = (stored[key] for key in ("embeddings", "names", "model"))
    if owner.ndim or names.ndim != 1 or owner.dtype.kind != "U" or names.dtype.kind != "U":
        raise ConfigValueError(f"{file} is damaged: names and model must be texts")
    if str(owner) != model:
        raise ConfigValueError(f"{file} was made with the model {owner}, this is {model}")
    if embeddings.dtype != np.float32 or embeddings.shape != (1, len(names), width):
        raise ConfigValueError(
            f"{file} holds embeddings {embeddings.dtype} {embeddings.shape} for {len(names)} names; "
            f"this model needs float32 (1, {len(names)}, {width})"
        )
    if not np.isfinite(embeddings).all():
        raise ConfigValueError(f"{file} holds embeddings that are not finite")
    return [str(name) for name in names], torch.from_numpy(embeddings)
