"""The YOLO family: one package per task, the facade, and every task's engine classes by name (from the registry)."""

from typing import TYPE_CHECKING, Any

from ultralytics import registry
from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.models.yolo import detect as detect
    from ultralytics.models.yolo.model import YOLO as YOLO

_LATER = {  # prefix of class names -> task package
    "Segmentation": "segment",
    "SemanticSegmentation": "semantic",
    "Depth": "depth",
    "Classification": "classify",
    "Pose": "pose",
    "OBB": "obb",
}

_load, _list, __all__ = attach(
    __name__,
    {
        "YOLO": "ultralytics.models.yolo.model",
        "detect": "ultralytics.models.yolo.detect:",
    },
    later={
        name: f"task {task} is"
        for prefix, task in _LATER.items()
        for name in (task, *(f"{prefix}{role.capitalize()}" for role in registry.ENGINE_ROLES))
    },
)


def __getattr__(name: str) -> Any:  # Any: a class or a package
    if not name.startswith("_"):
        for task in registry.all_tasks().values():
            for role in registry.ENGINE_ROLES:
                if getattr(task, role).endswith(f":{name}"):
                    return task.load(role)
    return _load(name)


def __dir__() -> list[str]:
    return _list()
