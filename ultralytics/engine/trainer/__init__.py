"""Training engine. `BaseTrainer` is the public base class; `loop` tells the story of a run."""

from ultralytics.engine.trainer.base import BaseTrainer
from ultralytics.engine.trainer.multi import MultiTrainer

__all__ = ["BaseTrainer", "MultiTrainer"]
