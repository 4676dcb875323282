"""The argument namespace and YAML files."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ultralytics.utils import IterableSimpleNamespace as Namespace
from ultralytics.utils.namespace import explicit_keys
from ultralytics.utils.yaml_io import YAML, yaml_load, yaml_save


def test_a_namespace_iterates_prints_and_gets() -> None:
    ns = Namespace(a=1, b="x")
    assert list(ns) == [("a", 1), ("b", "x")]
    assert dict(ns) == vars(ns) == {"a": 1, "b": "x"}
    assert str(ns) == "a=1\nb=x"
    assert (ns.get("a"), ns.get("c", 5), ns.get("c")) == (1, 5, None)
    assert ns == Namespace(a=1, b="x")
    with pytest.raises(AttributeError, match=r"no attribute 'c'.*default\.yaml"):
        _ = ns.c


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_keep_what_the_user_set(duplicate: Any) -> None:
    ns = Namespace(a=[1], b=2)
    assert explicit_keys(ns) == frozenset()
    ns._explicit = frozenset({"a"})
    twin = duplicate(ns)
    assert explicit_keys(twin) == {"a"}
    assert twin == ns
    assert vars(twin) == {"a": [1], "b": 2}
    assert (twin.a is ns.a) is (duplicate is copy.copy)


def test_pickles_name_the_public_class_and_forget_the_marks() -> None:
    ns = Namespace(a=1)
    ns._explicit = frozenset({"a"})
    data = pickle.dumps(ns)
    assert b"ultralytics.utils" in data
    assert b"namespace" not in data
    assert b"_explicit" not in data
    loaded = pickle.loads(data)
    assert (loaded, explicit_keys(loaded)) == (ns, frozenset())


def test_a_deep_copy_of_a_cycle_ends() -> None:
    ns = Namespace()
    ns.me = ns
    twin = copy.deepcopy(ns)
    assert twin.me is twin


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    data = {"z": 1, "a": [1, 2.5, None, True], "ü": {"n": "täxt"}, "s": "yes", "e": "1e-3", "t": ""}
    file = tmp_path / "new" / "d.yaml"
    YAML.save(file, data, header="# head\n")
    assert YAML.load(file) == data
    assert list(YAML.load(file)) == list(data)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# head\nz: 1\n")
    assert "ü" in text


def test_values_yaml_cannot_express(tmp_path: Path) -> None:
    data = {
        "p": Path("a") / "b",
        "f": np.float64(0.5),
        "n": {"i": np.int64(3), "b": np.bool_(True), "t": (1, 2)},
        "ns": Namespace(a=1),
    }
    YAML.save(tmp_path / "d.yaml", data)
    plain = yaml.safe_load((tmp_path / "d.yaml").read_text())
    assert plain == {
        "p": str(Path("a") / "b"),
        "f": 0.5,
        "n": {"i": 3, "b": True, "t": [1, 2]},
        "ns": "a=1",
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("a: None\nb: null\nc: none\n", {"a": None, "b": None, "c": "none"}),
        ("a: x\x07y\n", {"a": "xy"}),
        ("a: 'smile \U0001f600'\n", {"a": "smile \U0001f600"}),
    ],
)
def test_reading(tmp_path: Path, content: str, expected: dict[str, Any]) -> None:
    file = tmp_path / "d.yml"
    file.write_text(content, encoding="utf-8")
    assert YAML.load(file) == expected
    assert YAML.load(str(file), append_filename=True) == expected | {"yaml_file": str(file)}


@pytest.mark.parametrize(
    ("name", "content", "error", "hint"),
    [
        ("d.txt", "a: 1", AssertionError, r"\.yaml or \.yml"),
        ("d.yaml", "a: [1", ValueError, "not valid YAML"),
        ("d.yaml", "- 1\n- 2\n", ValueError, "but holds a list"),
        ("d.yaml", "!!python/object/apply:os.getcwd []", ValueError, "not valid YAML"),
    ],
)
def test_reading_refuses(
    tmp_path: Path, name: str, content: str, error: type[Exception], hint: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=hint):
        YAML.load(tmp_path / name)


def test_bytes_that_are_no_utf8_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(b"a: x\xffy\n")
    assert YAML.load(tmp_path / "d.yaml") == {"a": "xy"}


def test_printing_and_old_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    yaml_save(tmp_path / "d.yaml", {"a": 1})
    assert yaml_load(tmp_path / "d.yaml") == {"a": 1}
    with caplog.at_level(logging.INFO, "ultralytics"):
        YAML.print(tmp_path / "d.yaml")
        YAML.print({"b": 2})
    assert ["a: 1" in caplog.messages[0], "b: 2" in caplog.messages[1]] == [True, True]
