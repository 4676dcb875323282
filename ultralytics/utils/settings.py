"""User settings: one small JSON file shared by all runs of a user.

Reading never creates the file. Writing merges into what is on disk under a file lock, keeps keys this
version does not know, and replaces the file in one step. Folders are looked up when they are needed,
so a change takes effect in the same process.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics.errors import nearest
from ultralytics.utils.files import atomic_write
from ultralytics.utils.locks import file_lock
from ultralytics.utils.logging import LOGGER

__all__ = [
    "SETTINGS",
    "JSONDict",
    "SettingsManager",
    "get_user_config_dir",
    "settings_file",
    "user_cache_dir",
    "user_config_path",
]

SETTINGS_VERSION = "0.0.8"
API_KEY = re.compile(r"ul_[0-9a-f]{40}")
MARKS = "explicit"  # key of the file that lists what the user set; not part of the dictionary
INHERITED = "inherited"  # likewise: what an older version had written down as its default
INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
# Accepted when set, never written otherwise.
FORMER_KEYS = ("hub", "neptune")
FORMERLY_ON = (*FORMER_KEYS, "tensorboard", "wandb")  # by default, in versions before 0.0.8
OPTIONAL_KEYS: dict[str, type] = {
    **dict.fromkeys(FORMER_KEYS, bool),
    "weights_url": str,
    "report": bool,  # False: trainings write no report.html
}


def user_config_path(sub_dir: str = "Ultralytics") -> Path:
    """Folder of the user's settings. Nothing is created.

    Raises:
        ValueError: the operating system is not one of Linux, Windows and macOS.
    """
    if base := os.environ.get("YOLO_CONFIG_DIR"):
        wanted = Path(base).expanduser() / sub_dir
    elif sys.platform.startswith("linux"):
        wanted = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / sub_dir
    elif sys.platform == "win32":
        wanted = Path.home() / "AppData" / "Roaming" / sub_dir
    elif sys.platform == "darwin":
        wanted = Path.home() / "Library" / "Application Support" / sub_dir
    else:
        raise ValueError(f"no known place for settings on system {sys.platform!r}")
    return wanted if _can_be_made(wanted) else _fallback_path(sub_dir)


def user_cache_dir() -> Path:
    """Folder for things that can be fetched again: weights and data sets. Nothing is created."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "ultralytics"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "ultralytics"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ultralytics"
    return Path.home() / ".cache" / "ultralytics"


def _can_be_made(folder: Path) -> bool:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _fallback_path(sub_dir: str) -> Path:
    owner = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"{sub_dir}{owner}"


def _is_private(folder: Path) -> bool:
    """Whether a folder in the shared temporary place belongs to this user alone."""
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    status = folder.lstat()
    return folder.is_dir() and status.st_uid == os.getuid() and not status.st_mode & 0o077


def get_user_config_dir(sub_dir: str = "Ultralytics") -> Path:
    """Folder of the user's settings, created when missing.

    Where it cannot be created, a private folder of this user in the temporary place is used, with a
    warning.
    """
    folder = user_config_path(sub_dir)
    if folder != _fallback_path(sub_dir):
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or not _is_private(folder):
        folder = Path(tempfile.mkdtemp(prefix=f"{sub_dir}-"))
    LOGGER.warning(f"The settings folder is not writable; using {folder}. Set YOLO_CONFIG_DIR.")
    return folder


def settings_file() -> Path:
    """Path of the settings file, which may not exist."""
    return user_config_path() / "settings.json"


def _read_object(path: Path) -> dict[str, Any]:  # Any: JSON values
    """Content of a JSON file; a missing or empty one is empty.

    Raises:
        ValueError: the text is not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    data = json.loads(text) if text.strip() else {}
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _names_of(listed: object) -> set[str]:
    return {str(key) for key in listed} if isinstance(listed, list) else set()


def _plain(value: Any) -> Any:  # Any: JSON values
    return str(value) if isinstance(value, os.PathLike) else value


class JSONDict(dict[str, Any]):
    """Dictionary kept in a JSON file: every change is written at once.

    Threads are serialised by a lock in the object, processes by a lock file. Paths become text.
    """

    def __init__(self, file_path: str | Path = "data.json") -> None:
        super().__init__()
        self.file_path = Path(file_path)
        self.lock = threading.RLock()
        self._load()

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        def remove() -> None:
            super(JSONDict, self).__delitem__(key)

        self._change(remove)

    def __str__(self) -> str:
        content = json.dumps(dict(self), indent=2, ensure_ascii=False)
        return f'{type(self).__name__}("{self.file_path}"):\n{content}'

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take over values, given in any form `dict.update` accepts, and write the file once."""
        values = {key: _plain(value) for key, value in dict(*args, **kwargs).items()}
        self._change(lambda: super(JSONDict, self).update(values))

    def clear(self) -> None:
        """Empty the dictionary and the file."""
        self._change(lambda: super(JSONDict, self).clear())

    def _load(self) -> None:
        """Replace the content by the file's. An unreadable file is left alone and read as empty."""
        try:
            data = _read_object(self.file_path)
        except ValueError as error:
            LOGGER.warning(f"Ignoring {self.file_path}, which is not valid JSON: {error}")
            data = {}
        super().clear()
        super().update(data)

    def _document(self) -> dict[str, Any]:
        """What is written to the file."""
        return dict(self)

    def _change(self, edit: Callable[[], None]) -> None:
        """Apply an edit to the newest content of the file and write the result."""
        with self.lock:
            self._make_folder()
            with file_lock(self.file_path):
                self._keep_unreadable()
                self._load()
                edit()
                text = json.dumps(self._document(), indent=2, ensure_ascii=False)
                atomic_write(self.file_path, text)

    def _make_folder(self) -> None:
        self.file_path.parent.mkdir(parents=True, exist_ok=True)

    def _keep_unreadable(self) -> None:
        """Move a file that is not JSON aside before it is replaced."""
        try:
            _read_object(self.file_path)
        except ValueError:
            backup = self.file_path.with_suffix(".json.bak")
            os.replace(self.file_path, backup)
            LOGGER.warning(f"{self.file_path} was not valid JSON; its content is kept in {backup}.")


class SettingsManager(JSONDict):
    """The user's settings over the defaults. Unknown keys of the file are kept and visible.

    Args:
        file: settings file; None means the user's own.
        version: version of the key table, written with the next change.
    """

    def __init__(self, file: str | Path | None = None, version: str = SETTINGS_VERSION) -> None:
        cache_dir = user_cache_dir()
        self.version = version
        self.defaults: dict[str, Any] = {
            "settings_version": version,
            "datasets_dir": str(cache_dir / "datasets"),
            "weights_dir": str(cache_dir / "weights"),
            "runs_dir": "runs",
            "uuid": "",
            "sync": True,
            "api_key": "",
            "openai_api_key": "",
            "clearml": True,
            "comet": True,
            "dvc": True,
            "mlflow": True,
            "raytune": True,
            "tensorboard": False,
            "wandb": False,
            "vscode_msg": True,
            "openvino_msg": True,
        }
        self._marks: set[str] = set()
        self._inherited: set[str] = set()
        super().__init__(settings_file() if file is None else file)
        if self["datasets_dir"] == self["runs_dir"]:
            LOGGER.warning(
                f"Settings datasets_dir and runs_dir are the same folder ({self['runs_dir']}); "
                "runs would mix with data."
            )

    def __missing__(self, key: str) -> Any:
        """Value of a key that older versions had and that is stored only when set; it has no effect."""
        if key in FORMER_KEYS:
            return True
        raise KeyError(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Check and store new values; a single wrong one rejects them all.

        Raises:
            KeyError: a name is no setting.
            TypeError: a value has the wrong type.
        """
        values = {key: _plain(value) for key, value in dict(*args, **kwargs).items()}
        for key, value in values.items():
            self._check(key, value)

        def edit() -> None:
            dict.update(self, values)
            self._marks |= values.keys()
            self._inherited -= values.keys()

        self._change(edit)

    def reset(self) -> None:
        """Write the defaults."""

        def edit() -> None:
            dict.clear(self)
            dict.update(self, self.defaults)
            self._marks.clear()
            self._inherited.clear()

        self._change(edit)

    def clear(self) -> None:
        """Same as `reset`: settings cannot be empty."""
        self.reset()

    def is_explicit(self, key: str) -> bool:
        """Whether the user chose this value, as opposed to a default that was merely written down."""
        if key in self._marks or key in self._inherited:
            return key in self._marks
        return key in self and self[key] != self.defaults.get(key)

    def _check(self, key: str, value: object) -> None:
        known: Mapping[str, type] = {
            **{name: type(default) for name, default in self.defaults.items()},
            **OPTIONAL_KEYS,
        }
        if key not in known and key not in self:
            names: Iterable[str] = sorted(known)
            raise KeyError(
                f"no setting is called {key!r}{nearest(key, names)}; settings: {', '.join(names)}"
            )
        wanted = known.get(key)
        if wanted is not None and type(value) is not wanted:
            raise TypeError(
                f"setting {key!r} must be of type {wanted.__name__}, not {type(value).__name__}"
            )

    def _load(self) -> None:
        super()._load()
        stored = dict(self)
        self._marks = _names_of(stored.pop(MARKS, []))
        self._inherited = _names_of(stored.pop(INHERITED, []))
        if stored.get("settings_version", self.version) != self.version:
            self._inherited |= {key for key in FORMERLY_ON if stored.get(key) is True} - self._marks
        wrong = [
            key
            for key, default in self.defaults.items()
            if key in stored and type(stored[key]) is not type(default)
        ]
        if wrong:
            LOGGER.warning(
                f"Settings of the wrong type in {self.file_path} are replaced by their defaults: "
                f"{', '.join(wrong)}"
            )
        if isinstance(stored.get("api_key"), str) and not API_KEY.fullmatch(stored["api_key"]):
            stored["api_key"] = ""
        kept = {key: value for key, value in stored.items() if key not in wrong}
        dict.clear(self)
        dict.update(self, self.defaults | kept | {"settings_version": self.version})

    def _make_folder(self) -> None:
        if self.file_path == settings_file():
            self.file_path = get_user_config_dir() / self.file_path.name
        super()._make_folder()

    def _document(self) -> dict[str, Any]:
        lists = {MARKS: self._marks, INHERITED: self._inherited}
        return {**self, **{name: sorted(keys) for name, keys in lists.items() if keys}}


if TYPE_CHECKING:
    SETTINGS: SettingsManager


@cache
def _settings() -> SettingsManager:
    return SettingsManager()


def __getattr__(name: str) -> SettingsManager:
    """`SETTINGS` is read from disk when first asked for."""
    if name == "SETTINGS":
        return _settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
