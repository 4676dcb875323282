"""The row type of the argument table in `schema.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Kind", "Setting"]

Kind = Literal["flag", "int", "number", "share", "text", "name", "own"]


@dataclass(frozen=True)
class Setting:
    """One argument. `choices` empty means any value of the kind; `low` and `high` are inclusive."""

    name: str
    default: Any  # Any: whatever YAML scalar the file holds
    kind: Kind
    modes: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False

    @property
    def example(self) -> str:
        """How to write it on the command line."""
        return self.name if self.default is None else f"{self.name}={self.default}"
