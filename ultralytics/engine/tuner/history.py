"""The record of a search: one JSON object per line, each on the disk before the next training begins.

A line cut short by a crash is taken away when the file is read; the trial it belonged to is made again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ultralytics.errors import ResumeError
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["FILE_NAME", "History", "Record", "best_index", "has_metrics"]

FILE_NAME = "tune_results.ndjson"

# iteration, fitness, hyperparameters, datasets, save_dirs, failed_datasets
Record = dict[str, Any]  # Any: numbers, and tables of them


class History:
    """The trials made so far, in memory and in a file.

    Args:
        file: created by the first trial; what it holds already is read and, if torn, mended.

    Raises:
        ResumeError: a line before the last one is no record.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.records: list[Record] = self._read() if self.file.exists() else []

    def append(self, record: Record) -> None:
        """Add a trial; when this returns it survives a loss of power."""
        line = encode(record)
        with self.file.open("ab") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        self.records.append(json.loads(line))

    def replace(self, records: list[Record]) -> None:
        """Write the file anew, all at once."""
        atomic_write(self.file, b"".join(encode(record) for record in records))
        self.records = [json.loads(encode(record)) for record in records]

    def _read(self) -> list[Record]:
        *lines, rest = self.file.read_bytes().split(b"\n")
        records = [self._parse(number, line) for number, line in enumerate(lines, 1) if line]
        if not rest:
            return records
        try:
            records.append(decode(rest))  # whole but for its end of line
        except ValueError:
            LOGGER.warning(f"The last line of {self.file} was cut short; its trial is made again.")
        self.replace(records)
        return records

    def _parse(self, number: int, line: bytes) -> Record:
        try:
            return decode(line)
        except ValueError as error:
            raise ResumeError(
                f"{self.file}, line {number} is not a record of a search ({error}); repair or "
                "remove the file, or choose another name"
            ) from error


def encode(record: Record) -> bytes:
    """One line. Array numbers become plain ones."""
    return (json.dumps(record, default=_plain, allow_nan=True) + "\n").encode()


def decode(line: bytes) -> Record:
    """The record of a line; ValueError when it is none."""
    record = json.loads(line)
    if not isinstance(record, dict) or not {"fitness", "hyperparameters"} <= set(record):
        raise ValueError("fitness and hyperparameters are missing")
    return record


def _plain(value: Any) -> Any:  # Any: numbers of numpy and torch, paths
    return value.item() if hasattr(value, "item") else str(value)


def has_metrics(record: Record) -> bool:
    """Whether at least one training of the trial came to an end."""
    return any(record.get("datasets", {}).values())


def best_index(records: list[Record]) -> int:
    """Position of the fittest trial among those that trained, else among all; the earlier of equal ones."""
    trained = [i for i, record in enumerate(records) if has_metrics(record)]
    return max(trained or range(len(records)), key=lambda i: (records[i]["fitness"], -i))
