"""Words to arguments: joining, values, order and GNU style."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ultralytics.cfg import merge_equals_args, parse_key_value_pair, smart_value
from ultralytics.cfg.cli.parse import parse_words
from ultralytics.errors import ConfigError, NotAvailable


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (["a", "=", "b"], ["a=b"]),
        (["a=", "b"], ["a=b"]),
        (["a", "=b"], ["a=b"]),
        (["a=", "b=1"], ["a=", "b=1"]),
        (["a", "="], ["a="]),
        (["=", "b"], ["=b"]),
        (["a=1", "=2"], ["a=1=2"]),
        (["a=1", "b=2"], ["a=1", "b=2"]),
        (["imgsz=[3,", "640,", "640]"], ["imgsz=[3,640,640]"]),
        (["imgsz", "=", "[3,", "640]", "train"], ["imgsz=[3,640]", "train"]),
        (["a=[[1,", "2],", "[3]]"], ["a=[[1,2],[3]]"]),
        ([], []),
    ],
    ids=str,
)
def test_joining(words: list[str], joined: list[str]) -> None:
    assert merge_equals_args(words) == joined


@pytest.mark.parametrize("words", [["imgsz=[3,", "640"], ["a=1]"], ["]"]], ids=str)
def test_unbalanced_brackets_name_the_first_word(words: list[str]) -> None:
    with pytest.raises(SyntaxError) as caught:
        merge_equals_args(words)
    assert words[0] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x10", 16),
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("0,1", (0, 1)),
        ("[0,1]", [0, 1]),
        ("'abc'", "abc"),
        ("01", "01"),
        ("inf", "inf"),
        ("math.pi", "math.pi"),
        ("True", True),
        ("fAlSe", False),
        ("NONE", None),
        ("yolo11n.pt", "yolo11n.pt"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("9" * 5000, "9" * 5000),
        ("(" * 300, "(" * 300),
        ("-1", -1),
        ("~/a b", "~/a b"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_values(text: str, value: object) -> None:
    assert smart_value(text) == value
    assert type(smart_value(text)) is type(value)


def test_numbers_of_imported_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("palette")
    vars(module).update(COLORMAP_X=12, lower=3, TEXT="a", FLAG=True)
    monkeypatch.setitem(sys.modules, "palette", module)
    assert smart_value("palette.COLORMAP_X") == 12
    for text in ("palette.lower", "palette.TEXT", "palette.FLAG", "palette.NO", "absent.X", ".X"):
        assert smart_value(text) == text


@pytest.mark.parametrize(
    ("pair", "result"),
    [
        ("a=b=c", ("a", "b=c")),
        (" epochs = 3 ", ("epochs", 3)),
        ("name=007", ("name", "007")),
        ("project=1e3", ("project", "1e3")),
        ("name=None", ("name", None)),
        ("source=https://a.b/c?d=1", ("source", "https://a.b/c?d=1")),
    ],
)
def test_pairs(pair: str, result: tuple[str, Any]) -> None:
    assert parse_key_value_pair(pair) == result


def test_empty_sides() -> None:
    with pytest.raises(AssertionError, match="no value"):
        parse_key_value_pair("epochs=")
    with pytest.raises(ConfigError, match="no argument name"):
        parse_key_value_pair("=3")


@pytest.mark.parametrize(
    ("line", "overrides"),
    [
        ("detect train data=a.yaml", {"task": "detect", "mode": "train", "data": "a.yaml"}),
        ("train detect", {"mode": "train", "task": "detect"}),
        ("segment val", {"task": "segment", "mode": "val"}),
        ("predict save half nms", {"mode": "predict", "save": True, "half": True, "nms": True}),
        ("train epochs=1 epochs=2", {"mode": "train", "epochs": 2}),
        ("train imgsz=320, rect", {"mode": "train", "imgsz": 320, "rect": True}),
        ("train --epochs 3", {"mode": "train", "epochs": 3}),
        ("train --epochs=3 --rect", {"mode": "train", "epochs": 3, "rect": True}),
        ("train --cos-lr --data a.yaml", {"mode": "train", "cos_lr": True, "data": "a.yaml"}),
        ("--rect false train", {"mode": "train", "rect": False}),
        ("--rect train", {"mode": "train", "rect": True}),
        ("--resume train", {"mode": "train", "resume": True}),
        ("--resume last.pt train", {"mode": "train", "resume": "last.pt"}),
        ("--mode val --task detect", {"mode": "val", "task": "detect"}),
        ("--imgsz [320, 640] val", {"mode": "val", "imgsz": [320, 640]}),
        ("--source https://a/b?c=d predict", {"mode": "predict", "source": "https://a/b?c=d"}),
        ("--save_period -1 train", {"mode": "train", "save_period": -1}),
        ("--train", {"mode": "train"}),
        ("--half --int8 false", {"half": True, "int8": False}),
    ],
)
def test_lines(line: str, overrides: dict[str, Any]) -> None:
    parsed = parse_words(line.split())
    assert parsed.overrides == overrides
    assert not parsed.command


@pytest.mark.parametrize(
    ("line", "command", "rest"),
    [
        ("help", "help", ()),
        ("-h", "help", ()),
        ("--help", "help", ()),
        ("train --help", "help", ()),
        ("HELP train", "help", ("train",)),
        ("-v", "version", ()),
        ("-V", "version", ()),
        ("--version", "version", ()),
        ("setting reset", "settings", ("reset",)),
        ("settings runs_dir = x", "settings", ("runs_dir=x",)),
        ("cfg", "cfg", ()),
        ("--cfg", "cfg", ()),
        ("copy-cfg", "copy-cfg", ()),
        ("check data=a.yaml strict=True", "check", ("data=a.yaml", "strict=True")),
        ("checks", "checks", ()),
        ("solutions count", "solutions", ("count",)),
        ("hub login", "hub", ("login",)),
        ("login ABC", "login", ("ABC",)),
        ("logout", "logout", ()),
    ],
)
def test_commands(line: str, command: str, rest: tuple[str, ...]) -> None:
    parsed = parse_words(line.split())
    assert (parsed.command, parsed.rest) == (command, rest)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train epochs", ["'epochs'", "epochs=100"]),
        ("train --epochs", ["epochs=100"]),
        ("train --model lr0=0.1", ["'model' needs a value"]),
        ("TRAIN", ["similar", "train"]),
        ("profil", ["similar: profile, profile=False"]),
        ("checkz", ["checks"]),
        ("train yolo11n.pt", ["model=yolo11n.pt"]),
        ("val coco8.yaml", ["data=coco8.yaml"]),
        ("train qqqqqqq", ["yolo help"]),
        ("train --foo bar", ["'foo'"]),
        ("train epochs=", ["'epochs='", "no value"]),
        ("c", ["'c'"]),
    ],
)
def test_mistakes(line: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_words(line.split())
    assert all(word in str(caught.value) for word in words)


def test_tune_is_known_but_not_there() -> None:
    with pytest.raises(NotAvailable):
        parse_words(["tune"])


def test_cfg_file_lies_under_what_was_said(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("epochs: 7\nlr0: 0.5\nmode: train\ncfg: other.yaml\n", encoding="utf-8")
    parsed = parse_words(["epochs=1", f"cfg={file}", "lr0=0.25"])
    assert parsed.overrides == {"epochs": 1, "lr0": 0.25, "mode": "train"}
    assert parse_words(["--cfg", str(file)]).overrides["epochs"] == 7


@pytest.mark.parametrize("content", ["a: [", "epochz: 3", "- 1", None])
def test_bad_cfg_files(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError):
        parse_words([f"cfg={file}"])
