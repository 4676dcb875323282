"""How Python starts further processes, and what goes wrong when a script does not expect it.

Except where processes are forked, a new one imports the script of its parent. A script that trains at its top level
would then train in there too.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

from ultralytics.errors import UnguardedScript

__all__ = ["GUARD_HINT", "explain_early_ends", "refuse_unguarded_start", "start_method"]

GUARD_HINT = "put what the script does under `if __name__ == '__main__':`"


def start_method() -> str:
    """fork, spawn or forkserver: the chosen way, or that of the platform. Nothing is chosen by asking."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen or multiprocessing.get_all_start_methods()[0]


def refuse_unguarded_start() -> None:
    """Do nothing, except in a process that is still importing the script of its parent.

    Raises:
        UnguardedScript: in such a process.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UnguardedScript(
            f"a process that was started to help imports the script, which begins anew in there: {GUARD_HINT}"
        )


@contextmanager
def explain_early_ends() -> Iterator[None]:
    """Turn the many errors of worker processes that end as they start into one that tells the likely cause.

    Raises:
        UnguardedScript: a process that was not forked ended early.
    """
    try:
        yield
    except (BrokenPipeError, ConnectionResetError, EOFError, RuntimeError) as error:
        text = str(error)
        is_lost = not isinstance(error, RuntimeError) or "exited unexpectedly" in text
        # An error of the data set itself arrives as "Caught ... in DataLoader worker process".
        if not is_lost or text.startswith("Caught ") or start_method() == "fork":
            raise
        raise UnguardedScript(
            f"a worker process ended while it started ({start_method()}); its output above says why. "
            f"If that is about processes started too early: {GUARD_HINT}"
        ) from error
