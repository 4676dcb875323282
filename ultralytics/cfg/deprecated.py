"""Argument names of earlier releases: renamed, merged into others, or without effect."""

from __future__ import annotations

from typing import Any

from ultralytics.errors import ConfigTypeError
from ultralytics.utils.logging import LOGGER

__all__ = ["DROPPED", "OLD_FLAGS", "_handle_deprecation", "translate"]

# Name -> default it had; that value asked for nothing, any other is reported as lost.
DROPPED: dict[str, Any] = {
    "label_smoothing": 0.0,
    "save_hybrid": False,
    "crop_fraction": 1.0,
    "keras": False,
}
# Old name -> new name, and whether the flag means the opposite.
_RENAMED = {
    "boxes": ("show_boxes", False),
    "hide_labels": ("show_labels", True),
    "hide_conf": ("show_conf", True),
    "line_thickness": ("line_width", False),
}
OLD_FLAGS = frozenset({"half", "int8", "end2end"})


def translate(custom: dict[str, Any]) -> None:
    """Replace old names in place, with one warning for each that was found.

    Raises:
        ConfigTypeError: `end2end` is neither a bool nor None.
    """
    for old, (new, inverted) in _RENAMED.items():
        if old in custom:
            value = custom.pop(old)
            custom[new] = not value if inverted else value
            LOGGER.warning(f"argument '{old}' is deprecated, use '{new}={custom[new]}'")
    _translate_precision(custom)
    _translate_end2end(custom)
    for old, default in DROPPED.items():
        if old in custom:
            value = custom.pop(old)
            effect = "it had no effect" if value == default else f"its value {value!r} is ignored"
            LOGGER.warning(f"argument '{old}' no longer exists; {effect}")


_handle_deprecation = translate


def _asks(value: object) -> bool:
    return str(value).strip().lower() not in {"none", "false", "0"}


def _translate_precision(custom: dict[str, Any]) -> None:
    old = {name: custom.pop(name) for name in ("half", "int8") if name in custom}
    if not old or "quantize" in custom:
        return
    if _asks(old.get("int8", False)):
        custom["quantize"] = 8
    else:
        custom["quantize"] = 16 if _asks(old.get("half", False)) else None
    names = " and ".join(f"'{name}'" for name in old)
    LOGGER.warning(f"{names} is deprecated, use 'quantize={custom['quantize']}'")


def _translate_end2end(custom: dict[str, Any]) -> None:
    if "end2end" not in custom:
        return
    value = custom.pop("end2end")
    if value is None:
        return
    if not isinstance(value, bool):
        raise ConfigTypeError(f"'end2end={value}' must be true or false, not {_kind(value)}")
    custom["nms"] = False if value else (True if custom.get("nms") is True else None)
    LOGGER.warning(f"'end2end' is deprecated, use 'nms={custom['nms']}'")


def _kind(value: object) -> str:
    return type(value).__name__
