"""Every Python block of the how-to pages runs; the lines of the README name things that exist."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ultralytics import YOLO
from ultralytics.cfg import DEFAULT_CFG_DICT, get_cfg
from ultralytics.cfg.cli.commands import COMMANDS
from ultralytics.cfg.cli.parse import parse_words
from ultralytics.cfg.tables import AVAILABLE_MODES
from ultralytics.registry import all_tasks

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks_of(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


COMMAND_LINES = [
    line
    for block in blocks_of(README, "bash")
    for line in block.splitlines()
    if line.startswith("yolo ")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"), "python")
    assert blocks
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# The README's block trains for longer than a test may take: its names and arguments are checked instead.
def test_the_python_of_the_readme_names_what_exists() -> None:
    (block,) = blocks_of(README, "python")
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            home = import_module(str(node.module))
            assert all(hasattr(home, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert hasattr(YOLO, node.func.attr)
            given = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg != "stream"}
            assert set(given) <= set(DEFAULT_CFG_DICT)
            get_cfg(overrides=given)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_the_command_lines_of_the_readme_are_understood(line: str) -> None:
    parsed = parse_words(shlex.split(line, comments=True)[1:])
    assert parsed.command in COMMANDS or parsed.overrides["mode"] in AVAILABLE_MODES
    if not parsed.command:
        values = vars(get_cfg(overrides=parsed.overrides))
        assert values["task"] in all_tasks()
