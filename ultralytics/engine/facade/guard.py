"""A lock for objects that are copied and stored: the copy has a lock of its own."""

from __future__ import annotations

import threading

__all__ = ["Guard"]


class Guard:
    """Lets one thread at a time into a block; the thread that is inside may enter again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[Guard], tuple[()]]:
        return Guard, ()
