"""Every error the library raises on purpose.

Each class also inherits the built-in exception that callers of the interface already catch, so that an existing
`except FileNotFoundError` keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ConfigTypeError",
    "ConfigValueError",
    "DatasetError",
    "DatasetNotFound",
    "DownloadError",
    "MissingExtra",
    "NotAvailable",
    "RankError",
    "ResumeError",
    "SourceError",
    "UltralyticsError",
    "UnguardedScript",
    "UnsafeCheckpoint",
    "nearest",
]


class UltralyticsError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(UltralyticsError, SyntaxError, ValueError):
    """An argument name that does not exist, or a command line that cannot be parsed."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ConfigTypeError(UltralyticsError, TypeError):
    """An argument of the wrong type."""


class ConfigValueError(UltralyticsError, ValueError):
    """An argument outside its allowed values."""


class DatasetError(UltralyticsError, RuntimeError):
    """A data set that exists but cannot be used."""


class DatasetNotFound(UltralyticsError, FileNotFoundError):
    """A data set, split or image that is not there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SourceError(UltralyticsError, FileNotFoundError):
    """An inference source that does not exist or holds nothing readable."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class CheckpointError(UltralyticsError, TypeError):
    """A weights file that is damaged or of the wrong kind."""


class UnsafeCheckpoint(CheckpointError):
    """A weights file that names code outside the allow-list; nothing from it was run."""


class ResumeError(UltralyticsError, ValueError):
    """A run that cannot be continued as asked."""


class RankError(UltralyticsError, RuntimeError):
    """A process of a run on several devices that failed, died or does not answer; the text names it."""


class UnguardedScript(UltralyticsError, RuntimeError):
    """A script that trains again when a process it started imports it; the text says how to prevent that."""


class DownloadError(UltralyticsError, ConnectionError):
    """A download that failed, or one that was needed while offline."""


class MissingExtra(UltralyticsError, ModuleNotFoundError):
    """An optional package that is not installed; the text names the extra to install."""


class NotAvailable(UltralyticsError, NotImplementedError):
    """A known part of the interface that this version does not provide."""


# Callers and recorded facts know argument errors by the names of the built-in exceptions, and print them so.
ConfigError.__name__ = "SyntaxError"
ConfigTypeError.__name__ = "TypeError"
ConfigValueError.__name__ = "ValueError"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as "; did you mean 'epochs'?", or an empty text when nothing is close."""
    near = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
