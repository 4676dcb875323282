"""Defaults, and how they are merged with what the user gave.

`get_cfg` is the one door: it knows every name, checks every value, and records which names the user set
(`ultralytics.utils.namespace.explicit_keys`). Reading the defaults needs no YAML parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ultralytics.cfg.checks import check_value
from ultralytics.cfg.deprecated import translate
from ultralytics.cfg.schema import SETTINGS
from ultralytics.errors import ConfigError, ConfigTypeError
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.namespace import IterableSimpleNamespace, explicit_keys
from ultralytics.utils.yaml_io import YAML

__all__ = [
    "DEFAULT_CFG",
    "DEFAULT_CFG_DICT",
    "DEFAULT_CFG_KEYS",
    "EXTRA_KEYS",
    "OUR_KEYS",
    "cfg2dict",
    "check_cfg",
    "check_dict_alignment",
    "get_cfg",
    "own_setting",
]

_BY_NAME = {setting.name: setting for setting in SETTINGS}

# Any: argument values have many types; `checks` narrows them one by one.
# Not of the interface: accepted everywhere, in the file of defaults, but not among the arguments of a run unless they
# were given; checkpoints leave them out, so the original can continue a run.
OUR_KEYS = frozenset(
    {"tile", "overlap", "layer_decay", "balance", "save_steps", "seeds", "monitor", "mark_best"}
)

DEFAULT_CFG_DICT: dict[str, Any] = {
    setting.name: setting.default for setting in SETTINGS if setting.name not in OUR_KEYS
}
DEFAULT_CFG_KEYS = DEFAULT_CFG_DICT.keys()
DEFAULT_CFG = IterableSimpleNamespace(**DEFAULT_CFG_DICT)
TRAINING_OBJECTS = ("loss", "transforms")  # Python objects, which no file holds
# Accepted, but not among the defaults.
EXTRA_KEYS = OUR_KEYS | {"augmentations", "save_dir", *TRAINING_OBJECTS}

Config = str | Path | Mapping[str, Any] | SimpleNamespace


def own_setting(
    args: Any, name: str
) -> Any:  # Any: a namespace of arguments; values have many types
    """The value of one of `OUR_KEYS`, or its default when the arguments do not hold it."""
    return getattr(args, name, _BY_NAME[name].default)


def cfg2dict(cfg: Config) -> dict[str, Any]:
    """The arguments held by a YAML file, a namespace or a mapping.

    A dictionary is returned as it is, not copied; a namespace gives its own attribute dictionary.

    Raises:
        ConfigTypeError: `cfg` is something else.
    """
    if isinstance(cfg, (str, Path)):
        return YAML.load(cfg)
    if isinstance(cfg, SimpleNamespace):
        return vars(cfg)
    if isinstance(cfg, Mapping):
        return cast("dict[str, Any]", cfg)
    raise ConfigTypeError(
        f"arguments must be a YAML file, a mapping or a namespace, not {type(cfg).__name__}"
    )


def get_cfg(
    cfg: Config = DEFAULT_CFG_DICT, overrides: Config | None = None
) -> IterableSimpleNamespace:
    """Merge and check arguments.

    Args:
        cfg: the base: normally complete. A YAML file may be partial, defaults fill the rest.
        overrides: values that win over the base.

    Returns:
        A new namespace. The names of `overrides` (for a namespace: those it has marked), and those
        whose base value is not the default, count as set by the user.

    Raises:
        ConfigError: a name that does not exist; the text holds the nearest ones.
        ConfigTypeError, ConfigValueError: a value that is not allowed.
    """
    base = dict(cfg2dict(cfg))
    translate(base)
    if isinstance(cfg, (str, Path)):
        check_dict_alignment(DEFAULT_CFG_DICT, base)
        base = {**DEFAULT_CFG_DICT, **base}
    custom = {} if overrides is None else dict(cfg2dict(overrides))
    check_dict_alignment(base, custom)
    merged = {**base, **custom}
    _refuse_training_objects(merged, custom)
    _tidy_names(merged)
    check_cfg(merged)
    result = IterableSimpleNamespace(**merged)
    result._explicit = _set_in_base(cfg, base) | _set_in_overrides(overrides, custom)
    return result


def check_cfg(cfg: dict[str, Any], hard: bool = True) -> None:
    """Check the values of known names in place; unknown names are left alone.

    Args:
        cfg: argument values; replaced by their checked form, such as 3 for epochs=3.0.
        hard: refuse wrong types instead of converting them. Ranges are always enforced.

    Raises:
        ConfigTypeError: wrong type.
        ConfigValueError: outside the allowed values.
    """
    for name, value in cfg.items():
        if name in _BY_NAME:
            cfg[name] = check_value(_BY_NAME[name], value, hard)


def check_dict_alignment(
    base: Mapping[str, Any],
    custom: dict[str, Any],
    e: BaseException | None = None,
    allowed_custom_keys: frozenset[str] | set[str] | tuple[str, ...] | None = None,
) -> None:
    """Refuse names of `custom` that `base` does not have; old names are translated in place first.

    Args:
        base: mapping with every allowed name.
        custom: what the user gave.
        e: the error that led here, kept as the cause.
        allowed_custom_keys: further names to accept.

    Raises:
        ConfigError: one line for each unknown name, in alphabetical order.
    """
    translate(custom)
    allowed = EXTRA_KEYS if allowed_custom_keys is None else allowed_custom_keys
    unknown = sorted(str(name) for name in custom if name not in base and name not in allowed)
    if unknown:
        raise ConfigError("\n".join(_complaint(name, base) for name in unknown)) from e


def _complaint(name: str, base: Mapping[str, Any]) -> str:
    close = [
        match if base[match] is None else f"{match}={base[match]}"
        for match in get_close_matches(name, [str(key) for key in base])
    ]
    hint = f"; similar: {', '.join(close)}" if close else ""
    return f"'{name}' is not a valid argument{hint}"


def _refuse_training_objects(merged: Mapping[str, Any], custom: Mapping[str, Any]) -> None:
    mode = merged.get("mode")
    for name in TRAINING_OBJECTS:
        if name in custom and mode != "train":
            raise ConfigError(
                f"'{name}' is an argument of training, it has no meaning in mode={mode}"
            )


def _tidy_names(merged: dict[str, Any]) -> None:
    """Numbers become run names, and the name "model" the stem of the model file."""
    for key in ("project", "name"):
        value = merged.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            merged[key] = str(value)
    if merged.get("name") == "model":
        stem = Path(str(merged.get("model") or "")).stem
        LOGGER.warning(f"'name=model' is taken as the name of the model: name={stem!r}")
        merged["name"] = stem


def _set_in_base(cfg: Config, values: Mapping[str, Any]) -> frozenset[str]:
    """A full mapping tells what was set only by values that are not the default."""
    if isinstance(cfg, SimpleNamespace):
        return explicit_keys(cfg)
    return frozenset(k for k, v in values.items() if k in _BY_NAME and v != _BY_NAME[k].default)


def _set_in_overrides(overrides: Config | None, values: Mapping[str, Any]) -> frozenset[str]:
    if isinstance(overrides, IterableSimpleNamespace):
        return explicit_keys(overrides)
    return frozenset(values)
