"""`YOLO`: the facade of the YOLO family."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import get_args

from ultralytics.engine.facade.opening import is_model_file
from ultralytics.engine.facade.roles import Roles
from ultralytics.engine.model import ClassTable, Model
from ultralytics.models.yolo.world.model import YOLOWorld
from ultralytics.models.yolo.yoloe.model import YOLOE
from ultralytics.nn import tasks
from ultralytics.registry import Role, all_tasks

__all__ = ["YOLO", "YOLOE", "YOLOWorld"]

# Class of a network's last layer -> facade that knows what to do with it, where that is another one.
FAMILIES = {
    "RTDETRDecoder": "ultralytics.models.rtdetr:RTDETR",
    "WorldDetect": "ultralytics.models.yolo.world:YOLOWorld",
    "YOLOEDetect": "ultralytics.models.yolo.yoloe:YOLOE",
    "YOLOESegment": "ultralytics.models.yolo.yoloe:YOLOE",
    "YOLOESegment26": "ultralytics.models.yolo.yoloe:YOLOE",
}


class YOLO(Model):
    """A YOLO model of any generation and task. See `Model` for what it can do.

    A model of a family with a facade of its own, such as RT-DETR, makes the object one of that facade.
    """

    def __init__(
        self,
        model: str | Path | Model = "yolo26n.pt",
        task: str | None = None,
        verbose: bool = False,
    ) -> None:
        name = str(model).strip()
        if not isinstance(model, Model) and is_model_file(name):
            _join_family(self, str(tasks.yaml_model_load(name)["head"][-1][2]))
        Model.__init__(self, model=model, task=task, verbose=verbose)
        layers = getattr(self.model, "model", None)
        if layers:
            _join_family(self, type(layers[-1]).__name__)

    @property
    def task_map(self) -> ClassTable:
        """Classes of every task of this version, by role."""
        return {
            name: Roles({role: getattr(task, role) for role in get_args(Role)})
            for name, task in all_tasks().items()
        }


def _join_family(model: Model, head: str) -> None:
    """Make an object one of the facade that a last layer belongs to."""
    module, _, attribute = FAMILIES.get(head, "").partition(":")
    if module:
        model.__class__ = getattr(import_module(module), attribute)
