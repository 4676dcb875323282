"""The names of `ultralytics.utils`: all resolve, and folders follow the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

import ultralytics
from ultralytics import utils
from ultralytics.utils import checks, downloads
from ultralytics.utils.settings import SETTINGS


@pytest.mark.parametrize("name", [n for n in utils.__all__ if n != "ONLINE"])
def test_every_name_resolves(name: str) -> None:
    assert hasattr(utils, name)


@pytest.mark.parametrize("package", [checks, downloads])
def test_every_name_of_the_packages_resolves(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert getattr(package, name) is not None


def test_folders_are_looked_up_each_time() -> None:
    before = utils.RUNS_DIR
    assert before == Path("runs")
    try:
        SETTINGS["runs_dir"] = "elsewhere"
        assert Path("elsewhere") == utils.RUNS_DIR
    finally:
        SETTINGS.reset()
    assert before == utils.RUNS_DIR


def test_the_root_names_are_the_same_objects() -> None:
    assert ultralytics.settings is utils.SETTINGS is SETTINGS
    assert ultralytics.checks is checks.check_yolo
    assert ultralytics.download is downloads.download
    assert ultralytics.ASSETS == utils.ROOT / "assets"


def test_offline_is_not_online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    assert utils.is_online() is False
