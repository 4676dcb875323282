"""Small helpers without a better home: default arguments, addresses, notices."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ultralytics.utils.logging import LOGGER

__all__ = [
    "clean_url",
    "deprecation_warn",
    "get_default_args",
    "set_sentry",
    "url2file",
    "vscode_msg",
]

HELP_MSG = (
    "Use `yolo TASK MODE key=value ...` or `from ultralytics import YOLO`; "
    "`yolo help` lists tasks, modes and arguments."
)


def get_default_args(func: Callable[..., object]) -> dict[str, Any]:  # Any: default values
    """Parameters of a function that have a default, with it."""
    parameters = inspect.signature(func).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def deprecation_warn(arg: str, new_arg: str | None = None) -> None:
    """Log that an argument is outdated, and what replaces it."""
    hint = f" Use '{new_arg}' instead." if new_arg else ""
    LOGGER.warning(f"'{arg}' is deprecated and will be removed in the future.{hint}")


def clean_url(url: str | Path) -> str:
    """Address without its query, with percent escapes decoded."""
    text = url.as_posix().replace(":/", "://", 1) if isinstance(url, Path) else str(url)
    return unquote(text).split("?", 1)[0]


def url2file(url: str | Path) -> str:
    """File name at the end of an address."""
    text = clean_url(url)
    return PurePosixPath(urlsplit(text).path if "://" in text else text).name


def set_sentry() -> None:
    """Nothing: this package sends no crash reports. Kept because callers expect the name."""


def vscode_msg(ext: str = "ultralytics.ultralytics-snippets") -> str:
    """Empty text: this package advertises nothing. Kept because callers expect the name."""
    return ""
