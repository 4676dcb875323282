"""What can be wrong with a data set: the errors of this package and the record of one bad file or row.

Each error is a `DatasetError` (or `DatasetNotFound`) that also is the built-in exception which callers of
the interface catch for that mistake.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ultralytics.errors import DatasetError, DatasetNotFound

__all__ = [
    "AmbiguousDataset",
    "DescriptionKeyError",
    "DescriptionSyntaxError",
    "DescriptionTypeError",
    "DescriptionValueError",
    "LabelError",
    "Problem",
]


class DescriptionSyntaxError(DatasetError, SyntaxError):
    """A data set description that lacks a key or contradicts itself."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DescriptionTypeError(DatasetError, TypeError):
    """A value of the wrong type in a data set description."""


class DescriptionValueError(DatasetError, ValueError):
    """A value outside its allowed range in a data set description or in `fraction`."""


class DescriptionKeyError(DatasetError, KeyError):
    """Class names that do not number 0 to n - 1, or a key that the task needs and that is not there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class AmbiguousDataset(DatasetNotFound, AssertionError):
    """A folder that does not hold exactly one usable data set description."""


class LabelError(DatasetError, ValueError):
    """Labels that cannot be used for the task, or a data set without any."""


@dataclass(frozen=True)
class Problem:
    """One bad file or row.

    Attributes:
        file: the file to look at.
        line: 1-based line of a label file, 0 for the whole file.
        text: what is wrong, with the value.
        action: what was done about it, such as "row dropped" or "image dropped".
    """

    file: str
    line: int
    text: str
    action: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text} ({self.action})"

    def record(self) -> dict[str, Any]:  # Any: text and numbers
        """The fields under the names used in a report file: file, line, problem, action."""
        fields = asdict(self)
        fields["problem"] = fields.pop("text")
        return fields
