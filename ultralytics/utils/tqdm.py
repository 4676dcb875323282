"""Progress bar on one terminal line: `desc: 40% BAR 4/10 1.5it/s 2.0s<3.9s`.

Pure functions make the text; `TQDM` keeps the counters and decides when to draw. Lines are written as
carriage return, erase-to-end, text. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, TextIO, TypeVar

from ultralytics.utils.environment import VERBOSE
from ultralytics.utils.logging import ESCAPE, LOGGER

__all__ = ["TQDM", "fit_line", "format_bar", "format_rate", "format_size", "format_time"]

T = TypeVar("T")

BAR_CELLS = 12
FULL, HALF, EMPTY = "\u2501", "\u2578", "\u2500"
ELLIPSIS = "\u2026"
SMOOTHING = 0.3  # weight of the newest rate
ERASE = "\r\033[K"
BYTE_UNITS = ("B", "bytes")
PIECE = re.compile(rf"{ESCAPE.pattern}|.", re.DOTALL)


def format_time(seconds: float) -> str:
    """One decimal below a minute, then M:SS, then H:MM:SS."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_size(count: float, divisor: int = 1024) -> str:
    """Bytes with one decimal and a prefix."""
    for prefix in ("", "K", "M", "G"):
        if abs(count) < divisor:
            return f"{count:3.1f}{prefix}B"
        count /= divisor
    return f"{count:3.1f}TB"


def format_rate(rate: float, unit: str = "it") -> str:
    """Units per second, or seconds per unit below one; an unknown rate is an empty text."""
    if rate <= 0:
        return ""
    if unit in BYTE_UNITS:
        return format_size(rate) + "/s"
    if rate < 1:
        return f"{1 / rate:.1f}s/{unit}"
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if rate >= limit:
            return f"{rate / limit:.1f}{prefix}{unit}/s"
    return f"{rate:.1f}{unit}/s"


def format_bar(fraction: float) -> str:
    """Twelve cells; more than half of a cell shows as a half cell."""
    cells = min(max(fraction, 0.0), 1.0) * BAR_CELLS
    filled = int(cells)
    half = HALF if cells - filled > 0.5 else ""
    return FULL * filled + half + EMPTY * (BAR_CELLS - filled - len(half))


def _width(piece: str) -> int:
    if ESCAPE.fullmatch(piece) or unicodedata.combining(piece[0]):
        return 0
    return 2 if unicodedata.east_asian_width(piece) in "WF" else 1


def _cut(text: str, columns: int) -> str:
    """Text of at most so many columns, ending in an ellipsis when something went; styles all stay."""
    pieces = PIECE.findall(text)
    if sum(map(_width, pieces)) <= columns:
        return text
    kept, used = [], 1  # one column for the ellipsis
    is_full = columns < 1
    for piece in pieces:
        width = _width(piece)
        if not is_full and used + width > columns:
            kept.append(ELLIPSIS)
            is_full = True
        if not is_full or width == 0:
            kept.append(piece)
            used += width
    return "".join(kept)


def fit_line(desc: str, rest: str, columns: int | None) -> str:
    """Join description and the rest so that the line fits; the description is shortened first."""
    separator = ": " if desc else ""
    if columns is None:
        return desc + separator + rest
    room = columns - len(separator) - sum(map(_width, PIECE.findall(rest)))
    short = _cut(desc, max(room, 0)) if desc else ""
    return _cut(short + (": " if short else "") + rest, columns)


class TQDM(Generic[T]):
    """Progress over an iterable, or by calls of `update`.

    Args:
        iterable: what to iterate over.
        desc: text in front of the bar.
        total: number of units; falls back to the iterable's length; 0 and None mean unknown.
        leave: keep the finished line; otherwise it is erased.
        file: text stream; None means standard output at the time of writing.
        mininterval: seconds between drawings.
        disable: None switches the bar off when the package logs no information.
        unit: name of a unit; "B" and "bytes" are shown as sizes.
        unit_scale: show sizes with prefixes.
        unit_divisor: 1000 or 1024, for sizes.
        bar_format: accepted and ignored.
        initial: units done before the start; they do not count towards the rate.
        ignored: further arguments of tqdm, which have no effect.
    """

    clock: ClassVar[Callable[[], float]] = time.monotonic

    def __init__(
        self,
        iterable: Iterable[T] | None = None,
        desc: str | None = None,
        total: float | None = None,
        leave: bool = True,
        file: TextIO | None = None,
        mininterval: float = 0.1,
        disable: bool | None = None,
        unit: str = "it",
        unit_scale: bool = True,
        unit_divisor: int = 1000,
        bar_format: str | None = None,
        initial: float = 0,
        **ignored: Any,  # Any: arguments we do not look at
    ) -> None:
        if total is None and hasattr(iterable, "__len__"):
            total = len(iterable)  # type: ignore[arg-type]
        if disable is None:
            disable = not VERBOSE or LOGGER.getEffectiveLevel() > logging.INFO
        self.iterable = iterable
        self.desc = desc or ""
        self.total = total or None
        self.leave = leave
        self.file = file
        self.mininterval = mininterval
        self.disable = disable
        self.unit = unit
        self.unit_scale = unit_scale
        self.unit_divisor = unit_divisor
        self.initial = initial
        self.n = initial
        self.closed = False
        self._postfix = ""
        self._quiet = "GITHUB_ACTIONS" in os.environ  # logs there keep every drawing: draw once
        self._rate = 0.0
        self._drawn = ""  # last text, to avoid drawing it twice
        self._drawn_n: float = initial
        self.start_t = self._last_t = type(self).clock()

    def __len__(self) -> int:
        return int(self.total or 0)

    def __iter__(self) -> Iterator[T]:
        if self.iterable is None:
            raise TypeError("this progress bar was made without an iterable")
        try:
            for item in self.iterable:
                yield item
                self.update()
        finally:
            self.close()

    def __enter__(self) -> TQDM[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def update(self, n: float = 1) -> None:
        """Count units as done and draw when it is time."""
        self.n += n
        if self.disable or self.closed:
            return
        now = type(self).clock()
        elapsed = now - self._last_t
        is_done = self.total is not None and self.n >= self.total
        if elapsed < self.mininterval and not is_done:
            return
        if elapsed > 0:
            newest = (self.n - self._drawn_n) / elapsed
            self._rate += (SMOOTHING if self._rate else 1.0) * (newest - self._rate)
        self._last_t, self._drawn_n = now, self.n
        self._draw()

    def set_description(self, desc: str | None = None) -> None:
        """Change the text in front; it shows with the next drawing."""
        self.desc = desc or ""

    def set_postfix(self, **kwargs: object) -> None:
        """Show values behind the description and draw."""
        self._postfix = ", ".join(f"{key}={value}" for key, value in kwargs.items())
        self.refresh()

    def refresh(self) -> None:
        """Draw now."""
        if not (self.disable or self.closed):
            self._draw()

    def clear(self) -> None:
        """Erase the line."""
        if not (self.disable or self.closed or self._quiet):
            self._write(ERASE)
            self._drawn = ""

    def close(self) -> None:
        """Draw the final state and leave or erase the line. Further calls do nothing."""
        if self.closed:
            return
        if not self.disable:
            self._draw(final=True)
            self._write("\n" if self.leave else ERASE)
        self.closed = True

    @staticmethod
    def write(s: str, file: TextIO | None = None, end: str = "\n") -> None:
        """Write text to the stream of the bars (standard output)."""
        stream = file or sys.stdout
        stream.write(s + end)
        stream.flush()

    def text(self, final: bool = False, columns: int | None = None) -> str:
        """The line as it would be drawn now.

        Args:
            final: the bar closes: the overall mean replaces the running rate, and a bar of unknown
                length is shown full.
            columns: width of the terminal, or None for no limit.
        """
        elapsed = max(type(self).clock() - self.start_t, 0.0)
        is_done = self.total is not None and self.n >= self.total
        use_mean = (final or is_done) and elapsed > 0
        rate = (self.n - self.initial) / elapsed if use_mean else self._rate
        clock = format_time(elapsed)
        if self.total is None:
            fields = [format_bar(float(final)), self._count(self.n)]
        else:
            fraction = self.n / self.total
            fields = [f"{int(fraction * 100 + 1e-9)}%", format_bar(fraction), self._progress()]
            if rate > 0 and not is_done:
                clock += f"<{format_time((self.total - self.n) / rate)}"
        fields += [format_rate(rate, self.unit), clock]
        desc = " | ".join(part for part in (self.desc, self._postfix) if part)
        return fit_line(desc, " ".join(field for field in fields if field), columns)

    @property
    def _is_bytes(self) -> bool:
        return self.unit_scale and self.unit in BYTE_UNITS

    def _count(self, n: float) -> str:
        return (
            format_size(n, self.unit_divisor)
            if self._is_bytes
            else f"{n:g}"
            if n % 1
            else f"{n:.0f}"
        )

    def _progress(self) -> str:
        total = self._count(self.total or 0)
        done = self._count(self.n)
        if not self._is_bytes:
            return f"{done}/{total}"
        if self.n >= (self.total or 0):
            return total
        same_unit = done.lstrip("0123456789.") == total.lstrip("0123456789.")
        return f"{done.rstrip('KMGTB') if same_unit else done}/{total}"

    def _draw(self, final: bool = False) -> None:
        if self._quiet and not final:
            return
        line = self.text(final, self._columns())
        if line != self._drawn:
            self._write(("" if self._quiet else ERASE) + line)
            self._drawn = line

    def _columns(self) -> int | None:
        """Width of the terminal, or None when the stream is none."""
        stream = self.file or sys.stdout
        try:
            return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None
        except (OSError, ValueError):
            return None

    def _write(self, text: str) -> None:
        stream = self.file or sys.stdout
        try:
            stream.write(text)
        except UnicodeEncodeError:  # a console of a narrow code page
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
