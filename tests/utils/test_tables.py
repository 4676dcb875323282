"""Rows of a summary as XML, HTML and SQL: read back with the standard library's parsers they are the same rows."""

from __future__ import annotations

import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from ultralytics.utils import DataExportMixin

ROWS = [
    {"name": "a<b", "class": 1, "confidence": 0.5, "box": {"x1": 1.0, "y1": 2.5}},
    {"name": "c & d", "class": 0, "confidence": 0.25, "segments": {"x": [1.0, 2.0], "y": [3.0]}},
]


class Table(DataExportMixin):
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        return self.rows


class Cells(HTMLParser):
    """Texts of the cells, line by line."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.lines.append([])
        elif tag in ("td", "th"):
            self.lines[-1].append("")

    def handle_data(self, data: str) -> None:
        self.lines[-1][-1] += data


def test_xml() -> None:
    root = ElementTree.fromstring(Table(ROWS).to_xml())
    first, second = root.findall("row")
    assert [first.findtext(name) for name in ("name", "class", "confidence")] == ["a<b", "1", "0.5"]
    assert first.findtext("box/y1") == "2.5"
    assert [e.text for e in second.findall("segments/x")] == ["1.0", "2.0"]


def test_xml_of_names_that_are_no_tags() -> None:
    root = ElementTree.fromstring(Table([{"metrics/mAP50(B)": 0.5, "1st": 2}]).to_xml())
    assert [(e.tag, e.text) for e in root[0]] == [("metrics_mAP50_B_", "0.5"), ("_1st", "2")]


def test_html() -> None:
    head, first, second = Cells(Table(ROWS).to_html()).lines
    assert head == ["name", "class", "confidence", "box", "segments"]
    assert first[:3] == ["a<b", "1", "0.5"]
    assert json.loads(first[3]) == ROWS[0]["box"]
    assert first[4] == second[3] == ""


def test_sql_appends(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    for _ in range(2):
        Table(ROWS).to_sql('od"d', db_path=file)
    connection = sqlite3.connect(file)
    found = connection.execute('SELECT name, class, confidence, box FROM "od""d"').fetchall()
    connection.close()
    assert len(found) == 4
    assert found[0][:3] == ("a<b", 1, 0.5)
    assert json.loads(found[0][3]) == ROWS[0]["box"]
    assert found[1][3] is None


def test_numbers_of_metric_tables_stay_numbers(tmp_path: Path) -> None:
    Table([{"Images": np.int64(3), "mAP50": np.float64(0.5)}]).to_sql(db_path=tmp_path / "x.db")
    connection = sqlite3.connect(tmp_path / "x.db")
    assert connection.execute("SELECT Images, mAP50 FROM results").fetchall() == [(3, 0.5)]
    connection.close()


def test_no_rows(tmp_path: Path) -> None:
    empty = Table([])
    assert len(ElementTree.fromstring(empty.to_xml())) == 0
    assert Cells(empty.to_html()).lines == [[]]
    empty.to_sql(db_path=tmp_path / "x.db")
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize("method", ["to_xml", "to_html", "to_json", "to_csv"])
def test_arguments_reach_the_summary(method: str) -> None:
    class Asked(Table):
        def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
            return [{"asked": f"{normalize} {decimals}"}]

    assert "True 2" in getattr(Asked([]), method)(normalize=True, decimals=2)
