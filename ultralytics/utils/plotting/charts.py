"""Line charts as SVG text: no script, no font, no file beside them.

A series is a list of (x, y) points; points that are not finite interrupt its line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

__all__ = ["line_chart", "ticks"]

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 30, 44
COLOURS = ("#1f5fbf", "#d1495b", "#2a9d58", "#8a4fbf", "#c77800", "#3c7d8c", "#777777", "#b3307f")


def line_chart(title: str, series: Mapping[str, Points], x_label: str = "epoch") -> str:
    """One chart; a chart without a finite point says so.

    Args:
        title: heading, escaped here like all names.
        series: points by name, in the order of the legend.
        x_label: what runs along the bottom.
    """
    finite = [p for points in series.values() for p in points if _is_finite(p)]
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><text x="{LEFT}" y="18" class="title">{escape(title)}</text>'
    )
    if not finite:
        return head + f'<text x="{LEFT}" y="{HEIGHT // 2}">no values</text></svg>'
    x_range = _range([x for x, _ in finite], 0.0)
    y_range = _range([y for _, y in finite], 0.06)
    parts = [head, *_grid(x_range, y_range)]
    for index, (name, points) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        parts += _line(points, colour, x_range, y_range)
        parts.append(_legend_entry(name, colour, index, len(series)))
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 15}" dx="0" dy="13" '
        f'text-anchor="end">{escape(x_label)}</text></svg>'
    )
    return "".join(parts)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two limits, at steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _is_finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Limits of an axis, never empty."""
    low, high = min(values), max(values)
    if low == high:
        half = abs(low) / 2 or 0.5
        return low - half, high + half
    extra = (high - low) * margin
    return low - extra, high + extra


def _x(value: float, limits: tuple[float, float]) -> float:
    return LEFT + (value - limits[0]) / (limits[1] - limits[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, limits: tuple[float, float]) -> float:
    share = (value - limits[0]) / (limits[1] - limits[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _grid(x_range: tuple[float, float], y_range: tuple[float, float]) -> Iterator[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in ticks(*y_range):
        y = _y(value, y_range)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{value:.4g}</text>'
    for value in ticks(*x_range):
        x = _x(value, x_range)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>'
        yield f'<text x="{x:.1f}" y="{floor + 13}" text-anchor="middle">{value:.4g}</text>'


def _line(
    points: Points, colour: str, x_range: tuple[float, float], y_range: tuple[float, float]
) -> Iterator[str]:
    run: list[str] = []
    for point in [*points, (math.nan, math.nan)]:
        if _is_finite(point):
            run.append(f"{_x(point[0], x_range):.1f},{_y(point[1], y_range):.1f}")
        elif len(run) == 1:
            x, y = run.pop().split(",")
            yield f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'
        elif run:
            yield f'<polyline points="{" ".join(run)}" stroke="{colour}"/>'
            run = []


def _legend_entry(name: str, colour: str, index: int, count: int) -> str:
    x = LEFT + index * (WIDTH - LEFT - RIGHT) / max(count, 3)
    y = HEIGHT - 6
    return (
        f'<rect x="{x:.1f}" y="{y - 8}" width="9" height="9" fill="{colour}"/>'
        f'<text x="{x + 13:.1f}" y="{y}">{escape(name)}</text>'
    )
