"""Which parameters are held fixed during a run. Specification chapter 40, section 5."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from ultralytics.errors import ConfigValueError
from ultralytics.utils.logging import LOGGER

__all__ = ["KEEP", "asks_to_keep", "freeze", "with_kept"]

ALWAYS_FROZEN = ".dfl"  # the fixed projection of distribution-focal heads
ROOT = "model."  # how the names of parameters begin
KEEP = "keep"  # entry for what is frozen already
RANGE = re.compile(r"(\d+)-(\d+)")

Setting = Any  # Any: what the user typed: a number, a list or nothing


def freeze(model: nn.Module, setting: Setting) -> list[str]:
    """Stop the gradient of the chosen layers and allow it everywhere else.

    Args:
        model: network; `requires_grad` of its parameters is changed.
        setting: n for layers 0 to n-1, or a list of layer numbers, ranges such as "0-9", dotted names such as
            "23.cv2" and patterns such as "*.bn"; None freezes nothing but the fixed parts of the head.

    Returns:
        The name fragments that mark a frozen parameter.

    Raises:
        ConfigValueError: an entry matches no parameter, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    fragments = []
    for entry in _entries(setting):
        found = [part for part in _fragments(entry, names) if _marks(part, names)]
        if not found:
            raise ConfigValueError(
                f"freeze={setting}: no parameter of the network has {f'{ROOT}{entry}.'!r} in its name"
            )
        fragments += found
    fragments.append(ALWAYS_FROZEN)
    for name, parameter in model.named_parameters():
        if any(fragment in f"{name}." for fragment in fragments):
            if ALWAYS_FROZEN not in name:
                LOGGER.info(f"Freezing {name}")
            parameter.requires_grad = False
        elif not parameter.requires_grad and parameter.dtype.is_floating_point:
            LOGGER.warning(
                f"{name} was frozen and will be trained; name it in freeze, or write freeze=[{KEEP!r}], to keep it"
            )
            parameter.requires_grad = True
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigValueError(f"freeze={setting} leaves nothing to train")
    return fragments


def asks_to_keep(setting: Setting) -> bool:
    """Whether what is frozen already shall stay so."""
    return isinstance(setting, (list, tuple)) and KEEP in setting


def with_kept(model: nn.Module, setting: Setting) -> Setting:
    """The setting with the names of what is frozen in a network in the place of "keep"."""
    if not asks_to_keep(setting):
        return setting
    rows = getattr(model, "model", None)
    kept = list(_frozen_parts(rows, "")) if isinstance(rows, nn.Module) else []
    return [entry for entry in setting if entry != KEEP] + kept


def _frozen_parts(module: nn.Module, path: str) -> Iterator[str]:
    """Paths of the largest parts of which nothing is trained."""
    flags = [
        p.requires_grad for name, p in module.named_parameters() if ALWAYS_FROZEN not in f".{name}"
    ]
    if not flags or all(flags) or path.endswith(ALWAYS_FROZEN):
        return
    if not any(flags) and path:
        yield path.lstrip(".")
        return
    for name, parameter in module.named_parameters(recurse=False):
        if not parameter.requires_grad:
            yield f"{path}.{name}".lstrip(".")
    for name, child in module.named_children():
        yield from _frozen_parts(child, f"{path}.{name}")


def _marks(fragment: str, names: Sequence[str]) -> bool:
    return any(fragment in f"{name}." for name in names)


def _fragments(entry: int | str, names: Sequence[str]) -> list[str]:
    """What marks the parameters of an entry: one name, those of a range, or those that a pattern finds."""
    text = str(entry)
    if span := RANGE.fullmatch(text):
        return [f"{ROOT}{i}." for i in range(int(span[1]), int(span[2]) + 1)]
    if not any(sign in text for sign in "*?["):
        return [f"{ROOT}{text}."]
    found: dict[str, None] = {}
    for name in names:
        parts = name.partition(ROOT)[2].split(".")
        paths = (".".join(parts[: i + 1]) for i in range(len(parts)))
        path = next((p for p in paths if fnmatchcase(p, text)), None)
        if path is not None:
            found[f"{ROOT}{path}."] = None
    return list(found)


def _entries(setting: Setting) -> list[int | str]:
    if setting is None:
        return []
    if isinstance(setting, bool) or not isinstance(setting, (int, list, tuple, range)):
        raise ConfigValueError(
            f"freeze={setting!r}: give a number of layers, or a list of layer numbers, ranges and names"
        )
    if isinstance(setting, int):
        if setting < 0:
            raise ConfigValueError(f"freeze={setting}: the number of layers cannot be negative")
        return list(range(setting))
    return list(setting)
