"""Type, range and spelling checks of argument values.

`check_value` returns the value to store, or raises `ConfigTypeError` or `ConfigValueError` with one line that names the
argument, the value and what is allowed. Arguments of kind "own" in the table have their rule in `_OWN` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

from ultralytics.cfg.setting import Setting
from ultralytics.errors import ConfigTypeError, ConfigValueError, nearest
from ultralytics.registry import resolve_name

__all__ = ["FORMAT_ALIASES", "QUANTIZE_ALIASES", "STREAMS", "check_value"]

QUANTIZE_ALIASES: dict[str, int | str] = {
    "8": 8,
    "int8": 8,
    "w8a8": 8,
    "16": 16,
    "fp16": 16,
    "w16a16": 16,
    "32": 32,
    "fp32": 32,
    "w32a32": 32,
    "w8a16": "w8a16",
    "w8a32": "w8a32",
}

# Export formats of the interface and other spellings of them; spec chapter 60, section 2.
FORMATS = (
    "torchscript",
    "onnx",
    "openvino",
    "engine",
    "coreml",
    "coreai",
    "saved_model",
    "pb",
    "tflite",
    "edgetpu",
    "tfjs",
    "litert",
    "paddle",
    "mnn",
    "ncnn",
    "imx",
    "rknn",
    "executorch",
    "axelera",
    "deepx",
    "qnn",
    "hailo",
    "ascend",
    "xilinx",
)
FORMAT_ALIASES = {
    **dict.fromkeys(("tensorrt", "trt"), "engine"),
    **dict.fromkeys(("mlmodel", "mlpackage", "mlprogram", "apple", "ios"), "coreml"),
    **dict.fromkeys(("huawei", "cann", "om"), "ascend"),
    **dict.fromkeys(("vitis", "vitisai", "versal"), "xilinx"),
}

STREAMS = ("init", "order", "augmentation", "steps")  # random streams of a training run

LEAST_TILE = 32  # pixels; smaller tiles are a slip, such as a number of tiles
MOST_OVERLAP = 0.9

# Any: values come from users; every rule narrows before use.
Rule = Callable[[Setting, Any], Any]


def check_value(setting: Setting, value: Any, hard: bool = True) -> Any:
    """The checked form of one argument value.

    Args:
        setting: row of the argument table.
        value: what the user gave.
        hard: refuse a wrong type; otherwise convert it where the kind has a conversion.

    Raises:
        ConfigTypeError: wrong type, or None for an argument that needs a value.
        ConfigValueError: out of range, or not one of the allowed names. Not affected by `hard`.
    """
    if value is None:
        if setting.nullable or setting.kind in ("own", "name"):
            return _OWN_NONE.get(setting.name, _keep)(setting, value)
        raise ConfigTypeError(f"'{setting.name}' needs a value, for example {setting.example}")
    if setting.kind == "own":
        return _OWN[setting.name](setting, value)
    checked = _KINDS[setting.kind](setting, value, hard)
    _check_range(setting, checked)
    return _OWN.get(setting.name, _keep)(setting, checked)


def _keep(setting: Setting, value: Any) -> Any:
    return value


def _shown(setting: Setting, value: object) -> str:
    return f"'{setting.name}={value}'"


def _wrong_type(setting: Setting, value: object, wanted: str) -> ConfigTypeError:
    kind = type(value).__name__
    hint = "" if setting.default is None else f", for example {setting.example}"
    return ConfigTypeError(f"{_shown(setting, value)} is of type {kind}; it must be {wanted}{hint}")


def _check_range(setting: Setting, value: Any) -> None:
    low, high = setting.low, setting.high
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ConfigValueError(f"{_shown(setting, value)} is out of range; it must be {allowed}")


# Kinds ---------------------------------------------------------------------------------------------------------------


def _flag(setting: Setting, value: Any, hard: bool) -> bool | str:
    if isinstance(value, str) and value.lower() in setting.choices:
        return value.lower()
    if hard and type(value).__name__ not in ("bool", "bool_"):
        raise _wrong_type(setting, value, " or ".join(("true", "false", *setting.choices)))
    return bool(value)


def _int(setting: Setting, value: Any, hard: bool) -> int:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return int(float(value))
    if hard or isinstance(value, bool):
        raise _wrong_type(setting, value, "a whole number")
    return int(_number(setting, value, hard))


def _number(setting: Setting, value: Any, hard: bool) -> float:
    if not isinstance(value, Real):
        if hard:
            raise _wrong_type(setting, value, "a number")
        try:
            value = float(value)
        except (TypeError, ValueError):
            raise _wrong_type(setting, value, "a number") from None
    if not math.isfinite(value):
        raise ConfigValueError(f"{_shown(setting, value)} must be finite")
    return value if type(value) in (int, float) else float(value)


def _text(setting: Setting, value: Any, hard: bool) -> str:
    if hard and not isinstance(value, str):
        raise _wrong_type(setting, value, "text")
    if not setting.choices:
        return str(value)
    spelled = {choice.lower(): choice for choice in setting.choices}
    if str(value).lower() in spelled:
        return spelled[str(value).lower()]
    raise _unknown(setting, value, setting.choices)


def _name(setting: Setting, value: Any, hard: bool) -> str:
    if value in setting.choices:
        return str(value)
    raise _unknown(setting, value, setting.choices)


def _unknown(setting: Setting, value: object, known: Sequence[str]) -> ConfigValueError:
    hint = nearest(str(value), known)
    return ConfigValueError(
        f"{_shown(setting, value)} is not known{hint}; choose one of: {', '.join(known)}"
    )


_KINDS: dict[str, Callable[[Setting, Any, bool], Any]] = {
    "flag": _flag,
    "int": _int,
    "number": _number,
    "share": _number,
    "text": _text,
    "name": _name,
}

# Own rules -----------------------------------------------------------------------------------------------------------


def _is_int(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _required(setting: Setting, value: Any) -> Any:
    raise ConfigTypeError(f"'{setting.name}' needs a value, for example {setting.example}")


def _task(setting: Setting, value: Any) -> str:
    try:
        return resolve_name(value)
    except ValueError as error:
        raise ConfigValueError(str(error)) from None


def _path_or_list(setting: Setting, value: Any) -> Any:
    if isinstance(value, (bool, Real)):
        raise _wrong_type(setting, value, "a path, a name, or a list of them")
    return value


def _path(setting: Setting, value: Any) -> Any:
    if isinstance(value, (str, PathLike)):
        return value
    raise _wrong_type(setting, value, "text or a path")


def _column(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(setting, value, "the name of a column, such as val/box_loss:min")
    name, separator, mode = value.rpartition(":")
    if separator and (mode not in ("min", "max") or not name):
        raise ConfigValueError(f"{_shown(setting, value)} must end in :min or :max after its name")
    return value


def _flag_or_path(setting: Setting, value: Any) -> Any:
    if isinstance(value, (bool, str, PathLike)):
        return value
    raise _wrong_type(setting, value, "true, false or a file")


def _flag_or_text(setting: Setting, value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    raise _wrong_type(setting, value, "true, false or the name of a mode")


def _batch(setting: Setting, value: Any) -> Any:
    if value > 1 and not float(value).is_integer():
        raise ConfigValueError(
            f"{_shown(setting, value)} must be a whole number of images, a share of memory below 1, or -1"
        )
    return value


def _imgsz(setting: Setting, value: Any) -> Any:
    allowed = "a whole number such as imgsz=640, or two such as imgsz=[480, 640]"
    if isinstance(value, str):
        digits = value.replace(" ", "").strip("[]()").split(",")
        if not all(part.isdecimal() for part in digits):
            raise ConfigValueError(f"{_shown(setting, value)} is not a size; it must be {allowed}")
        return value
    sizes = value if isinstance(value, (list, tuple)) else [value]
    if not sizes or not all(_is_int(s) or (_is_number(s) and float(s).is_integer()) for s in sizes):
        raise _wrong_type(setting, value, allowed)
    if not all(size >= 0 for size in sizes):
        raise ConfigValueError(f"{_shown(setting, value)} must not be negative")
    whole = [int(size) for size in sizes]
    return (
        type(value)(whole)
        if type(value) in (list, tuple)
        else (whole[0] if len(whole) == 1 else whole)
    )


def _tile(setting: Setting, value: Any) -> Any:
    allowed = "a whole number such as tile=640, or two such as tile=[480, 640]"
    sides = value
    if isinstance(value, str):
        parts = value.replace(" ", "").strip("[]()").split(",")
        if not all(part.isdecimal() for part in parts):
            raise ConfigValueError(f"{_shown(setting, value)} is not a size; it must be {allowed}")
        sides = [int(part) for part in parts]
    sides = list(sides) if isinstance(sides, (list, tuple)) else [sides]
    if not all(_is_number(side) and float(side).is_integer() for side in sides):
        raise _wrong_type(setting, value, allowed)
    if len(sides) not in (1, 2):
        raise ConfigValueError(
            f"{_shown(setting, value)} has {len(sides)} sides; it must be {allowed}"
        )
    if min(sides) < LEAST_TILE:
        raise ConfigValueError(f"{_shown(setting, value)} is too small; the least is {LEAST_TILE}")
    whole = [int(side) for side in sides]
    return whole[0] if len(whole) == 1 else whole


def _overlap(setting: Setting, value: Any) -> Any:
    if value > MOST_OVERLAP:
        raise ConfigValueError(
            f"{_shown(setting, value)} is out of range; it must be between 0 and {MOST_OVERLAP}"
        )
    return value


def _cache(setting: Setting, value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("ram", "disk"):
        return value.lower()
    raise ConfigValueError(f"{_shown(setting, value)} must be true, false, ram or disk")


def _device(setting: Setting, value: Any) -> Any:
    if isinstance(value, (bool, float)):
        raise _wrong_type(setting, value, "a device such as device=0, device=0,1 or device=cpu")
    return value


def _freeze(setting: Setting, value: Any) -> Any:
    value = list(value) if isinstance(value, range) else value
    entries = value if isinstance(value, (list, tuple)) else [value]
    single = entries is not value
    if not all(_is_int(entry) or (isinstance(entry, str) and not single) for entry in entries):
        wanted = "a number of layers, or a list of layer numbers, ranges such as '0-9', or dotted layer names"
        raise _wrong_type(setting, value, wanted)
    if any(_is_int(entry) and entry < 0 for entry in entries):
        raise ConfigValueError(f"{_shown(setting, value)} must not be negative")
    return value


def _amp(setting: Setting, value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value.lower() in ("fp16", "bf16", "fp32"):
            return value.lower()
        raise ConfigValueError(f"{_shown(setting, value)} must be true, false, fp16, bf16 or fp32")
    raise _wrong_type(setting, value, "true, false, fp16, bf16 or fp32")


def _scale(setting: Setting, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and all(_is_number(gain) for gain in value):
            return value
        raise _wrong_type(setting, value, "a number, or two gains [smallest, largest]")
    if not isinstance(value, Real):
        raise _wrong_type(setting, value, "a number, or two gains [smallest, largest]")
    if not 0 <= float(value) <= 1:
        raise ConfigValueError(
            f"{_shown(setting, value)} is out of range; it must be between 0 and 1"
        )
    return value


def _fraction(setting: Setting, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return _fraction_list(setting, value)
    if not _is_number(value):
        raise _wrong_type(setting, value, "a share, a number of images, or a list of them")
    if _is_int(value) and value > 1:
        return int(value)
    if 0 < value <= 1:
        return float(value)
    raise ConfigValueError(
        f"{_shown(setting, value)} is out of range; it must be a share above 0 and up to 1.0, "
        "or a whole number of images"
    )


def _fraction_list(setting: Setting, value: Sequence[Any]) -> list[float]:
    usable = len(value) in (2, 3) and all(
        (_is_int(entry) and entry >= 0) or (isinstance(entry, float) and 0 <= entry <= 1)
        for entry in value
    )
    if not usable or not all(value[:2]):
        raise ConfigValueError(
            f"{_shown(setting, value)} must be [train, val] or [train, val, test]: shares up to 1.0 or "
            "whole numbers of images, the first two above 0"
        )
    return [float(entry) if entry in (0, 1) else entry for entry in value]


def _seeds(setting: Setting, value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise _wrong_type(setting, value, "a mapping such as seeds={'order': 1}")
    for name, seed in value.items():
        if name not in STREAMS:
            raise _unknown(setting, name, STREAMS)
        if not _is_int(seed) or seed < 0:
            raise ConfigValueError(
                f"{_shown(setting, value)}: the seed of {name} must be a whole number from 0"
            )
    return {str(name): int(seed) for name, seed in value.items()}


def _quantize(setting: Setting, value: Any) -> int | str:
    known = QUANTIZE_ALIASES.get(str(value).lower())
    if known is None:
        raise _unknown(setting, value, tuple(QUANTIZE_ALIASES))
    return known


def _classes(setting: Setting, value: Any) -> Any:
    entries = value if isinstance(value, (list, tuple)) else [value]
    if all(_is_int(entry) for entry in entries):
        return value
    if all(_is_number(entry) and float(entry).is_integer() for entry in entries):
        whole = [int(entry) for entry in entries]
        return whole if entries is value else whole[0]
    raise _wrong_type(setting, value, "a class number, or a list such as classes=[0, 2]")


def _embed(setting: Setting, value: Any) -> Any:
    entries = value if isinstance(value, (list, tuple)) else [value]
    if not all(_is_int(entry) for entry in entries):
        raise _wrong_type(setting, value, "a layer number or a list such as embed=[15, 18]")
    return value


def _format(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(setting, value, "the name of an export format")
    if value.lower() not in {"", "-", "pt", *FORMATS, *FORMAT_ALIASES}:
        raise _unknown(setting, value, FORMATS)
    return value


_OWN: dict[str, Rule] = {
    "amp": _amp,
    "batch": _batch,
    "cache": _cache,
    "cfg": _path,
    "classes": _classes,
    "compile": _flag_or_text,
    "data": _path_or_list,
    "device": _device,
    "distill_model": _keep,
    "embed": _embed,
    "format": _format,
    "fraction": _fraction,
    "freeze": _freeze,
    "imgsz": _imgsz,
    "model": _keep,
    "monitor": _column,
    "name": _path,
    "overlap": _overlap,
    "pretrained": _flag_or_path,
    "project": _path,
    "quantize": _quantize,
    "resume": _flag_or_path,
    "scale": _scale,
    "seeds": _seeds,
    "source": _keep,
    "task": _task,
    "tile": _tile,
    "tracker": _path,
}
_OWN_NONE: dict[str, Rule] = dict.fromkeys(("amp", "compile", "fraction", "scale"), _required)
