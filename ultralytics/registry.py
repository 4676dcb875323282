"""One entry per task. Every table keyed by task name is derived from here.

Entries live in `ultralytics/models/yolo/<task>/task.py`; they are found by listing that folder, so adding a task edits
no other file. Classes are named, not imported: listing tasks costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from ultralytics.errors import NotAvailable, nearest

__all__ = [
    "ENGINE_ROLES",
    "MODULES_VARIABLE",
    "PLANNED_TASKS",
    "Labels",
    "Role",
    "Task",
    "all_tasks",
    "get",
    "has_background",
    "import_declared",
    "label_kind",
    "register",
    "resolve_name",
    "task_of_head",
    "task_of_stem",
    "task_words",
]

Role = Literal["model", "trainer", "validator", "predictor"]
ENGINE_ROLES: tuple[Role, ...] = ("trainer", "validator", "predictor")
# What a line of a label file holds beside the class; "folders": a folder names the class of its images, without
# label files; "none": something else.
Labels = Literal["boxes", "polygons", "keypoints", "corners", "folders", "maps", "none"]

# Tasks of the interface in its order. Asking for one that has no entry is a clear error, not an unknown name.
PLANNED_TASKS = ("detect", "segment", "semantic", "depth", "classify", "pose", "obb")
# Those without an entry -> part of their file names.
_COMING = {"depth": "-depth"}

MODULES_VARIABLE = "YOLO_MODULES"

_TASKS: dict[str, Task] = {}


@dataclass(frozen=True)
class Task:
    """What the library must know about a task.

    Attributes:
        name: canonical name.
        suffix: what names of its model files end in.
        metric: key of the headline metric.
        default_model, default_data, calibration_data: used when the user names none.
        heads: class names of its last layer.
        model, trainer, validator, predictor: "module:attribute" texts, resolved on use.
        head_words: parts of lower-cased class names that tell a user's own head; longer words win.
        file_marks: parts of file stems that mean this task; the suffix when empty. Longer ones win.
        aliases: other names users give the task.
        labels: what its label files hold.
        has_background: whether its confusion matrix counts what was found where nothing is.
        dataset: "module:attribute" of the class that reads its data, for descriptions in YAML.
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
    head_words: tuple[str, ...] = ()
    file_marks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    labels: Labels = "none"
    has_background: bool = True
    dataset: str = "ultralytics.data.dataset:YOLODataset"

    @property
    def marks(self) -> tuple[str, ...]:
        """Parts of file stems that mean this task."""
        return self.file_marks or ((self.suffix,) if self.suffix else ())

    @property
    def sample(self) -> str:
        """Data set that is rendered on this computer, to name in examples."""
        return f"shapes{self.suffix}" + ("" if self.labels == "folders" else ".yaml")

    def load(self, role: Role) -> Any:  # Any: a class, whose base depends on the role
        """Import and return the class that plays a role in this task."""
        return _imported(getattr(self, role))

    def load_dataset(self) -> Any:  # Any: a data set class
        """Import and return the class that reads the data of this task."""
        return _imported(self.dataset)


def _imported(place: str) -> Any:  # Any: whatever lives there
    module, _, attribute = place.partition(":")
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
    import_declared()


@cache
def import_declared() -> None:
    """Import, once, the modules listed in the environment variable YOLO_MODULES.

    They register what the user adds: tasks here, layers in `ultralytics.nn.tasks`.
    """
    for name in os.environ.get(MODULES_VARIABLE, "").split(","):
        if name.strip():
            import_module(name.strip())


def all_tasks() -> dict[str, Task]:
    """Registered tasks by name, in the order of the interface."""
    _discover()
    order = {name: position for position, name in enumerate(PLANNED_TASKS)}
    return dict(sorted(_TASKS.items(), key=lambda item: order.get(item[0], len(order))))


def task_words() -> dict[str, str]:
    """Every name a user may give a task -> its canonical name, in the order of the interface."""
    aliases = {alias: task.name for task in all_tasks().values() for alias in task.aliases}
    return {name: name for name in (*PLANNED_TASKS, *all_tasks())} | aliases


def resolve_name(name: str) -> str:
    """The canonical name of a task; aliases are resolved, unknown names are a ValueError."""
    words = task_words()
    if str(name) not in words:
        listed = ", ".join([*all_tasks()])
        raise ValueError(
            f"unknown task {name!r}{nearest(str(name), words)}; choose one of: {listed}"
        )
    return words[str(name)]


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


def label_kind(name: str) -> Labels:
    """What the label files of a task hold; also answered for tasks of the interface without an entry."""
    canonical = resolve_name(name)
    return "none" if canonical in _COMING else all_tasks()[canonical].labels


def has_background(name: str) -> bool:
    """Whether objects of a task can be found where nothing is; also answered for tasks without an entry."""
    canonical = resolve_name(name)
    return canonical not in _COMING and all_tasks()[canonical].has_background


def task_of_head(class_name: str) -> str | None:
    """Task of a network by the class name of its last layer; None when the name says nothing."""
    word = class_name.lower()
    for task in all_tasks().values():
        if word in (head.lower() for head in task.heads):
            return task.name
    words = {part: task.name for task in all_tasks().values() for part in task.head_words}
    words |= {name: name for name in _COMING}
    return next(
        (words[part] for part in sorted(words, key=len, reverse=True) if part in word), None
    )


def task_of_stem(stem: str) -> str | None:
    """Task that a part of a file name stands for; None when no part does."""
    marks = {mark: task.name for task in all_tasks().values() for mark in task.marks}
    marks |= {mark: name for name, mark in _COMING.items()}
    return next(
        (marks[mark] for mark in sorted(marks, key=len, reverse=True) if mark in stem), None
    )
