"""The package's logger, console output and terminal colours.

The library only attaches a null handler. `configure_logging` (called by the facade and the command
line) adds one console handler, and only where neither this logger nor the root logger has one.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
from typing import TextIO

from ultralytics.utils.environment import VERBOSE, WINDOWS, is_first_rank

__all__ = [
    "LOGGER",
    "LOGGING_NAME",
    "ConsoleHandler",
    "colorstr",
    "configure_logging",
    "emojis",
    "remove_colorstr",
    "set_logging",
]

LOGGING_NAME = "ultralytics"
HANDLER_NAME = "ultralytics-console"

LOGGER = logging.getLogger(LOGGING_NAME)
if not LOGGER.handlers:
    LOGGER.addHandler(logging.NullHandler())

COLORS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
STYLES = {  # SGR parameters of ECMA-48
    **{name: 30 + offset for offset, name in enumerate(COLORS)},
    **{f"bright_{name}": 90 + offset for offset, name in enumerate(COLORS)},
    "end": 0,
    "bold": 1,
    "underline": 4,
}
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def colorstr(*inputs: object) -> str:
    """Text wrapped in terminal styles.

    Args:
        inputs: style names followed by the text; a text alone is bold blue.

    Raises:
        KeyError: a style has no such name.
    """
    *names, text = inputs if len(inputs) > 1 else ("blue", "bold", inputs[0])
    return "".join(_escape(str(name)) for name in names) + f"{text}" + _escape("end")


def _escape(name: str) -> str:
    code = STYLES[name]
    return f"\x1b[{code}m" if code else "\x1b[0m"


def remove_colorstr(input_string: str) -> str:
    """Text without terminal control sequences."""
    return ESCAPE.sub("", input_string)


def emojis(string: object = "") -> str:
    """Text that the terminal can show: on Windows everything outside ASCII is dropped."""
    text = str(string)
    return text.encode("ascii", "ignore").decode() if WINDOWS else text


class PrefixFormatter(logging.Formatter):
    """Bare messages; warnings and errors say so first. The record itself is not changed."""

    PREFIXES = ((logging.ERROR, "ERROR \u274c "), (logging.WARNING, "WARNING \u26a0\ufe0f "))

    def format(self, record: logging.LogRecord) -> str:
        """Format a copy, so that another handler sees the plain message."""
        shown = copy.copy(record)
        prefix = next((text for level, text in self.PREFIXES if record.levelno >= level), "")
        message = record.getMessage()
        shown.msg = (
            message if prefix and message.startswith(prefix.split()[0]) else prefix + message
        )
        shown.args = None
        return emojis(super().format(shown))


class ConsoleHandler(logging.Handler):
    """Information to stdout, warnings and errors to stderr, looked up when a line is written."""

    terminator = "\n"

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; characters the stream cannot encode are replaced."""
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        try:
            self._write(stream, self.format(record) + self.terminator)
        except Exception:  # noqa: BLE001  the logging contract: report, never raise into the caller
            self.handleError(record)

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


def _level(verbose: bool) -> int:
    return logging.INFO if verbose and is_first_rank() else logging.ERROR


def set_logging(name: str = LOGGING_NAME, verbose: bool = True) -> logging.Logger:
    """Give a logger this package's console handler, replacing an earlier one of ours.

    The logger stops propagating: its lines would otherwise appear twice under a configured root.
    """
    level = _level(verbose)
    logger = logging.getLogger(name)
    for handler in [h for h in logger.handlers if h.name == HANDLER_NAME]:
        logger.removeHandler(handler)
    console = ConsoleHandler(level)
    console.name = HANDLER_NAME
    console.setFormatter(PrefixFormatter("%(message)s"))
    logger.addHandler(console)
    logger.setLevel(level)
    logger.propagate = False
    return logger


def configure_logging(verbose: bool = True, force: bool = False) -> None:
    """Show the package's messages on the console unless the application has configured logging.

    Args:
        verbose: False leaves only errors; the YOLO_VERBOSE variable has the last word.
        force: install the handler although the root logger has one (command line).
    """
    own = [h for h in LOGGER.handlers if not isinstance(h, logging.NullHandler)]
    if own or (logging.getLogger().handlers and not force):
        return
    set_logging(LOGGING_NAME, verbose and VERBOSE)
