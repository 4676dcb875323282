"""What the ranks of the tests import: tiny networks, trainers and callbacks.

Normalisation keeps its statistics, so that the arithmetic does not depend on how a batch is shared out.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import nn

from ultralytics.data.augment import LetterBox
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.environment import rank

SHARDS = 2  # of a batch in `ShardedModel`
MOMENT = "moment"  # file of the time at which a rank fails

DETECT = """
nc: 2
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [[2], 1, Detect, [nc]]
"""
CLASSIFY = """
nc: 2
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [-1, 1, Classify, [nc]]
"""


def paint_classes(folder: Path, counts: dict[str, int]) -> Path:
    """Folders of two classes, red and blue pictures with noise."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for cls, colour in enumerate([(40, 40, 200), (200, 40, 40)]):
            place = folder / split / str(cls)
            place.mkdir(parents=True)
            for i in range(count // 2):
                noise = rng.integers(-30, 30, (32, 32, 3))
                picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                cv2.imwrite(str(place / f"{i}.png"), picture)
    return folder


def _hold_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class Detector(DetectionTrainer):
    """Detection with held statistics."""

    def _model_train(self) -> None:
        super()._model_train()
        _hold_norms(self.model)


class Classifier(ClassificationTrainer):
    """Classification with held statistics."""

    def _model_train(self) -> None:
        super()._model_train()
        _hold_norms(self.model)


class ShardedModel(DetectionModel):
    """Sums the losses of interleaved parts of a batch, as ranks see them: the oracle of a run on several."""

    def loss(self, batch: dict[str, Any], preds: Any = None) -> Any:
        if not self.training:
            return super().loss(batch, preds)
        total, items = None, {}
        for part in range(SHARDS):
            rows = batch["batch_idx"] % SHARDS == part
            shard = {
                "img": batch["img"][part::SHARDS],
                "cls": batch["cls"][rows],
                "bboxes": batch["bboxes"][rows],
                "batch_idx": (batch["batch_idx"][rows] - part) / SHARDS,
            }
            loss, found = super().loss(shard)
            total = loss if total is None else total + loss
            items = {k: items.get(k, 0) + v / SHARDS for k, v in found.items()}
        return total, items


class ShardedDetector(Detector):
    """One process that takes the steps of two."""

    model_type = ShardedModel


class Flat(Detector):
    """Fitness that never grows."""

    def validate(self) -> tuple[dict[str, float], float]:
        metrics, _ = super().validate()
        return metrics, 0.5


def scores_up(preds: Any, batch: dict[str, Any]) -> Any:
    """Push all class scores up."""
    found = preds[1] if isinstance(preds, tuple) else preds
    loss = nn.functional.softplus(-found["scores"]).mean()
    return loss * len(batch["img"]), {"score": loss.detach()}


def keep_still(steps: list[Any]) -> list[Any]:
    """No step that changes pixels: every process sees the same pictures."""
    return [LetterBox((64, 64))]


def _is_second_epoch(trainer: Any) -> bool:
    return bool(trainer.epoch == 1)


def _is_time(trainer: Any, guilty: int) -> bool:
    """Whether it is for this rank to fail now; the moment is written down."""
    is_now = rank() == guilty and _is_second_epoch(trainer)
    if is_now:
        (trainer.save_dir / MOMENT).write_text(str(time.time()))
    return is_now


def fail_on_0(trainer: Any) -> None:
    if _is_time(trainer, 0):
        raise ValueError("a drawn mistake")


def fail_on_1(trainer: Any) -> None:
    if _is_time(trainer, 1):
        raise ValueError("a drawn mistake")


def die_on_0(trainer: Any) -> None:
    if _is_time(trainer, 0):
        os.kill(os.getpid(), signal.SIGKILL)


def die_on_1(trainer: Any) -> None:
    if _is_time(trainer, 1):
        os.kill(os.getpid(), signal.SIGKILL)


def die_within_an_epoch(trainer: Any) -> None:
    """Rank 1 dies after the first of the two batches of the second epoch."""
    if rank() == 1 and trainer.batches_done == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def sleep_on_1(trainer: Any) -> None:
    if _is_time(trainer, 1):
        time.sleep(90)


def stop_on_1(trainer: Any) -> None:
    trainer.stop = rank() == 1 and _is_second_epoch(trainer)


def dawdle(trainer: Any) -> None:
    time.sleep(0.05 * (1 + rank()))


def note(trainer: Any) -> None:
    """Write how this rank ended."""
    seen = getattr(trainer.validator, "seen", None)
    facts = {"epoch": trainer.epoch, "seen": seen, "batches": len(trainer.train_loader)}
    (trainer.save_dir / f"rank{rank()}.json").write_text(json.dumps(facts))
