"""Loader workers that are not forked: a training gives the same numbers, and a script without a guard is told so."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

BODY = """
import json
import multiprocessing
import sys

from ultralytics.models.yolo.detect import DetectionTrainer

METHOD, WORKERS, ARGS = json.loads(sys.argv[1])


class WorkersOnAnyDevice(DetectionTrainer):
    def _build_loaders(self):
        self.args.workers = WORKERS  # a processor gets none otherwise
        super()._build_loaders()


def count(trainer):
    stream = trainer.train_loader._stream
    print("WORKERS", len(getattr(stream, "_workers", [])), type(stream).__name__)


def main():
    multiprocessing.set_start_method(METHOD, force=True)
    trainer = WorkersOnAnyDevice(overrides=ARGS)
    trainer.add_callback("on_train_batch_end", count)
    trainer.train()


"""
GUARDED = BODY + 'if __name__ == "__main__":\n    main()\n'
UNGUARDED = BODY + "main()\n"


def run(script: Path, content: str, *words: object) -> subprocess.CompletedProcess[str]:
    script.write_text(content)
    return subprocess.run(
        [sys.executable, str(script), json.dumps(words)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def losses(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_trainings_with_workers_of_every_kind_agree(
    short_run: dict[str, Any], tmp_path: Path
) -> None:
    found = {}
    for method, workers in (("fork", 0), ("fork", 2), ("spawn", 2), ("forkserver", 2)):
        args = {**short_run, "model": "yolo11n.yaml", "name": f"{method}{workers}"}
        done = run(tmp_path / "guarded.py", GUARDED, method, workers, args)
        assert done.returncode == 0, done.stderr
        counts = {line for line in done.stdout.splitlines() if line.startswith("WORKERS")}
        kind = "_MultiProcessingDataLoaderIter" if workers else "_SingleProcessDataLoaderIter"
        assert counts == {f"WORKERS {workers} {kind}"}
        found[method, workers] = losses(tmp_path / f"{method}{workers}")
    alone = found.pop(("fork", 0))
    assert len(alone) == 2
    assert all(rows == alone for rows in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_guard_ends_with_a_hint(
    method: str, short_run: dict[str, Any], tmp_path: Path
) -> None:
    args = {**short_run, "model": "yolo11n.yaml", "name": "run"}
    done = run(tmp_path / "unguarded.py", UNGUARDED, method, 2, args)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ultralytics.errors.UnguardedScript: ")
    assert "if __name__ == '__main__':" in last
    assert "begins anew in there" in done.stderr  # what the worker said
    assert [path.name for path in tmp_path.glob("run*")] in ([], ["run"])
