"""Settings: reading creates nothing, writing is checked, merged, locked and atomic."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ultralytics.utils import settings as module
from ultralytics.utils.settings import JSONDict, SettingsManager

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "settings.json"


def stored(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def test_reading_creates_nothing(file: Path) -> None:
    settings = SettingsManager(file)
    assert settings["runs_dir"] == "runs"
    assert Path(settings["weights_dir"]).is_absolute()
    assert Path(settings["datasets_dir"]).is_absolute()
    assert "neptune" not in settings
    assert not file.parent.exists()


def test_a_change_is_written_at_once_and_read_by_the_next(file: Path) -> None:
    SettingsManager(file)["runs_dir"] = Path("elsewhere")
    assert stored(file)["runs_dir"] == "elsewhere"
    assert SettingsManager(file)["runs_dir"] == "elsewhere"
    assert not [p for p in file.parent.iterdir() if p.suffix == ".tmp"]


@pytest.mark.parametrize(
    ("change", "error", "hint"),
    [
        ({"run_dir": "x"}, KeyError, "did you mean 'runs_dir'"),
        ({"sync": "yes"}, TypeError, "'sync' must be of type bool, not str"),
        ({"sync": 1}, TypeError, "bool, not int"),
        ({"runs_dir": True}, TypeError, "str, not bool"),
        ({"runs_dir": "good", "wandb": None}, TypeError, "wandb"),
    ],
)
def test_a_wrong_value_rejects_the_whole_update(
    file: Path, change: dict[str, Any], error: type[Exception], hint: str
) -> None:
    settings = SettingsManager(file)
    with pytest.raises(error, match=hint):
        settings.update(change)
    assert settings["runs_dir"] == "runs"
    assert not file.exists()


@pytest.mark.parametrize("form", [[("wandb", True)], {"wandb": True}])
def test_update_takes_every_form_of_dict_update(file: Path, form: Any) -> None:
    settings = SettingsManager(file)
    settings.update(form, runs_dir="r")
    assert (settings["wandb"], settings["runs_dir"]) == (True, "r")


@pytest.mark.parametrize("version", ["0.0.4", "0.0.6"])
def test_files_of_older_versions_keep_their_values(file: Path, version: str) -> None:
    file.parent.mkdir()
    old = {
        "settings_version": version,
        "runs_dir": "mine",
        "hub": True,
        "neptune": False,
        "new": [1],
    }
    file.write_text(json.dumps(old))
    settings = SettingsManager(file)
    assert (settings["runs_dir"], settings["hub"], settings["new"]) == ("mine", True, [1])
    assert settings["settings_version"] == "0.0.8"
    assert stored(file) == old  # reading rewrites nothing
    settings["sync"] = False
    assert stored(file) | old == stored(file) | {"settings_version": version}
    assert stored(file)["settings_version"] == "0.0.8"
    settings["hub"] = False
    assert stored(file)["hub"] is False


def test_a_value_of_the_wrong_type_falls_back(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"tensorboard": "yes", "api_key": "secret", "wandb": True}))
    with caplog.at_level(logging.WARNING, "ultralytics"):
        settings = SettingsManager(file)
    assert (settings["tensorboard"], settings["api_key"], settings["wandb"]) == (False, "", True)
    assert "tensorboard" in caplog.text


@pytest.mark.parametrize("content", ["{not json", "[1, 2]", '"text"'])
def test_unreadable_content_is_kept_as_a_backup(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    settings = SettingsManager(file)
    assert settings["runs_dir"] == "runs"
    assert file.read_text() == content
    settings["runs_dir"] = "new"
    assert stored(file)["runs_dir"] == "new"
    assert file.with_suffix(".json.bak").read_text() == content


def test_an_empty_file_is_empty(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(" \n")
    assert SettingsManager(file)["runs_dir"] == "runs"


def test_reset_writes_the_defaults(file: Path) -> None:
    settings = SettingsManager(file)
    settings.update(runs_dir="r", hub=True)
    settings.reset()
    assert stored(file) == settings.defaults
    assert not settings.is_explicit("runs_dir")


def test_only_what_the_user_chose_is_explicit(file: Path) -> None:
    settings = SettingsManager(file)
    assert not settings.is_explicit("mlflow")  # True, but by default
    settings["tensorboard"] = True
    assert not settings.is_explicit("mlflow")
    settings["mlflow"] = True
    again = SettingsManager(file)
    assert again.is_explicit("mlflow")
    assert again.is_explicit("tensorboard")
    assert "explicit" not in again


@pytest.mark.parametrize("key", ["neptune", "tensorboard", "wandb"])
def test_defaults_of_older_versions_are_no_choice(file: Path, key: str) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"settings_version": "0.0.6", key: True}))
    settings = SettingsManager(file)
    assert not settings.is_explicit(key)
    settings["runs_dir"] = "mine"  # the file is now one of this version
    again = SettingsManager(file)
    assert (again[key], again.is_explicit(key)) == (True, False)
    again[key] = True
    assert SettingsManager(file).is_explicit(key)
    file.write_text(json.dumps({"settings_version": "0.0.8", key: True}))
    assert SettingsManager(file).is_explicit(key)


def test_two_open_settings_do_not_undo_each_other(file: Path) -> None:
    first, second = SettingsManager(file), SettingsManager(file)
    first["runs_dir"] = "a"
    second["wandb"] = True
    assert (stored(file)["runs_dir"], stored(file)["wandb"]) == ("a", True)
    assert second["runs_dir"] == "a"


def test_processes_writing_at_once_lose_nothing(file: Path) -> None:
    code = (
        "import sys\nfrom ultralytics.utils.settings import JSONDict\n"
        "store = JSONDict(sys.argv[1])\n"
        "for i in range(20): store[f'{sys.argv[2]}{i}'] = i"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(file), name], env=env) for name in "abc"
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert stored(file) == {f"{name}{i}": i for name in "abc" for i in range(20)}


def test_json_dict_behaves_like_a_dict_on_disk(tmp_path: Path) -> None:
    store = JSONDict(tmp_path / "d.json")
    store["path"] = Path("a/b")
    store.update({"x": 1}, y=2)
    del store["x"]
    assert stored(store.file_path) == {"path": str(Path("a/b")), "y": 2} == dict(store)
    with pytest.raises(KeyError):
        del store["absent"]
    assert str(store).startswith(f'JSONDict("{store.file_path}"):\n{{\n  "path"')
    store.clear()
    assert stored(store.file_path) == {} == dict(store)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"YOLO_CONFIG_DIR": "{tmp}/own"}, "{tmp}/own/Ultralytics"),
        ({"XDG_CONFIG_HOME": "{tmp}/xdg"}, "{tmp}/xdg/Ultralytics"),
        ({"HOME": "{tmp}"}, "{tmp}/.config/Ultralytics"),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="folder rules of Linux")
def test_where_the_settings_are(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("YOLO_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    folder = Path(expected.format(tmp=tmp_path))
    assert module.user_config_path() == folder
    assert not folder.exists()
    assert module.get_user_config_dir() == folder
    assert folder.is_dir()


def test_a_place_that_cannot_be_made_is_replaced_by_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(blocker / "x"))
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = module.get_user_config_dir()
    assert folder.parent == tmp_path
    assert folder == module.get_user_config_dir()
    if hasattr(os, "getuid"):
        assert folder.stat().st_mode & 0o777 == 0o700
    settings = SettingsManager()
    settings["sync"] = False
    assert stored(folder / "settings.json")["sync"] is False
