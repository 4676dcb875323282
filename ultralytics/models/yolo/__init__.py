"""The YOLO family: one package per task, the facade, and every task's engine classes by name (from the registry)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ultralytics import registry
from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo import detect as detect
    from ultralytics.models.yolo.model import YOLO as YOLO
    from ultralytics.models.yolo.world.model import YOLOWorld as YOLOWorld
    from ultralytics.models.yolo.yoloe.model import YOLOE as YOLOE

_load, _list, __all__ = attach(
    __name__,
    {
        "YOLO": "ultralytics.models.yolo.model",
        "YOLOE": "ultralytics.models.yolo.yoloe.model",
        "YOLOWorld": "ultralytics.models.yolo.world.model",
        "detect": "ultralytics.models.yolo.detect:",
        "world": "ultralytics.models.yolo.world:",
        "yoloe": "ultralytics.models.yolo.yoloe:",
    },
    later=dict.fromkeys(
        ("depth", "DepthTrainer", "DepthValidator", "DepthPredictor"), "task depth is"
    ),
)


def __getattr__(name: str) -> Any:  # Any: a class or a package
    if name.startswith("_"):
        return _load(name)
    for task in registry.all_tasks().values():
        if name in (task.name, *task.aliases):
            return import_module(task.trainer.partition(":")[0])
        for role in registry.ENGINE_ROLES:
            if getattr(task, role).endswith(f":{name}"):
                return task.load(role)
    return _load(name)


def __dir__() -> list[str]:
    return _list()
