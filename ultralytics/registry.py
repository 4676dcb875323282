"""One entry per task. Every table keyed by task name is derived from here.

Entries live in `ultralytics/models/yolo/<task>/task.py`; they are found by listing that folder, so adding a task edits
no other file. Classes are named, not imported: listing tasks costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from ultralytics.errors import NotAvailable, nearest

__all__ = [
    "ENGINE_ROLES",
    "PLANNED_TASKS",
    "Role",
    "Task",
    "all_tasks",
    "get",
    "register",
    "resolve_name",
]

Role = Literal["model", "trainer", "validator", "predictor"]
ENGINE_ROLES: tuple[Role, ...] = ("trainer", "validator", "predictor")

# Tasks of the interface that have no entry yet; asking for one is a clear error, not an unknown name.
PLANNED_TASKS = ("detect", "segment", "semantic", "depth", "classify", "pose", "obb")
ALIASES = {"semseg": "semantic"}

_TASKS: dict[str, Task] = {}


@dataclass(frozen=True)
class Task:
    """What the library must know about a task.

    `model`, `trainer`, `validator` and `predictor` are "module:attribute" texts resolved on use.
    """

    name: str
    suffix: str
    metric: str
    default_model: str
    default_data: str
    calibration_data: str
    heads: tuple[str, ...]
    model: str
    trainer: str
    validator: str
    predictor: str

    def load(self, role: Role) -> Any:  # Any: a class, whose base depends on the role
        """Import and return the class that plays a role in this task."""
        module, _, attribute = getattr(self, role).partition(":")
        return getattr(import_module(module), attribute)


def register(task: Task) -> Task:
    """Add a task. A second entry of the same name is an error, never an overwrite."""
    if task.name in _TASKS:
        raise ValueError(f"task {task.name!r} is already registered")
    _TASKS[task.name] = task
    return task


@cache
def _discover() -> None:
    folder = Path(__file__).parent / "models" / "yolo"
    for entry in sorted(folder.glob("*/task.py")):
        import_module(f"ultralytics.models.yolo.{entry.parent.name}.task")


def all_tasks() -> dict[str, Task]:
    """Registered tasks by name, in the order of the interface."""
    _discover()
    order = {name: position for position, name in enumerate(PLANNED_TASKS)}
    return dict(sorted(_TASKS.items(), key=lambda item: order.get(item[0], len(order))))


def resolve_name(name: str) -> str:
    """The canonical name of a task; aliases are resolved, unknown names are a ValueError."""
    canonical = ALIASES.get(str(name), str(name))
    known = {*all_tasks(), *PLANNED_TASKS}
    if canonical not in known:
        listed = ", ".join([*all_tasks()])
        raise ValueError(
            f"unknown task {name!r}{nearest(str(name), known)}; choose one of: {listed}"
        )
    return canonical


def get(name: str) -> Task:
    """Look a task up by name.

    Raises:
        ValueError: the name is no task.
        NotAvailable: the task belongs to the interface but is not part of this version.
    """
    canonical = resolve_name(name)
    tasks = all_tasks()
    if canonical not in tasks:
        raise NotAvailable(
            f"task {canonical!r} is not part of this version; available: {', '.join(tasks)}"
        )
    return tasks[canonical]
