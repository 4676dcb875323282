"""Prediction of what looks like given regions of the pictures (visual prompts)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ultralytics.engine.predictor import BasePredictor
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.segment import SegmentationPredictor
from ultralytics.models.yolo.yoloe.prompts import Regions, is_per_picture, regions_of

__all__ = ["YOLOEVPDetectPredictor", "YOLOEVPSegPredictor"]

BOX = 4  # numbers of a box, in front of the class scores
CLASS = 5  # column of rows that need no suppression


class YOLOEVPDetectPredictor(DetectionPredictor):
    """Predictor with visual prompts.

    Classes are counted over the prompts of all pictures, in ascending order of their numbers. A picture without a
    region of some class has no detection of it.

    Attributes:
        prompts: "cls" with "bboxes" or "masks", flat for every picture or one array per picture.
    """

    has_columns = True
    tileable = False  # prompts are places in whole pictures
    prompts: dict[str, Any]  # Any: arrays, or lists of arrays

    def setup_model(self, model: Any, verbose: bool = True) -> None:
        """Prepare a copy of a network; a run without prompts to warm it up makes no sense."""
        super().setup_model(model, verbose=verbose)
        self.done_warmup = True

    def set_prompts(self, prompts: dict[str, Any]) -> None:
        """Use these prompts from now on."""
        self.prompts = prompts
        self._regions: list[Regions] = regions_of(prompts)
        numbers = {float(number) for part in self._regions for number in part.cls}
        self._classes = sorted(numbers)

    @staticmethod
    def is_per_image(prompts: dict[str, Any]) -> bool:
        """Whether there is one array of prompts per picture."""
        return is_per_picture(prompts)

    @property
    def class_names(self) -> dict[int, str]:
        """Names of the classes of the prompts, which have none of their own."""
        return {i: f"object{i}" for i in range(len(self._classes))}

    def preprocess(self, im: Any) -> Tensor:
        """Network input as in the base class; also draws the prompts of the batch."""
        x = super().preprocess(im)
        first = self.seen if len(self._regions) > 1 else 0
        sizes = [x.shape[2:]] * len(x) if isinstance(im, Tensor) else [one.shape for one in im]
        drawn = [
            self._regions[first + i if len(self._regions) > 1 else 0].cells(
                self._classes, x.shape[2:], size
            )
            for i, size in enumerate(sizes)
        ]
        self._active.visuals = torch.stack(drawn).to(x)
        return x

    def inference(self, im: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run the network on an input and the prompts drawn for it."""
        visuals: Tensor = self._active.visuals
        present = visuals.flatten(2).any(-1)
        if bool(present.all()):
            return super().inference(im, *args, vpe=visuals, **kwargs)
        # a class without a region must not win over those that have one: each picture gets its own ones only
        parts = []
        for one, drawn, own in zip(im.split(1), visuals, present, strict=True):
            preds = super().inference(one, *args, vpe=drawn[own][None], **kwargs)
            parts.append(_spread(preds[0], own, self.model.end2end))
        joined = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        return (joined if len(joined) > 1 else joined[0]), None

    def get_vpe(self, source: Any) -> Tensor:
        """Class embeddings (1, K, D) of the prompts in one picture.

        Raises:
            ConfigValueError: more than one picture.
        """
        self.setup_source(source)
        if len(self.dataset) != 1:
            raise ConfigValueError(f"a reference is one picture, got {len(self.dataset)}")
        _, pictures, _ = next(iter(self.dataset))
        with torch.inference_mode():
            x = BasePredictor.preprocess(self, pictures)
            visuals = self._regions[0].cells(self._classes, x.shape[2:], pictures[0].shape)
            found: Tensor = self.model(x, vpe=visuals[None].to(x), return_vpe=True)
        return found.clone()  # not one of inference mode


class YOLOEVPSegPredictor(YOLOEVPDetectPredictor, SegmentationPredictor):
    """The same with masks."""


def _spread(answer: Any, own: Tensor, end2end: bool) -> list[Tensor]:
    """The answer for one picture with the classes of all pictures; those it was not asked for score zero.

    Args:
        answer: (1, 4 + k + ..., A), or (1, n, 6 + ...) when nothing is left to suppress; with prototypes a pair.
        own: (K,) the k classes it was asked for.
        end2end: which of the two forms it is.
    """
    y, *rest = answer if isinstance(answer, (list, tuple)) else (answer,)
    if end2end:
        y = y.clone()
        y[..., CLASS] = own.nonzero()[:, 0][y[..., CLASS].long()].to(y.dtype)
        return [y, *rest]
    asked = int(own.sum())
    boxes, scores, others = y.split((BOX, asked, y.shape[1] - BOX - asked), dim=1)
    spread = scores.new_zeros(1, len(own), scores.shape[2])
    spread[:, own] = scores
    return [torch.cat((boxes, spread, others), dim=1), *rest]
