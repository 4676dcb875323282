"""Version flags such as TORCH_2_1 (True from torch 2.1 on), without importing torch."""

from __future__ import annotations

import re

from ultralytics.utils.environment import package_version

__all__ = ["FLAGS"]

TORCH_MINORS = ["1_9", "1_10", "1_11", "1_12", "1_13", *(f"2_{minor}" for minor in range(14))]
TORCHVISION_MINORS = [f"0_{minor}" for minor in range(10, 19)]


def _at_least(package: str, minor: str) -> bool:
    found = tuple(int(part) for part in re.findall(r"\d+", package_version(package))[:2])
    return found >= tuple(int(part) for part in minor.split("_"))


FLAGS: dict[str, bool] = {
    **{f"TORCH_{minor}": _at_least("torch", minor) for minor in TORCH_MINORS},
    **{f"TORCHVISION_{minor}": _at_least("torchvision", minor) for minor in TORCHVISION_MINORS},
}


def __getattr__(name: str) -> bool:
    if name in FLAGS:
        return FLAGS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
