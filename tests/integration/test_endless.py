"""Memory stays flat on endless sources; benchmarks/endless.py runs the same with 10,000 frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "endless.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("mode", ["predict", "track"])
def test_memory_stays_flat(mode: str) -> None:
    command = [sys.executable, str(SCRIPT), "--mode", mode, "--frames", "600", "--mark", "200"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{mode}: 600 frames" in done.stdout
