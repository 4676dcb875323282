"""The progress bar's text, to the character, and when it is drawn."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ultralytics.utils import tqdm
from ultralytics.utils.logging import LOGGER

ERASE = "\r\x1b[K"


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bar(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    class Bar(tqdm.TQDM[Any]):
        pass

    Bar.clock = clock  # type: ignore[assignment]

    def make(*args: Any, **kwargs: Any) -> Bar:
        return Bar(*args, **{"disable": False, "file": io.StringIO(), **kwargs})

    return make  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (9.96, "10.0s"),
        (59.94, "59.9s"),
        (59.95, "1:00"),
        (59.97, "1:00"),
        (200.4, "3:20"),
        (3600, "1:00:00"),
        (36_061, "10:01:01"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert tqdm.format_time(seconds) == text


@pytest.mark.parametrize(
    ("count", "divisor", "text"),
    [
        (0, 1024, "0.0B"),
        (1023, 1024, "1023.0B"),
        (1_000_000, 1024, "976.6KB"),
        (1_000_000, 1000, "1.0MB"),
        (3 * 1024**3, 1024, "3.0GB"),
        (5e15, 1000, "5000.0TB"),
    ],
)
def test_sizes(count: float, divisor: int, text: str) -> None:
    assert tqdm.format_size(count, divisor) == text


@pytest.mark.parametrize(
    ("rate", "unit", "text"),
    [
        (0, "it", ""),
        (0.1, "it", "10.0s/it"),
        (1.0, "it", "1.0it/s"),
        (999.9, "img", "999.9img/s"),
        (1500, "it", "1.5Kit/s"),
        (2.5e6, "it", "2.5Mit/s"),
        (3e9, "it", "3.0Git/s"),
        (2e6, "B", "1.9MB/s"),
        (500, "bytes", "500.0B/s"),
    ],
)
def test_rates(rate: float, unit: str, text: str) -> None:
    assert tqdm.format_rate(rate, unit) == text


@pytest.mark.parametrize(
    ("fraction", "cells"),
    [(0, "─" * 12), (1, "━" * 12), (7, "━" * 12), (0.5, "━" * 6 + "─" * 6), (0.3, "━━━╸────────")],
)
def test_bars(fraction: float, cells: str) -> None:
    assert tqdm.format_bar(fraction) == cells


@pytest.mark.parametrize(
    ("kwargs", "steps", "text"),
    [
        ({"total": 4, "desc": "d"}, [(1, 0.5)], "d: 25% ━━━───────── 1/4 2.0it/s 0.5s<1.5s"),
        ({"total": 4, "desc": "d"}, [(3, 0.5), (1, 4)], "d: 100% ━━━━━━━━━━━━ 4/4 1.1s/it 4.5s"),
        ({"total": 3, "desc": "d"}, [(2, 1)], "d: 66% ━━━━━━━━──── 2/3 2.0it/s 1.0s<0.5s"),
        ({"total": 4}, [], "0% ──────────── 0/4 0.0s"),
        ({"total": 0, "desc": "d"}, [(1, 0.5)], "d: ──────────── 1 2.0it/s 0.5s"),
        ({"total": 5, "initial": 2}, [(1, 0.2)], "60% ━━━━━━━───── 3/5 5.0it/s 0.2s<0.4s"),
        (
            {"total": 3e6, "desc": "dl", "unit": "B", "unit_divisor": 1024},
            [(1e6, 0.5)],
            "dl: 33% ━━━━──────── 976.6KB/2.9MB 1.9MB/s 0.5s<1.0s",
        ),
        (
            {"total": 3e6, "desc": "dl", "unit": "B", "unit_divisor": 1024},
            [(2e6, 1)],
            "dl: 66% ━━━━━━━━──── 1.9/2.9MB 1.9MB/s 1.0s<0.5s",
        ),
        (
            {"total": 3e6, "desc": "dl", "unit": "B", "unit_divisor": 1024},
            [(3e6, 1.5)],
            "dl: 100% ━━━━━━━━━━━━ 2.9MB 1.9MB/s 1.5s",
        ),
        (
            {"desc": "dl", "unit": "bytes", "unit_divisor": 1024},
            [(1e6, 0.5)],
            "dl: ──────────── 976.6KB 1.9MB/s 0.5s",
        ),
    ],
)
def test_lines(
    bar: Any, clock: Clock, kwargs: dict[str, Any], steps: list[tuple[float, float]], text: str
) -> None:
    made = bar(**kwargs)
    for n, seconds in steps:
        clock.now += seconds
        made.update(n)
    assert made.text() == text


def test_the_rate_is_smoothed_and_the_mean_at_the_end(bar: Any, clock: Clock) -> None:
    made = bar(total=3)
    for seconds in (1.0, 0.5):
        clock.now += seconds
        made.update()
    assert "1.3it/s" in made.text()  # 0.7 * 1 + 0.3 * 2
    clock.now += 1.5
    made.update()
    assert "1.0it/s" in made.text()


def test_drawing_over_a_loop(bar: Any, clock: Clock) -> None:
    made = bar(range(3), desc="it")
    for _ in made:
        clock.now += 0.5
    assert made.file.getvalue() == (
        f"{ERASE}it: 33% ━━━━──────── 1/3 2.0it/s 0.5s<1.0s"
        f"{ERASE}it: 66% ━━━━━━━━──── 2/3 2.0it/s 1.0s<0.5s"
        f"{ERASE}it: 100% ━━━━━━━━━━━━ 3/3 2.0it/s 1.5s\n"
    )


def test_drawings_keep_their_distance(bar: Any, clock: Clock) -> None:
    made = bar(total=100)
    for _ in range(50):
        clock.now += 0.01
        made.update()
    assert made.file.getvalue().count(ERASE) == 5


def test_a_bar_that_is_not_left_is_erased(bar: Any, clock: Clock) -> None:
    with bar(total=2, leave=False) as made:
        clock.now += 1
        made.update()
    assert made.file.getvalue().endswith(ERASE)
    written = made.file.getvalue()
    made.close()
    made.update()
    assert made.file.getvalue() == written


def test_an_unknown_total_is_shown_full_at_the_end(bar: Any, clock: Clock) -> None:
    made = bar(desc="x")
    clock.now += 2
    made.update(4)
    made.close()
    assert made.file.getvalue().endswith(f"{ERASE}x: ━━━━━━━━━━━━ 4 2.0it/s 2.0s\n")


def test_postfix_description_refresh_and_clear(bar: Any) -> None:
    made = bar(total=2, desc="a")
    made.set_postfix(loss=0.5, n=1)
    made.set_description("b")
    made.refresh()
    made.clear()
    assert made.file.getvalue() == (
        f"{ERASE}a | loss=0.5, n=1: 0% ──────────── 0/2 0.0s"
        f"{ERASE}b | loss=0.5, n=1: 0% ──────────── 0/2 0.0s{ERASE}"
    )


def test_ci_logs_get_one_line(bar: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    made = bar(range(2), desc="x")
    for _ in made:
        clock.now += 1
    assert made.file.getvalue() == "x: 100% ━━━━━━━━━━━━ 2/2 1.0it/s 2.0s\n"


def test_closing_after_an_exception_and_disabled_bars(bar: Any) -> None:
    quiet = bar(range(3), disable=True)
    assert list(quiet) == [0, 1, 2]
    assert (quiet.n, quiet.file.getvalue(), len(quiet)) == (3, "", 3)
    made = bar(range(3))
    iterator = iter(made)
    next(iterator)
    with pytest.raises(ValueError, match="stop"):
        iterator.throw(ValueError("stop"))
    assert made.closed
    with pytest.raises(TypeError, match="without an iterable"):
        next(iter(bar(total=3)))


@pytest.mark.parametrize(("level", "disabled"), [(logging.INFO, False), (logging.WARNING, True)])
def test_the_package_level_decides(level: int, disabled: bool) -> None:
    LOGGER.setLevel(level)
    assert tqdm.TQDM(total=1, file=io.StringIO(), mininterval=9, foo=1).disable is disabled


@pytest.mark.parametrize(
    ("desc", "rest", "columns", "line"),
    [
        ("long description", "50% 1/2", 17, "long de…: 50% 1/2"),
        ("long description", "50% 1/2", None, "long description: 50% 1/2"),
        ("short", "50% 1/2", 80, "short: 50% 1/2"),
        ("d", "50% 1/2 rest", 6, "50% 1…"),
        ("漢字漢字", "1/2", 9, "漢…: 1/2"),
        ("\x1b[1mbold text\x1b[0m", "1/2", 10, "\x1b[1mbold…\x1b[0m: 1/2"),
    ],
)
def test_lines_are_cut_to_the_terminal(desc: str, rest: str, columns: int, line: str) -> None:
    assert tqdm.fit_line(desc, rest, columns) == line


def test_a_console_that_lacks_the_glyphs_still_works(bar: Any) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    made = bar(total=1, file=stream)
    made.close()
    assert raw.getvalue().endswith(b"0% ???????????? 0/1 0.0s\n")


def test_write_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    tqdm.TQDM.write("x", end="!")
    tqdm.TQDM.write("y", file=sys.stderr)
    assert capsys.readouterr() == ("x!", "y\n")
