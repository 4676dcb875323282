"""Memory of trainings in one process and of cached images in several; see the scripts in benchmarks/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc"
    ),
]


def check(script: str, *words: str) -> str:
    """Output of a script, which has to succeed."""
    command = [sys.executable, str(BENCHMARKS / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_memory_of_ten_trainings_stays_flat() -> None:
    said = check("trainings.py", "--runs", "10", "--epochs", "1", "--limit", "3")
    assert "training 10: " in said
    assert "10 trainings, growth since training 2: " in said


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_images_cached_in_memory_are_there_once(method: str) -> None:
    said = check("ram_cache.py", "--method", method, "--workers", "4", "--limit", "1.25")
    assert f"{method}: 4 workers" in said
