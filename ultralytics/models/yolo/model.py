"""`YOLO`: the facade of the YOLO family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from ultralytics.engine.model import ClassTable, Model
from ultralytics.errors import NotAvailable
from ultralytics.registry import Role, Task, all_tasks

__all__ = ["YOLO"]

# Part of a file's stem -> family that has its own facade.
OTHER_FAMILIES = (("-world", "YOLOWorld"), ("yoloe", "YOLOE"), ("rtdetr", "RTDETR"))


class _Roles(Mapping[str, Any]):  # Any: classes
    """The classes of one task, imported when one is taken."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getitem__(self, role: str) -> Any:
        if role not in get_args(Role):
            raise KeyError(role)
        return self._task.load(role)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return iter(get_args(Role))

    def __len__(self) -> int:
        return len(get_args(Role))


class YOLO(Model):
    """A YOLO model of any generation and task. See `Model` for what it can do."""

    def __init__(
        self,
        model: str | Path | Model = "yolo26n.pt",
        task: str | None = None,
        verbose: bool = False,
    ) -> None:
        if not isinstance(model, Model):
            stem = Path(str(model)).stem.lower()
            other = next((family for part, family in OTHER_FAMILIES if part in stem), None)
            if other and str(model).lower().endswith((".yaml", ".yml")):
                raise NotAvailable(f"{other} models such as {model} are not part of this version")
        super().__init__(model=model, task=task, verbose=verbose)

    @property
    def task_map(self) -> ClassTable:
        """Classes of every task of this version, by role."""
        return {name: _Roles(task) for name, task in all_tasks().items()}
