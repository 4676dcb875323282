"""The argument table agrees with default.yaml and with the specification."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ultralytics.cfg import DEFAULT_CFG_DICT, DEFAULT_CFG_PATH, get_cfg, tables
from ultralytics.cfg.load import OUR_KEYS, own_setting
from ultralytics.cfg.schema import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT.parent / "shared" / "spec" / "50-cfg-cli-settings.md"
MODE_WORDS = {"all", "train", "val", "predict", "track", "export", "benchmark"}


def test_schema_is_what_the_generator_writes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_schema.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_defaults_are_those_of_the_file_in_its_order() -> None:
    values = yaml.safe_load(DEFAULT_CFG_PATH.read_text(encoding="utf-8"))
    ours = {name: values.pop(name) for name in OUR_KEYS}
    assert list(DEFAULT_CFG_DICT.items()) == list(values.items())
    assert len(values) == 113
    assert {name: own_setting(get_cfg(), name) for name in OUR_KEYS} == ours
    assert own_setting(get_cfg(overrides={"tile": 640}), "tile") == 640


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_row_is_described(setting) -> None:
    assert len(setting.help) >= 10
    assert set(setting.modes.split()) <= MODE_WORDS
    assert setting.nullable == (setting.default is None) or setting.name == "auto_augment"


def _spec_rows() -> dict[str, tuple[str, str]]:
    text = SPEC.read_text(encoding="utf-8")
    section = text[text.index("### 2.1") : text.index("Meanings: lr0")]
    rows = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        starts = (0, 4) if len(cells) in (7, 8) and not cells[3] else (0,)
        for start in starts:
            chunk = cells[start : start + 3]
            if len(chunk) == 3 and re.fullmatch(r"[a-z_0-9 /]+", chunk[0]) and chunk[0] != "key":
                rows.update({key.strip(): (chunk[1], chunk[2]) for key in chunk[0].split("/")})
    return rows


@pytest.mark.skipif(not SPEC.exists(), reason="needs the specification")
def test_rows_of_the_specification() -> None:
    kinds = {"F": "number", "P": "share", "B": "flag", "S": "text"}
    rows = _spec_rows()
    by_name = {setting.name: setting for setting in SETTINGS}
    assert len(rows) >= 110
    for name, (default, check) in rows.items():
        wanted = None if default == "none" else yaml.safe_load(default)
        assert by_name[name].default == wanted, name
        code = check.split()[0]
        if code in kinds:
            assert by_name[name].kind == kinds[code], name
        elif code.startswith("I"):
            assert by_name[name].kind == "int", name
            if ">=" in code:
                assert by_name[name].low == int(code.partition(">=")[2]), name


def test_groups_are_derived() -> None:
    assert "batch" in tables.CFG_FLOAT_KEYS
    assert "iou" in tables.CFG_FRACTION_KEYS
    assert "epochs" in tables.CFG_INT_KEYS
    assert tables.CFG_INT_MIN["epochs"] == 1
    assert "save" in tables.CFG_BOOL_KEYS
    assert set(tables.CFG_STR_KEYS) == {"optimizer", "split", "copy_paste_mode", "auto_augment"}
    assert tables.MODES == ("train", "val", "predict", "export", "track", "benchmark")
    assert tables.TASK2DATA["detect"] == "coco8.yaml"
    assert tables.TASK2MODEL["detect"] == "yolo26n.pt"
    assert tables.TASK2METRIC["detect"] == "metrics/mAP50-95(B)"
    assert tables.TASK2CALIBRATIONDATA["detect"] == "coco128.yaml"
    assert len(tables.SOLUTION_MAP) == 15
