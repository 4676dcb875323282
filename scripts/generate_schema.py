"""Write ultralytics/cfg/schema.py from ultralytics/cfg/default.yaml.

Every line `name: value # rule | modes | meaning` becomes one row. Run without arguments after editing default.yaml;
with --check nothing is written and the exit status says whether the two agree.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

CFG = Path(__file__).resolve().parents[1] / "ultralytics" / "cfg"
HEADER = '''"""The argument table, generated from default.yaml by scripts/generate_schema.py; edit that file instead."""

from __future__ import annotations

from ultralytics.cfg.setting import Setting

__all__ = ["SETTINGS"]

SETTINGS = (
'''
LINE = re.compile(r"(?P<name>[a-z]\w*):.*?# (?P<rule>[^|]+)\|(?P<modes>[^|]+)\|(?P<help>.+)")
RULE = re.compile(r"(?P<kind>[a-z]+)(?P<null>\?)?(?: >= (?P<low>-?\d+))?(?:: (?P<choices>.+))?")


def render(text: str) -> str:
    """The source of schema.py for the text of default.yaml."""
    defaults = yaml.safe_load(text)
    rows = [LINE.fullmatch(line) for line in text.splitlines() if line and not line.startswith("#")]
    parts = [HEADER]
    for row in rows:
        if row is None:
            raise ValueError(
                "default.yaml: a line is not of the form 'name: value # rule | modes | meaning'"
            )
        rule = RULE.fullmatch(row["rule"].strip())
        if rule is None:
            raise ValueError(f"default.yaml: cannot read the rule {row['rule']!r} of {row['name']}")
        parts.append(_row(row, rule, defaults[row["name"]]))
    return "".join(parts) + ")\n"


def _row(row: re.Match[str], rule: re.Match[str], default: object) -> str:
    share = rule["kind"] == "share"
    low = 0 if share else rule["low"] and int(rule["low"])
    fields = {
        "name": row["name"],
        "default": default,
        "kind": rule["kind"],
        "modes": row["modes"].strip(),
        "help": row["help"].strip(),
        "low": low,
        "high": 1 if share else None,
        "choices": tuple(rule["choices"].split(", ")) if rule["choices"] else (),
        "nullable": default is None or bool(rule["null"]),
    }
    empty = {"low": None, "high": None, "choices": (), "nullable": False}
    kept = {key: value for key, value in fields.items() if key not in empty or value != empty[key]}
    lines = [_field(key, value) for key, value in kept.items()]
    return "    Setting(\n" + "".join(lines) + "    ),\n"


def _field(key: str, value: object) -> str:
    line = f"        {key}={_source(value)},\n"
    if isinstance(value, tuple) and len(line) > 101:  # as the formatter breaks a long tuple
        items = "".join(f"            {_source(item)},\n" for item in value)
        return f"        {key}=(\n{items}        ),\n"
    return line


def _source(value: object) -> str:
    if isinstance(value, str):  # quoted as the formatter would
        mark = "'" if '"' in value else '"'
        return mark + value.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark
    if isinstance(value, tuple):
        items = ", ".join(_source(item) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    return repr(value)


def main() -> int:
    """Write or compare; returns the exit status."""
    source = render((CFG / "default.yaml").read_text(encoding="utf-8"))
    target = CFG / "schema.py"
    if "--check" in sys.argv[1:]:
        return int(target.read_text(encoding="utf-8") != source)
    target.write_text(source, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
