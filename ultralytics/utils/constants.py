"""Constants that cost something to find out: files are read, packages looked up, names resolved.

Each is computed when it is first asked for, never at import. Folders that settings decide are looked
up every time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics.utils import environment as env

__all__ = ["FLOAT_OR_INT", "LIVE", "STR_OR_PATH"]

FLOAT_OR_INT = (float, int)
STR_OR_PATH = (str, Path)

if TYPE_CHECKING:
    from ultralytics.utils.git import GitRepo

    DATASETS_DIR: Path
    DEVICE_MODEL: str
    ENVIRONMENT: str
    GIT: GitRepo
    IS_COLAB: bool
    IS_DEBIAN: bool
    IS_DEBIAN_BOOKWORM: bool
    IS_DEBIAN_TRIXIE: bool
    IS_DOCKER: bool
    IS_JETSON: bool
    IS_JUPYTER: bool
    IS_KAGGLE: bool
    IS_PIP_PACKAGE: bool
    IS_RASPBERRYPI: bool
    IS_UBUNTU: bool
    ONLINE: bool
    RUNS_DIR: Path
    SETTINGS_FILE: Path
    TESTS_RUNNING: bool
    TORCHVISION_VERSION: str
    TORCH_VERSION: str
    USER_CONFIG_DIR: Path
    WEIGHTS_DIR: Path


def _git() -> GitRepo:
    from ultralytics.utils.git import GitRepo

    return GitRepo()


def _config_dir() -> Path:
    from ultralytics.utils.settings import user_config_path

    return user_config_path()


def _folder(key: str) -> Callable[[], Path]:
    def look_up() -> Path:
        from ultralytics.utils.settings import SETTINGS

        return Path(SETTINGS[key])

    return look_up


# Depend on settings, which may change while the process runs.
LIVE: dict[str, Callable[[], Path]] = {
    "DATASETS_DIR": _folder("datasets_dir"),
    "RUNS_DIR": _folder("runs_dir"),
    "WEIGHTS_DIR": _folder("weights_dir"),
}

_ONCE: dict[str, Callable[[], Any]] = {  # Any: each constant has its own type, declared above
    "DEVICE_MODEL": env.read_device_model,
    "ENVIRONMENT": env.environment_name,
    "GIT": _git,
    "IS_COLAB": env.is_colab,
    "IS_DEBIAN": env.is_debian,
    "IS_DEBIAN_BOOKWORM": lambda: env.is_debian("bookworm"),
    "IS_DEBIAN_TRIXIE": lambda: env.is_debian("trixie"),
    "IS_DOCKER": env.is_docker,
    "IS_JETSON": env.is_jetson,
    "IS_JUPYTER": env.is_jupyter,
    "IS_KAGGLE": env.is_kaggle,
    "IS_PIP_PACKAGE": env.is_pip_package,
    "IS_RASPBERRYPI": env.is_raspberrypi,
    "IS_UBUNTU": env.is_ubuntu,
    "ONLINE": env.is_online,
    "SETTINGS_FILE": lambda: _config_dir() / "settings.json",
    "TESTS_RUNNING": lambda: env.is_pytest_running() or env.is_github_action_running(),
    "TORCHVISION_VERSION": lambda: env.build_version("torchvision"),
    "TORCH_VERSION": lambda: env.build_version("torch"),
    "USER_CONFIG_DIR": _config_dir,
}


@cache
def _compute(name: str) -> Any:  # Any: see _ONCE
    return _ONCE[name]()


def __getattr__(name: str) -> Any:  # Any: see _ONCE
    if name in LIVE:
        return LIVE[name]()
    if name in _ONCE:
        return _compute(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
