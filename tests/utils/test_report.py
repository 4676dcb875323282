"""The report page: complete in itself, escaped, and drawn where arithmetic says."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from ultralytics.utils.plotting.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    line_chart,
    ticks,
)
from ultralytics.utils.plotting.report import LONGEST_SIDE, build_report, read_columns, write_report

HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags, texts and references of a page; complains about tags that are not closed."""

    VOID = frozenset({"meta", "img", "br", "line", "rect", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results.csv").write_text(
        "epoch,time,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,lr/pg0\n"
        "1,2.5,3,0.1,0.05,4,0.01\n2,5.0,2,0.6,0.4,,0.02\n3,7.5,1,0.5,0.3,2,0.03\n"
    )
    (tmp_path / "args.yaml").write_text(f"task: detect\nname: 'run & {HOSTILE}'\nepochs: 3\n")
    Image.new("RGB", (3000, 1500), (200, 30, 30)).save(tmp_path / "train_batch0.jpg")
    Image.new("RGBA", (40, 20), (0, 0, 255, 255)).save(tmp_path / "confusion_matrix_normalized.png")
    return tmp_path


def test_the_page_needs_nothing_beside_it(folder: Path) -> None:
    text = build_report(folder, {"Machine": {"processor": HOSTILE}})
    page = Page(text)
    assert len(page.links) == 2
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not re.search(r"https?:|url\(|@import|<link|<script", text)
    assert "script" not in page.tags
    assert page.texts.count(HOSTILE) == 1  # the cell; the name of the run has more around it
    assert f"run & {HOSTILE}" in page.texts


def test_pictures_are_made_smaller_and_keep_their_colour(folder: Path) -> None:
    links = Page(build_report(folder, {})).links
    sizes = []
    for link, colour in zip(links, ((200, 30, 30), (0, 0, 255)), strict=True):
        picture = Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2])))
        sizes.append(picture.size)
        pixel = picture.getpixel((5, 5))
        assert pixel == pytest.approx(colour, abs=6)
    assert sizes == [(LONGEST_SIDE, LONGEST_SIDE // 2), (40, 20)]


def test_best_epoch_curves_and_settings(folder: Path) -> None:
    page = Page(build_report(folder, {}))
    texts = [t for t in page.texts if t.strip()]
    at = texts.index("Best epoch")
    assert texts[at + 1 : at + 7] == ["epoch", "2", "mAP50(B)", "0.6", "mAP50-95(B)", "0.4"]
    assert page.tags.count("svg") == 4  # box_loss, two metrics, rates
    assert texts[texts.index("Settings") + 1 :][:2] == ["task", "detect"]


def test_missing_files_leave_their_parts_out(tmp_path: Path) -> None:
    page = Page(build_report(tmp_path, {"Time": {"training": "1 s"}}))
    assert page.tags.count("h2") == 1
    assert {"Time", "training", "1 s"} <= set(page.texts)
    (tmp_path / "results.csv").write_text("epoch,time\n")
    assert read_columns(tmp_path / "results.csv") == {}


def test_the_file_is_replaced_in_one_step(folder: Path) -> None:
    (folder / "report.html").write_text("old")
    (folder / "train_batch0.jpg").write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "old"
    (folder / "train_batch0.jpg").unlink()
    assert write_report(folder) == folder / "report.html"
    assert Page((folder / "report.html").read_text(encoding="utf-8")).tags.count("img") == 1
    assert sorted(p.name for p in folder.glob(".*")) == []


def test_a_line_runs_through_the_corners_of_its_range_and_stops_at_gaps() -> None:
    chart = line_chart("t", {"a": [(0, 0.0), (10, 1.0), (20, math.nan), (30, 1.0)]})
    (line,) = re.findall(r'polyline points="([^"]+)"', chart)
    (dot,) = re.findall(r'circle cx="([^"]+)" cy="([^"]+)"', chart)
    points = [tuple(map(float, p.split(","))) for p in line.split()]
    high = HEIGHT - BOTTOM - TOP
    bottom, top = HEIGHT - BOTTOM - high * 0.06 / 1.12, TOP + high * 0.06 / 1.12
    third = LEFT + (WIDTH - LEFT - RIGHT) / 3
    assert points == [
        pytest.approx((LEFT, bottom), abs=0.06),
        pytest.approx((third, top), abs=0.06),
    ]
    assert tuple(map(float, dot)) == pytest.approx((WIDTH - RIGHT, top), abs=0.06)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((1, 300), [100, 200, 300]),
        ((-3, 3), [-2, 0, 2]),
        ((0.95e-4, 2.2e-4), [1e-4, 1.5e-4, 2e-4]),
    ],
)
def test_ticks_are_round(limits: tuple[float, float], expected: list[float]) -> None:
    assert ticks(*limits) == pytest.approx(expected)


@pytest.mark.parametrize("points", [[], [(1, math.nan)]])
def test_a_chart_without_values_says_so(points: list[tuple[float, float]]) -> None:
    assert "no values" in line_chart(HOSTILE, {"a": points})
    assert HOSTILE not in line_chart(HOSTILE, {HOSTILE: points or [(1, 1)]})


@pytest.mark.parametrize("value", [0.0, 7.0, -2.0])
def test_a_constant_series_is_drawn_in_the_middle(value: float) -> None:
    chart = line_chart("t", {"a": [(1, value), (2, value)]})
    (line,) = re.findall(r'polyline points="([^"]+)"', chart)
    middle = TOP + (HEIGHT - BOTTOM - TOP) / 2
    assert [float(p.split(",")[1]) for p in line.split()] == pytest.approx([middle] * 2, abs=0.06)
