"""The default ranges of a search, and how ranges of the user are checked against the arguments of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ultralytics.cfg.checks import check_value
from ultralytics.cfg.schema import SETTINGS
from ultralytics.engine.tuner.search import Space
from ultralytics.errors import ConfigError, ConfigTypeError, nearest

__all__ = ["DEFAULT_SPACE", "integer_names", "make_space"]

# name -> (low, high) or (low, high, gain); specification chapter 40, section 23
DEFAULT_SPACE: Mapping[str, tuple[float, ...]] = {
    "lr0": (1e-5, 1e-2),
    "lrf": (0.01, 1.0),
    "momentum": (0.7, 0.98, 0.3),
    "weight_decay": (0.0, 0.001),
    "warmup_epochs": (0.0, 5.0),
    "warmup_momentum": (0.0, 0.95),
    "box": (1.0, 20.0),
    "cls": (0.1, 4.0),
    "cls_pw": (0.0, 1.0),
    "dfl": (0.4, 12.0),
    "hsv_h": (0.0, 0.1),
    "hsv_s": (0.0, 0.9),
    "hsv_v": (0.0, 0.9),
    "degrees": (0.0, 45.0),
    "translate": (0.0, 0.9),
    "scale": (0.0, 0.95),
    "shear": (0.0, 10.0),
    "perspective": (0.0, 0.001),
    "flipud": (0.0, 1.0),
    "fliplr": (0.0, 1.0),
    "bgr": (0.0, 1.0),
    "mosaic": (0.0, 1.0),
    "mixup": (0.0, 1.0),
    "cutmix": (0.0, 1.0),
    "copy_paste": (0.0, 1.0),
    "close_mosaic": (0, 10),
}

_NUMERIC = {s.name: s for s in SETTINGS if isinstance(s.default, (int, float)) and s.kind != "flag"}


def integer_names() -> frozenset[str]:
    """Arguments that are whole numbers."""
    return frozenset(name for name, setting in _NUMERIC.items() if setting.kind == "int")


def make_space(ranges: Mapping[str, Sequence[float]] | None = None) -> Space:
    """The space of some ranges, of the default ones when None.

    Raises:
        ConfigError: a name that is no numeric argument.
        ConfigTypeError, ConfigValueError: a range that is none, or that leaves the range of the argument.
    """
    if ranges is not None and not isinstance(ranges, Mapping):
        raise ConfigTypeError(
            f"space={ranges!r} must be a mapping of names to ranges, for example "
            "space={'lr0': (1e-5, 1e-2)}"
        )
    chosen = DEFAULT_SPACE if ranges is None else ranges
    for name in chosen:
        if name not in _NUMERIC:
            raise ConfigError(
                f"space: {name!r} is no numeric argument of a training{nearest(str(name), _NUMERIC)}"
            )
    space = Space(chosen, integer_names())
    for parameter in space.parameters:
        ends: tuple[Any, ...] = (parameter.low, parameter.high)  # Any: int or float
        if parameter.is_integer:
            ends = (math.ceil(parameter.low), math.floor(parameter.high))
        for end in ends:
            check_value(_NUMERIC[parameter.name], end)
    return space
