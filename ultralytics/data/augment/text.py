"""Steps of open-vocabulary training: sampled class texts and visual prompts. Chapter 30, 5.14."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ultralytics.data.augment.compose import Labels
from ultralytics.geometry.boxes import xywh2xyxy

__all__ = ["LoadVisualPrompt", "RandomLoadText"]


class RandomLoadText:
    """Choose the texts of the classes in the image and of some that are not there.

    Afterwards `texts` is a list of strings, class ids are positions in it, and objects of classes that
    were not chosen are gone.
    """

    def __init__(
        self,
        prompt_format: str = "{}",
        neg_samples: tuple[int, int] = (80, 80),
        max_samples: int = 80,
        padding: bool = False,
        padding_value: Sequence[str] | None = None,
    ) -> None:
        """Store the settings.

        Args:
            prompt_format: template around each text.
            neg_samples: least and largest number of absent classes.
            max_samples: largest number of texts.
            padding: always return `max_samples` texts.
            padding_value: texts to fill up with.
        """
        self.prompt_format = prompt_format
        self.neg_samples = neg_samples
        self.max_samples = max_samples
        self.padding = padding
        self.padding_value = [""] if padding_value is None else list(padding_value)

    def __call__(self, labels: Labels) -> Labels:
        """Sample texts. Raises AssertionError for a sample without `texts`."""
        if "texts" not in labels:
            raise AssertionError("the sample has no 'texts'")
        synonyms = labels["texts"]
        classes = labels.pop("cls").reshape(-1).astype(int)
        chosen = self._choose(np.unique(classes).tolist(), len(synonyms))
        place = {number: i for i, number in enumerate(chosen)}
        keep = np.array([c in place for c in classes], bool)
        labels["instances"] = labels["instances"][keep]
        labels["cls"] = np.array([[place[c]] for c in classes[keep]], np.float32).reshape(-1, 1)
        labels["texts"] = [self._phrase(synonyms[number]) for number in chosen]
        missing = self.max_samples - len(chosen)
        if self.padding and missing > 0:
            labels["texts"] += random.choices(self.padding_value, k=missing)
        return labels

    def _choose(self, present: list[int], count: int) -> list[int]:
        if len(present) > self.max_samples:
            present = random.sample(present, k=self.max_samples)
        room = min(count, self.max_samples) - len(present)
        wanted = min(room, random.randint(*self.neg_samples))
        absent = [i for i in range(count) if i not in set(present)]
        return present + random.sample(absent, k=min(wanted, len(absent)))

    def _phrase(self, synonyms: Sequence[str]) -> str:
        return self.prompt_format.format(synonyms[random.randrange(len(synonyms))])


class LoadVisualPrompt:
    """Add `visuals`: for every class in the image the places of its objects on a coarse grid."""

    def __init__(self, scale_factor: float = 1 / 8) -> None:
        """Args: scale_factor: size of the grid relative to the image."""
        self.scale_factor = scale_factor

    def __call__(self, labels: Labels) -> Labels:
        """Add the prompts to a formatted sample."""
        boxes = labels.get("bboxes")
        height, width = labels["img"].shape[1:]
        if boxes is not None and "masks" not in labels:
            boxes = xywh2xyxy(boxes) * torch.tensor([width, height, width, height])
        classes = labels["cls"].reshape(-1).to(torch.int)
        labels["visuals"] = self.get_visuals(
            classes, (height, width), bboxes=boxes, masks=labels.get("masks")
        )
        return labels

    @staticmethod
    def make_mask(boxes: Tensor, h: int, w: int) -> Tensor:
        """Which cells (N, h, w) lie in each corner box: left and top included, right and bottom not."""
        x1, y1, x2, y2 = boxes[:, :4].unsqueeze(-1).unbind(1)
        columns = torch.arange(w, device=boxes.device, dtype=boxes.dtype)
        rows = torch.arange(h, device=boxes.device, dtype=boxes.dtype)
        across = (columns >= x1) & (columns < x2)
        down = (rows >= y1) & (rows < y2)
        return down[:, :, None] & across[:, None, :]

    def get_visuals(
        self,
        category: Any,  # Any: array, list or tensor of class ids
        shape: tuple[int, int],
        bboxes: Any = None,  # Any: array or tensor
        masks: Any = None,  # Any: array or tensor
    ) -> Tensor:
        """Maps (number of classes, H / 8, W / 8), classes in ascending order.

        Args:
            category: class id of every object.
            shape: image height and width.
            bboxes: pixel corners; used when there are no masks.
            masks: masks (N, h, w).

        Raises:
            ValueError: neither boxes nor masks were given.
        """
        grid = (int(shape[0] * self.scale_factor), int(shape[1] * self.scale_factor))
        if masks is not None:
            places = [
                cv2.resize(np.asarray(m, np.uint8), grid[::-1], interpolation=cv2.INTER_NEAREST)
                for m in masks
            ]
            cells = torch.from_numpy(np.stack(places)) if places else torch.zeros(0, *grid)
        elif bboxes is not None:
            cells = self.make_mask(torch.as_tensor(bboxes) * self.scale_factor, *grid)
        else:
            raise ValueError("a visual prompt needs boxes or masks")
        ids, number = torch.as_tensor(category).unique(return_inverse=True)
        visuals = torch.zeros(len(ids), *grid)
        for k, cell in zip(number.tolist(), cells, strict=True):
            visuals[k] = torch.logical_or(visuals[k], cell)
        return visuals
