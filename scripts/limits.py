"""Print the ten worst offenders against the size aims of the house style; fail only on the hard limits.

Aims are guides (a clear reason beats a number); the hard limits are where a file or function must be split.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "ultralytics"
AIMS = {"file": 300, "class": 150, "function": 25}
LIMITS = {"file": 700, "class": 500, "function": 90}
PURE_TABLES = {"cfg/schema.py"}
FACADES = {"engine/trainer/base.py:BaseTrainer"}  # its methods are the public interface


def measure(path: Path) -> list[tuple[str, str, int]]:
    """(kind, name, lines) of a file and of everything defined in it."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    found = [("file", name, text.count("\n"))]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            found.append(("class", f"{name}:{node.name}", _length(node)))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(("function", f"{name}:{node.name}", _length(node)))
    return found


def _length(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a definition without its signature's decorators and docstring."""
    last = node.end_lineno or node.lineno
    lines = last - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def main() -> int:
    """Report; the exit status is 1 when a hard limit is passed."""
    files = (
        p for p in sorted(ROOT.rglob("*.py")) if p.relative_to(ROOT).as_posix() not in PURE_TABLES
    )
    rows = [row for path in files for row in measure(path)]
    rows.sort(key=lambda row: row[2] / AIMS[row[0]], reverse=True)
    for kind, name, lines in rows[:10]:
        print(f"{lines / AIMS[kind]:5.1f} x aim  {kind:<9}{lines:5d} lines  {name}")
    broken = [row for row in rows if row[2] > LIMITS[row[0]] and row[1] not in FACADES]
    for kind, name, lines in broken:
        print(f"over the limit of {LIMITS[kind]} lines: {kind} {name} ({lines})", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
