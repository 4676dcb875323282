"""Facts about the process and the machine: environment variables, platform, versions, kind of host.

Plain constants are cheap to read (no file, no network, no heavy import). Whatever needs a file or a
package look-up is a function, cached, and published as a lazy constant by `ultralytics.utils`.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

__all__ = [
    "ARGV",
    "ARM64",
    "ASSETS",
    "ASSETS_URL",
    "AUTOINSTALL",
    "FILE",
    "LINUX",
    "LOCAL_RANK",
    "MACOS",
    "NUM_THREADS",
    "PLATFORM_URL",
    "PYTHON_VERSION",
    "RANK",
    "RKNN_CHIPS",
    "ROOT",
    "SAFE_LOAD",
    "VERBOSE",
    "WINDOWS",
    "WORLD_SIZE",
    "build_version",
    "env_bool",
    "is_first_rank",
    "is_online",
    "local_rank",
    "package_version",
    "rank",
    "world_size",
]

TRUE_WORDS = frozenset({"1", "true", "yes", "on", "y", "t"})


def env_bool(name: str, default: bool = False) -> bool:
    """Truth of an environment variable: 1, true, yes, on, y or t in any case; unset gives the default."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in TRUE_WORDS


def _launcher_ranks() -> tuple[int, int, int]:
    """(rank, local rank, world size); ranks count only when a launcher started several processes."""
    world = int(os.environ.get("WORLD_SIZE") or 1)
    if world <= 1:
        return -1, -1, 1
    return int(os.environ.get("RANK", -1)), int(os.environ.get("LOCAL_RANK", -1)), world


# As they were at import; a process that is started as a rank later asks the functions below.
RANK, LOCAL_RANK, WORLD_SIZE = _launcher_ranks()


def rank() -> int:
    """Number of this process among those a launcher started; -1 for a process on its own."""
    return _launcher_ranks()[0]


def local_rank() -> int:
    """Number of this process among those of its machine; -1 for a process on its own."""
    return _launcher_ranks()[1]


def world_size() -> int:
    """How many processes a launcher started; 1 for a process on its own."""
    return _launcher_ranks()[2]


def is_first_rank() -> bool:
    """Whether this process writes the files and lines of a run: rank 0, or one on its own."""
    return rank() in (-1, 0)


ARGV = sys.argv or ["", ""]
FILE = Path(__file__).resolve().parent / "__init__.py"
ROOT = FILE.parents[1]
ASSETS = ROOT / "assets"
ASSETS_URL = "https://github.com/ultralytics/assets/releases/download/v0.0.0"
PLATFORM_URL = os.environ.get("ULTRALYTICS_PLATFORM_URL", "https://platform.ultralytics.com")

NUM_THREADS = min(8, max(1, (os.cpu_count() or 1) - 1))
AUTOINSTALL = env_bool("YOLO_AUTOINSTALL", False)  # opt-in: nothing is installed at run time
VERBOSE = env_bool("YOLO_VERBOSE", True)
SAFE_LOAD = env_bool("ULTRALYTICS_SAFE_LOAD", True)  # full unpickling is asked for explicitly

MACOS = sys.platform == "darwin"
LINUX = sys.platform.startswith("linux")
WINDOWS = sys.platform == "win32"
MACOS_VERSION = platform.mac_ver()[0] if MACOS else None
NOT_MACOS14 = not (MACOS_VERSION or "").startswith("14.")
ARM64 = platform.machine().lower() in {"arm64", "aarch64"}
PYTHON_VERSION = platform.python_version()
IS_VSCODE = os.environ.get("TERM_PROGRAM", "") == "vscode"

RKNN_CHIPS = frozenset(
    [
        "rk3588",
        "rk3576",
        "rk3566",
        "rk3568",
        "rk3562",
        "rv1103",
        "rv1106",
        "rv1103b",
        "rv1106b",
        "rk2118",
        "rv1126b",
    ]
)
JETPACK_RELEASES = {4: ("R32",), 5: ("R35",), 6: ("R36",), 7: ("R38", "R39")}
LOOKUP_HOSTS = ("one.one.one.one", "dns.google")


@cache
def package_version(name: str) -> str:
    """Version of an installed distribution without importing it, or an empty text."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@cache
def build_version(name: str) -> str:
    """Version with its build tag ("2.15.0+cu132") from a package's `version.py`, without importing it.

    Torch and torchvision keep the tag only there.
    """
    spec = find_spec(name)
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    match = re.search(
        r"^__version__\b[^=]*=\s*['\"]([^'\"]+)",
        _read_text(str(folder / "version.py")),
        re.MULTILINE,
    )
    return match[1] if match else package_version(name)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@cache
def _os_release() -> dict[str, str]:
    lines = _read_text("/etc/os-release").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def read_device_model() -> str:
    """Kernel release in lower case; single-board computers and Jetson boards name themselves there."""
    return platform.release().lower()


def is_ubuntu() -> bool:
    """Whether the system is Ubuntu."""
    return _os_release().get("ID") == "ubuntu"


def get_ubuntu_version() -> str | None:
    """Ubuntu's version such as "24.04", or None on another system."""
    return _os_release().get("VERSION_ID") if is_ubuntu() else None


def is_debian(codenames: Iterable[str] | str | None = None) -> bool:
    """Whether the system is Debian, of one of the given code names if any are given."""
    release = _os_release()
    wanted = [codenames] if isinstance(codenames, str) else list(codenames or ())
    return release.get("ID") == "debian" and (
        not wanted or release.get("VERSION_CODENAME") in wanted
    )


def is_colab() -> bool:
    """Whether the process runs in a Google Colab notebook."""
    return any(name.startswith("COLAB_") for name in os.environ)


def is_kaggle() -> bool:
    """Whether the process runs in a Kaggle notebook."""
    return any(name.startswith("KAGGLE_") for name in os.environ)


def is_runpod() -> bool:
    """Whether the process runs in a RunPod container."""
    return "RUNPOD_POD_ID" in os.environ


def is_jupyter() -> bool:
    """Whether a notebook kernel runs this process."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" or is_colab() or is_kaggle()


def is_docker() -> bool:
    """Whether the process runs in a container."""
    return Path("/.dockerenv").exists() or "docker" in _read_text("/proc/self/cgroup")


def is_raspberrypi() -> bool:
    """Whether the machine is a Raspberry Pi."""
    return "rpi" in read_device_model()


def is_jetson(jetpack: int | None = None) -> bool:
    """Whether the machine is an NVIDIA Jetson, of a given JetPack generation if one is given."""
    if "tegra" not in read_device_model():
        return False
    if jetpack is None:
        return True
    release = _read_text("/etc/nv_tegra_release")
    return any(code in release for code in JETPACK_RELEASES.get(jetpack, ()))


def is_dgx() -> bool:
    """Whether the machine is an NVIDIA DGX."""
    return "DGX" in _read_text("/etc/dgx-release")


def is_pytest_running() -> bool:
    """Whether a test session runs in this process or started it."""
    return "PYTEST_CURRENT_TEST" in os.environ or "pytest" in sys.modules


def is_github_action_running() -> bool:
    """Whether this is a GitHub Actions job."""
    return "GITHUB_ACTIONS" in os.environ and "RUNNER_OS" in os.environ


def is_pip_package(package: str = "ultralytics") -> bool:
    """Whether a package is importable from a file, without importing it."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def is_dir_writeable(dir_path: str | Path) -> bool:
    """Whether files can be created in a folder."""
    return os.access(str(dir_path), os.W_OK)


def is_online() -> bool:
    """Whether the names of two public hosts resolve; always False when YOLO_OFFLINE is set."""
    if env_bool("YOLO_OFFLINE"):
        return False
    for host in LOOKUP_HOSTS:
        try:
            socket.getaddrinfo(host, 443)
        except OSError:
            continue
        return True
    return False


def environment_name() -> str:
    """Colab, Kaggle, Jupyter, Docker, or the platform's name."""
    kinds = (
        ("Colab", is_colab),
        ("Kaggle", is_kaggle),
        ("Jupyter", is_jupyter),
        ("Docker", is_docker),
    )
    return next((name for name, test in kinds if test()), platform.system())
