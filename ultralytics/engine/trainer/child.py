"""The process of one training of a series: `python -m ultralytics.engine.trainer.child REQUEST`.

The request is a JSON file, so that every argument keeps its type and paths may hold any character. The process ends
when the one that started it does, however that ends: it waits for the end of its standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from ultralytics.errors import UltralyticsError
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["main"]

ORPHANED = 3  # exit status


def main(request_file: str) -> int:
    """Make the training of a request; returns the exit status.

    What goes wrong is written to the file that the request calls `failure`.
    """
    end_with_parent(sys.stdin.fileno())
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    try:
        facade = _named(request["facade"])(request["model"], task=request["task"])
        facade.overrides["model"] = request["name"]  # what the run records
        facade.train(trainer=_named(request["trainer"]), **request["args"])
    except Exception as error:  # noqa: BLE001  the boundary of the process; the parent reports it
        atomic_write(request["failure"], f"{type(error).__name__}: {error}")
        if not isinstance(error, UltralyticsError):
            LOGGER.exception("The training of a series failed.")
        return 1
    return 0


def _named(path: str) -> Any:  # Any: a class
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def end_with_parent(descriptor: int) -> None:
    """End this process, at once, when a pipe that only its parent writes to ends."""

    def watch() -> None:
        while os.read(
            descriptor, 1
        ):  # not through a buffer, whose lock a normal end would wait for
            pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
