"""A painted set with a tiny network, and a short run on it in which every kind of randomness takes part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine import kills


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tiny")
    kills.write_set(place, "detect")
    return place


@pytest.fixture
def tiny_run(tiny_folder: Path, tmp_path: Path) -> dict[str, Any]:
    changes = {"project": str(tmp_path), "name": "run", "save_period": -1}
    return kills.run_args(tiny_folder, "detect", 0) | changes
