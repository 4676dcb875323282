"""Tables of results: a class that can summarise itself as rows becomes a data frame, CSV, JSON, XML, HTML or SQL.

polars is loaded only when a table is asked for. Cells may hold lists and mappings of numbers.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree  # nosec B405: written only, never read

if TYPE_CHECKING:
    import polars

__all__ = ["DataExportMixin"]

Row = dict[str, Any]  # Any: names, numbers and nested coordinate tables


class DataExportMixin:
    """Adds the `to_...` methods to a class with `summary(normalize, decimals)`."""

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[Row]:
        """Rows of the table; every class defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no summary")

    def to_df(self, normalize: bool = False, decimals: int = 5) -> polars.DataFrame:
        """The rows of `summary` as a polars data frame; no rows give a frame of shape (0, 0)."""
        import polars

        return polars.DataFrame(self.summary(normalize=normalize, decimals=decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as CSV text; cells that hold lists or mappings become Python literals."""
        import polars

        frame = self.to_df(normalize=normalize, decimals=decimals)
        flat = [
            polars.Series(name, [None if v is None else str(v) for v in frame[name].to_list()])
            if dtype.is_nested() or dtype == polars.Object
            else frame[name]
            for name, dtype in frame.schema.items()
        ]
        return polars.DataFrame(flat).write_csv()

    def to_json(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as one line of JSON."""
        return self.to_df(normalize=normalize, decimals=decimals).write_json()

    def to_xml(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as an XML document: `data` holds one `row` each; entries of a list repeat their element."""
        root = ElementTree.Element("data")
        for row in self.summary(normalize=normalize, decimals=decimals):
            _add_elements(ElementTree.SubElement(root, "row"), row)
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)

    def to_html(self, normalize: bool = False, decimals: int = 5) -> str:
        """The rows as an HTML table; cells that hold lists or mappings show them as JSON."""
        rows = self.summary(normalize=normalize, decimals=decimals)
        table = ElementTree.Element("table")
        head = ElementTree.SubElement(ElementTree.SubElement(table, "thead"), "tr")
        body = ElementTree.SubElement(table, "tbody")
        columns = _columns(rows)
        for name in columns:
            ElementTree.SubElement(head, "th").text = name
        for row in rows:
            line = ElementTree.SubElement(body, "tr")
            for name in columns:
                ElementTree.SubElement(line, "td").text = _cell_text(row.get(name))
        return ElementTree.tostring(table, encoding="unicode", method="html")

    def to_sql(
        self,
        table_name: str = "results",
        normalize: bool = False,
        decimals: int = 5,
        db_path: str | Path = "results.db",
    ) -> None:
        """Append the rows to a table of an SQLite file; both are made when they do not exist.

        Args:
            table_name: of the table; columns are named like the keys of the rows.
            normalize: give coordinates as fractions of the picture.
            decimals: places kept.
            db_path: the file; cells that hold lists or mappings are stored as JSON text.

        Raises:
            sqlite3.OperationalError: the table exists and lacks one of the columns.
        """
        import sqlite3

        rows = self.summary(normalize=normalize, decimals=decimals)
        columns = _columns(rows)
        if not columns:
            return
        table, names = _quoted(table_name), ", ".join(map(_quoted, columns))
        marks = ", ".join("?" * len(columns))
        with closing(sqlite3.connect(str(db_path))) as connection, connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({names})")
            connection.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # nosec B608: names are quoted
                [[_plain(row.get(name)) for name in columns] for row in rows],
            )


def _columns(rows: list[Row]) -> list[str]:
    """Keys of all rows, in the order they appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _plain(cell: Any) -> Any:
    """A number or text as it is, anything nested as JSON."""
    if hasattr(cell, "item"):  # NumPy scalars of metric tables
        cell = cell.item()
    return json.dumps(cell) if isinstance(cell, (list, tuple, dict)) else cell


def _cell_text(cell: Any) -> str:
    return "" if cell is None else str(_plain(cell))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _add_elements(parent: ElementTree.Element, row: Row) -> None:
    for name, cell in row.items():
        for value in cell if isinstance(cell, (list, tuple)) else [cell]:
            element = ElementTree.SubElement(parent, _tag(name))
            if isinstance(value, dict):
                _add_elements(element, value)
            else:
                element.text = _cell_text(value)


def _tag(name: str) -> str:
    """A name XML allows: other characters become "_", and it starts with a letter."""
    safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in str(name))
    return safe if safe[:1].isalpha() else f"_{safe}"
