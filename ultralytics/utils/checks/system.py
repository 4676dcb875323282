"""The machine and the run: hardware, environment summary, windows, mixed precision, argument lines."""

from __future__ import annotations

import inspect
import os
import platform
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultralytics.utils import environment as env
from ultralytics.utils.logging import LOGGER, colorstr
from ultralytics.utils.misc import clean_url

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "check_amp",
    "check_imshow",
    "check_uv",
    "check_yolo",
    "collect_system_info",
    "cuda_device_count",
    "cuda_is_available",
    "is_ascii",
    "is_intel",
    "is_rockchip",
    "is_sudo_available",
    "print_args",
    "rocm_is_available",
]

GIB = 1 << 30
LONG_VALUE = 100  # characters


def is_ascii(s: object) -> bool:
    """Whether the text of a value is pure ASCII."""
    return str(s).isascii()


def is_sudo_available() -> bool:
    """Whether the sudo command exists."""
    return shutil.which("sudo") is not None


def check_uv() -> bool:
    """Whether the uv command exists."""
    return shutil.which("uv") is not None


def is_rockchip() -> bool:
    """Whether the processor is a Rockchip one that RKNN supports."""
    if not (env.LINUX and env.ARM64):
        return False
    try:
        text = Path("/proc/device-tree/compatible").read_text(errors="ignore")
    except OSError:
        return False
    return any(name.split(",")[-1] in env.RKNN_CHIPS for name in text.split("\x00"))


def is_intel() -> bool:
    """Whether the processor is from Intel."""
    from ultralytics.utils.cpu import CPUInfo

    return "intel" in CPUInfo.name().lower()


def cuda_device_count() -> int:
    """Number of GPUs that torch can use."""
    import torch

    return torch.cuda.device_count()


def cuda_is_available() -> bool:
    """Whether there is such a GPU."""
    return cuda_device_count() > 0


def rocm_is_available() -> bool:
    """Whether torch was built for AMD GPUs and finds one."""
    import torch

    return getattr(torch.version, "hip", None) is not None and torch.cuda.is_available()


@cache
def check_imshow(warn: bool = False) -> bool:
    """Whether windows can be opened; tried once."""
    has_display = not env.LINUX or bool(os.environ.get("DISPLAY"))
    if not has_display or env.is_colab() or env.is_kaggle():
        return False
    import cv2
    import numpy as np

    try:
        cv2.imshow("test", np.zeros((8, 8, 3), np.uint8))
        cv2.waitKey(1)
        cv2.destroyAllWindows()
        cv2.waitKey(1)
    except cv2.error as error:
        if warn:
            LOGGER.warning(f"This environment cannot show windows: {error}")
        return False
    return True


def check_amp(model: nn.Module) -> bool:
    """Whether this network can be trained in half precision on its device.

    One forward pass of the network itself is compared in single and half precision; see
    `ultralytics.utils.torch_utils.precision`. CPU and MPS never qualify.
    """
    from ultralytics.utils.torch_utils.device import get_gpu_info
    from ultralytics.utils.torch_utils.precision import (
        computes_half_poorly,
        is_half_precision_sound,
    )

    device = next(model.parameters()).device
    if device.type in {"cpu", "mps"}:
        return False
    if device.type == "cuda":
        name = get_gpu_info(device.index or 0).lower()
        if computes_half_poorly(name.split(",")[0]):
            LOGGER.warning(f"AMP is off: {name} computes half precision unreliably.")
            return False
    is_sound = is_half_precision_sound(model, device)
    LOGGER.info(f"AMP check {'passed' if is_sound else 'failed; training in single precision'}.")
    return is_sound


def collect_system_info() -> dict[str, Any]:
    """Log and return facts about the machine and the installed packages.

    Returns:
        Label -> value; "Package Info" maps a package to (whether its requirement is met, its
        version, the requirement).
    """
    from importlib import metadata

    import psutil
    import torch

    from ultralytics.utils.checks.versions import check_version, parse_requirements
    from ultralytics.utils.cpu import CPUInfo
    from ultralytics.utils.torch_utils.device import get_gpu_info

    disk = shutil.disk_usage("/")
    has_gpu = torch.cuda.is_available()
    from_git = (env.ROOT.parent / ".git").exists()
    facts: dict[str, Any] = {
        "OS": platform.platform(),
        "Environment": env.environment_name(),
        "Python": env.PYTHON_VERSION,
        "Install": "git" if from_git else "pip" if env.package_version("ultralytics") else "other",
        "Path": str(env.ROOT),
        "RAM": f"{psutil.virtual_memory().total / GIB:.2f} GB",
        "Disk": f"{(disk.total - disk.free) / GIB:.1f}/{disk.total / GIB:.1f} GB",
        "CPU": CPUInfo.name(),
        "CPU count": os.cpu_count(),
        "GPU": get_gpu_info(0) if has_gpu else None,
        "GPU count": torch.cuda.device_count() if has_gpu else None,
        "CUDA": torch.version.cuda if has_gpu else None,
    }
    for label, value in facts.items():
        LOGGER.info(f"{label:<23}{value}")
    try:
        listed = parse_requirements(package="ultralytics")
    except metadata.PackageNotFoundError:
        listed = []
    packages = {}
    for requirement in listed:
        version = env.package_version(requirement.name)
        is_met = bool(version) and check_version(version, requirement.specifier)
        packages[requirement.name] = (is_met, version, requirement.specifier)
        mark = "ok" if is_met else "MISSING"
        LOGGER.info(f"{requirement.name:<23}{mark} {version} {requirement.specifier}")
    return facts | {"Package Info": packages}


def check_yolo(verbose: bool = True, device: str = "") -> None:
    """Log a summary of the machine and the device that would be used."""
    from ultralytics.utils.logging import configure_logging
    from ultralytics.utils.torch_utils.device import select_device

    configure_logging()
    select_device(device)
    if verbose:
        import psutil

        disk = shutil.disk_usage("/")
        LOGGER.info(
            f"Setup complete ({os.cpu_count()} CPUs, {psutil.virtual_memory().total / GIB:.1f} GB "
            f"RAM, {(disk.total - disk.free) / GIB:.1f}/{disk.total / GIB:.1f} GB disk)"
        )


def print_args(
    args: Mapping[str, Any] | None = None,  # Any: argument values
    show_file: bool = True,
    show_func: bool = False,
) -> None:
    """Log arguments as `key=value`, sorted by key.

    Args:
        args: arguments; None means those of the calling function.
        show_file: start with the caller's file name.
        show_func: start with the caller's function name.
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame else None
    if caller is None:
        return
    values = args
    if values is None:
        count = caller.f_code.co_argcount + caller.f_code.co_kwonlyargcount
        values = {name: caller.f_locals[name] for name in caller.f_code.co_varnames[:count]}
    head = (f"{Path(caller.f_code.co_filename).stem}: " if show_file else "") + (
        f"{caller.f_code.co_name}: " if show_func else ""
    )
    listed = ", ".join(f"{key}={_shown(values[key])}" for key in sorted(values))
    LOGGER.info((colorstr(head) if head else "") + listed)


def _shown(value: object) -> str:
    """A value as text; a long address loses its query, which may hold a signature."""
    text = str(value)
    is_long_address = len(text) > LONG_VALUE and text.startswith(("http://", "https://"))
    return clean_url(text) if is_long_address else text
