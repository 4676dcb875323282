"""`YOLOWorld`: the facade of YOLO-World."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ultralytics.engine.facade.roles import Roles
from ultralytics.engine.model import ClassTable, Model
from ultralytics.errors import ConfigValueError

__all__ = ["YOLOWorld"]


class YOLOWorld(Model):
    """A YOLO-World model. See `Model` for what it can do.

    Args:
        model: weights, architecture, or another `Model`.
        verbose: log the layers while building.
    """

    def __init__(
        self, model: str | Path | Model = "yolov8s-world.pt", verbose: bool = False
    ) -> None:
        super().__init__(model=model, task="detect", verbose=verbose)

    @property
    def task_map(self) -> ClassTable:
        """Classes of the one task, by role; training is not part of this version."""
        return {
            "detect": Roles(
                {
                    "model": "ultralytics.nn.tasks:WorldModel",
                    "trainer": "ultralytics.models.yolo.world:WorldTrainer",
                    "validator": "ultralytics.models.yolo.world:WorldValidator",
                    "predictor": "ultralytics.models.yolo.detect:DetectionPredictor",
                }
            )
        }

    def set_classes(self, classes: Sequence[str]) -> None:
        """Detect what these texts say.

        Raises:
            ConfigValueError: a blank text.
            MissingExtra, FileNotFoundError: the text encoder is not there, see `nn.text_model`.
        """
        named = [str(name) for name in classes]
        if any(not name.strip() for name in named):
            raise ConfigValueError(f"a class needs a text, got {named}")
        network = self._network()
        network.set_classes(named)
        network.names = dict(enumerate(named))
        self.predictor = None
