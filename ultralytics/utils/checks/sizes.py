"""Image sizes that fit a network's stride."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ultralytics.errors import ConfigTypeError, ConfigValueError
from ultralytics.utils.logging import LOGGER

__all__ = ["check_imgsz"]

SIZE_TEXT = re.compile(r"[\[(]?\s*(\d+(?:\s*,\s*\d+)*)\s*,?\s*[\])]?")
ALLOWED = "use an integer such as imgsz=640 or a list [height, width] such as imgsz=[640,480]"


def check_imgsz(
    imgsz: int | str | Sequence[int],
    stride: Any = 32,  # Any: a number or a tensor of one
    min_dim: int = 1,
    max_dim: int = 2,
    floor: int = 0,
) -> int | list[int]:
    """Image size rounded up to a multiple of the stride.

    Args:
        imgsz: one size, or (height, width), or their text.
        stride: largest stride of the network in pixels.
        min_dim: 2 turns one size into two.
        max_dim: 1 keeps the larger of two sizes, with a warning.
        floor: smallest result.

    Returns:
        An integer for one size, a list for two.

    Raises:
        ValueError: text that is no size, or more than two sizes.
        TypeError: anything but integers.
    """
    step = int(stride)
    wanted = _sizes(imgsz)
    if len(wanted) > max_dim:
        if max_dim != 1 or len(wanted) > 2:
            raise ConfigValueError(f"imgsz={imgsz} has {len(wanted)} sizes; {ALLOWED}")
        LOGGER.warning(f"imgsz={imgsz}: train and val take one size, so {max(wanted)} is used.")
        wanted = [max(wanted)]
    fitting = [max(math.ceil(size / step) * step, floor, step) for size in wanted]
    if fitting != wanted:
        LOGGER.warning(f"imgsz={wanted} is changed to {fitting}, a multiple of stride {step}.")
    if len(fitting) > 1:
        return fitting
    return fitting * 2 if min_dim == 2 else fitting[0]


def _sizes(imgsz: object) -> list[int]:
    if isinstance(imgsz, str):
        match = SIZE_TEXT.fullmatch(imgsz.strip())
        if match is None:
            raise ConfigValueError(f"imgsz={imgsz!r} is not an image size; {ALLOWED}")
        return [int(part) for part in match[1].split(",")]
    values = list(imgsz) if isinstance(imgsz, (list, tuple)) else [imgsz]
    if not values:
        raise ConfigValueError(f"imgsz={imgsz!r} is empty; {ALLOWED}")
    return [_integer(value, imgsz) for value in values]


def _integer(value: object, imgsz: object) -> int:
    """An integer of any kind (numpy's too), but neither a boolean nor a float."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ConfigTypeError(f"imgsz={imgsz!r} is of type {type(value).__name__}; {ALLOWED}")
    return int(value.__index__())
