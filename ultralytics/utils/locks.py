"""Locks between processes, held on a small file beside the thing they protect.

The operating system releases a lock when its holder dies, so a lock file left behind blocks nobody.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["file_lock", "lock_path"]

POLL_SECONDS = 0.05


def lock_path(target: str | Path) -> Path:
    """Name of the lock file that belongs to a target."""
    path = Path(target)
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def file_lock(target: str | Path, timeout: float = 60.0) -> Iterator[None]:
    """Hold the exclusive lock of a target for a block.

    Args:
        target: file to protect; its folder must exist. The lock file is left in place, because
            removing it would let a third process lock a file nobody else sees.
        timeout: seconds to wait.

    Raises:
        TimeoutError: another process held the lock all the time.
    """
    path = lock_path(target)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(handle, path, time.monotonic() + timeout)
        try:
            yield
        finally:
            _unlock(handle)
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, deadline: float) -> None:
    while not _try_lock(handle):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"another process holds {path}")
        time.sleep(POLL_SECONDS)


if os.name == "nt":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
