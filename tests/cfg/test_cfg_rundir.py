"""Folders of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ultralytics.cfg import get_cfg, get_save_dir, rundir
from ultralytics.utils.settings import SettingsManager


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = SettingsManager(tmp_path / "settings.json")
    dict.__setitem__(settings, "runs_dir", str(tmp_path / "runs"))
    monkeypatch.setattr("ultralytics.utils.settings.SETTINGS", settings, raising=False)
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ({}, "detect/train"),
        ({"mode": "val"}, "detect/val"),
        ({"name": "a"}, "detect/a"),
        ({"project": "p", "name": "a"}, "detect/p/a"),
        ({"task": "obb"}, "obb/train"),
        ({"project": "p"}, "detect/p/train"),
    ],
    ids=str,
)
def test_relative_runs(runs: Path, overrides: dict[str, object], wanted: str) -> None:
    assert get_save_dir(get_cfg(overrides=overrides)) == runs / wanted


def test_explicit_places(tmp_path: Path) -> None:
    project = str(tmp_path / "p")
    assert get_save_dir(get_cfg(overrides={"project": project, "name": "n"})) == tmp_path / "p/n"
    args = get_cfg(overrides={"save_dir": str(tmp_path / "x"), "project": project})
    assert get_save_dir(args) == tmp_path / "x"
    assert get_save_dir(get_cfg(overrides={"name": "n"}), name="m").name == "m"


def test_numbering(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = get_cfg()
    (runs / "detect/train").mkdir(parents=True)
    assert get_save_dir(args).name == "train-2"
    (runs / "detect/train-2").mkdir()
    assert get_save_dir(args).name == "train-3"
    assert get_save_dir(get_cfg(overrides={"exist_ok": True})).name == "train"
    monkeypatch.setattr(rundir, "is_first_rank", lambda: False)
    assert get_save_dir(args).name == "train"
    assert get_save_dir(args).is_absolute()


def test_nothing_is_created(runs: Path) -> None:
    get_save_dir(get_cfg())
    assert not runs.exists()
