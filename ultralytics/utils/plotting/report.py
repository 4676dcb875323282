"""One page for one training: report.html, which needs no network and no file beside it.

Everything comes from the run folder (results.csv, args.yaml, pictures) and from tables that the caller adds. Pictures
are made smaller and written into the page. Names and values are escaped.
"""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from ultralytics.utils.files import atomic_write
from ultralytics.utils.plotting.charts import line_chart
from ultralytics.utils.yaml_io import YAML

__all__ = ["build_report", "write_report"]

Table = Mapping[str, object]
Columns = dict[str, list[float]]

LONGEST_SIDE = 1000  # pixels of a picture in the page
JPEG_QUALITY = 82
# heading -> patterns of the files below it, in their order
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Training samples": ("labels.jpg", "train_batch*.jpg"),
    "Validation: labels and predictions": ("val_batch*_labels.jpg", "val_batch*_pred.jpg"),
    "Confusion matrix": ("confusion_matrix_normalized.png", "confusion_matrix.png"),
    "Precision and recall": ("*PR_curve.png", "*F1_curve.png", "*P_curve.png", "*R_curve.png"),
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 24px; color: #1c2430;
  background: #fff; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 19px; margin: 36px 0 10px; border-bottom: 1px solid #d8dde5; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(350px, 1fr)); gap: 16px; }
.chart { width: 100%; border: 1px solid #e3e7ed; border-radius: 6px; font: 10px system-ui, sans-serif; fill: #465162; }
.chart .title { font-size: 13px; font-weight: 600; fill: #1c2430; }
.chart .grid { stroke: #eceff3; } .chart polyline { fill: none; stroke-width: 1.8; }
figure { margin: 0; } figure img { width: 100%; border: 1px solid #e3e7ed; border-radius: 6px; }
figcaption { font-size: 12px; color: #5b6676; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: 2px 18px 2px 0; text-align: left;
  vertical-align: top; border-bottom: 1px solid #eef1f5; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; } .settings { columns: 3 330px; } .settings table { width: 100%; }
"""


def write_report(folder: str | Path, tables: Mapping[str, Table] | None = None) -> Path:
    """Write report.html of a run folder in one step; returns its path.

    Args:
        folder: run folder; whatever is missing in it is left out of the page.
        tables: heading -> rows to show besides, such as facts about the machine.
    """
    target = Path(folder) / "report.html"
    atomic_write(target, build_report(Path(folder), tables or {}))
    return target


def build_report(folder: Path, tables: Mapping[str, Table]) -> str:
    """The page as text."""
    columns = read_columns(folder / "results.csv")
    args = YAML.load(folder / "args.yaml") if (folder / "args.yaml").is_file() else {}
    name = str(args.get("name") or folder.name)
    facts = " &middot; ".join(
        f"{key} {escape(str(args[key]))}"
        for key in ("task", "model", "data", "epochs", "batch", "imgsz", "device")
        if args.get(key) is not None
    )
    best = _best_row(columns)
    body = [
        f"<h1>{escape(name)}</h1><p>{facts}</p>",
        _section("Best epoch", _table(best)) if best else "",
        _section("Curves", _row(_charts(columns))) if columns else "",
        *(_section(title, _row(_pictures(folder, p))) for title, p in SECTIONS.items()),
        *(_section(title, _table(rows)) for title, rows in tables.items()),
        _section("Settings", f'<div class="settings">{_table(args)}</div>') if args else "",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def read_columns(path: Path) -> Columns:
    """Columns of a results.csv; empty cells are NaN, an absent or empty file has none."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = list(rows[0]) if rows else []
    return {name.strip(): [float(row[name] or "nan") for row in rows] for name in names}


def _best_row(columns: Columns) -> Table:
    """Metrics of the last epoch marked as the best, else of that whose main metric, the last one listed, is highest."""
    names = [name for name in columns if name.startswith("metrics/")]
    main = [v if math.isfinite(v) else -math.inf for v in columns[names[-1]]] if names else []
    if not main or max(main) == -math.inf:
        return {}
    marked = [row for row, mark in enumerate(columns.get("best", ())) if mark == 1]
    row = marked[-1] if marked else main.index(max(main))
    values = {name.removeprefix("metrics/"): f"{columns[name][row]:.4g}" for name in names}
    return {"epoch": f"{columns['epoch'][row]:.0f}", **values}


def _charts(columns: Columns) -> Iterator[str]:
    """A chart per loss (training and validation together) and per metric, and one of the rates."""
    epochs = columns["epoch"]
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, values in columns.items():
        kind, _, rest = name.partition("/")
        if rest:
            title = {"lr": "learning rates", "metrics": rest}.get(kind, rest)
            label = rest if kind == "lr" else kind
            groups.setdefault(title, {})[label] = list(zip(epochs, values, strict=True))
    for title, series in groups.items():
        yield line_chart(title, series)


def _pictures(folder: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    for path in dict.fromkeys(p for pattern in patterns for p in sorted(folder.glob(pattern))):
        source = _data_uri(path)
        caption = escape(path.stem)
        yield (
            f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
        )


def _data_uri(path: Path) -> str:
    """A picture as a JPEG of at most `LONGEST_SIDE` pixels, inside an address."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}" if content else ""


def _row(items: Iterator[str]) -> str:
    content = "".join(items)
    return f'<div class="row">{content}</div>' if content else ""


def _table(rows: Table) -> str:
    cells = (
        f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"
