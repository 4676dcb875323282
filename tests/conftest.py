"""Every test gets settings of its own and leaves the package's logger as it found it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Machines under load would fail a time limit per example.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.narrow", "tests.painted"]

# Set before anything reads the settings, which happens once per process.
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="ultralytics-tests-")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    from ultralytics.utils.logging import LOGGER

    before = (list(LOGGER.handlers), LOGGER.level, LOGGER.propagate)
    yield
    LOGGER.handlers[:], LOGGER.propagate = before[0], before[2]
    LOGGER.setLevel(before[1])
