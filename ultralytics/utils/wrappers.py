"""Decorators: retry, swallow and report, run in a thread, one call at a time, plot settings."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ultralytics.utils.logging import LOGGER, emojis

__all__ = ["Retry", "ThreadingLocked", "TryExcept", "plt_settings", "threaded"]

P = ParamSpec("P")
R = TypeVar("R")


class TryExcept(contextlib.ContextDecorator):
    """Swallow any exception of a block or function and report it as a warning.

    Args:
        msg: text before the error.
        verbose: False reports nothing.
    """

    def __init__(self, msg: str = "", verbose: bool = True) -> None:
        self.msg = msg
        self.verbose = verbose

    def __enter__(self) -> TryExcept:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: object) -> bool:
        caught = kind is not None and issubclass(kind, Exception)
        if caught and self.verbose:
            LOGGER.warning(emojis(f"{self.msg}{': ' if self.msg else ''}{value}"))
        return caught


class Retry:
    """Call a function again when it raises.

    Args:
        times: attempts in total.
        delay: seconds; attempt n (from 0) that failed is followed by a pause of `delay * 2**n`.
        verbose: log each failure.
    """

    def __init__(self, times: int = 3, delay: float = 2, verbose: bool = True) -> None:
        self.times = times
        self.delay = delay
        self.verbose = verbose

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        @wraps(func)
        def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
            for attempt in range(self.times - 1):
                try:
                    return func(*args, **kwargs)
                except Exception as error:  # noqa: BLE001  the last attempt raises
                    if self.verbose:
                        LOGGER.info(f"Attempt {attempt + 1} of {self.times} failed: {error}")
                    time.sleep(self.delay * 2**attempt)
            return func(*args, **kwargs)

        return repeated


class ThreadingLocked:
    """Decorator that lets one thread at a time into a function."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        @wraps(func)
        def locked(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.lock:
                return func(*args, **kwargs)

        return locked


def threaded(func: Callable[..., R]) -> Callable[..., threading.Thread | R]:
    """Run each call in a thread of its own, which is returned; `threaded=False` runs it inline."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> threading.Thread | R:  # Any: passed through
        if not kwargs.pop("threaded", True):
            return func(*args, **kwargs)
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=False)
        thread.start()
        return thread

    return wrapper


def plt_settings(
    rcparams: dict[str, Any] | None = None,  # Any: matplotlib's own values
    backend: str = "Agg",
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: run a plotting function under temporary matplotlib parameters and backend."""

    @contextlib.contextmanager
    def temporary() -> Iterator[None]:
        import matplotlib
        import matplotlib.pyplot as plt

        previous = plt.get_backend()
        with matplotlib.rc_context(rcparams or {"font.size": 11}):
            if previous.lower() != backend.lower():
                plt.switch_backend(backend)
            try:
                yield
            finally:
                if previous.lower() != backend.lower():
                    plt.close("all")
                    plt.switch_backend(previous)

    def decorate(func: Callable[P, R]) -> Callable[P, R]:
        @wraps(func)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            with temporary():
                return func(*args, **kwargs)

        return wrapper

    return decorate
