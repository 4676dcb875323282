"""The record of a search survives being cut short, and says where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ultralytics.engine.tuner.history import History, best_index
from ultralytics.errors import ResumeError


def record(iteration: int, fitness: float = 0.5, **more: Any) -> dict[str, Any]:
    values = {"hyperparameters": {"lr0": 0.01}, "datasets": {"a": {"fitness": fitness}}}
    return {"iteration": iteration, "fitness": fitness, **values, **more}


def test_records_come_back(tmp_path: Path) -> None:
    history = History(tmp_path / "r.ndjson")
    assert history.records == []
    history.append(record(1))
    history.append(record(2, save_dirs={"a": tmp_path}, extra=np.float32(0.5)))
    again = History(tmp_path / "r.ndjson").records
    assert again == history.records
    assert again[1]["save_dirs"] == {"a": str(tmp_path)}
    assert again[1]["extra"] == 0.5


def test_the_file_may_end_at_any_byte(tmp_path: Path) -> None:
    file = tmp_path / "r.ndjson"
    whole = b"".join(json.dumps(record(i)).encode() + b"\n" for i in (1, 2))
    first = whole.index(b"\n") + 1
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        history = History(file)
        expected = (end >= first - 1) + (end >= len(whole) - 1)
        assert len(history.records) == expected, end
        history.append(record(3))  # lands on a line of its own
        numbers = [json.loads(line)["iteration"] for line in file.read_text().splitlines()]
        assert numbers == [*[1, 2][:expected], 3]


def test_damage_elsewhere_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "r.ndjson"
    file.write_text(json.dumps(record(1)) + "\n{broken\n" + json.dumps(record(3)) + "\n")
    with pytest.raises(ResumeError, match="line 2"):
        History(file)


def test_the_best_is_the_fittest_that_trained() -> None:
    failed = record(1, 0.9) | {"datasets": {}}
    assert best_index([failed, record(2, 0.2), record(3, 0.4), record(4, 0.4)]) == 2
    assert best_index([record(1, 0.1) | {"datasets": {}}, failed]) == 1
