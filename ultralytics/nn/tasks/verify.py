"""What must hold for a model read from a file, before anybody runs it.

Loading restricted names is not enough: attributes of an instance hide methods of its class, and hooks are called.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import CheckpointError, UnsafeCheckpoint
from ultralytics.nn.tasks.base import BaseModel
from ultralytics.nn.tasks.globals import Inert
from ultralytics.nn.tasks.layers import registered_classes
from ultralytics.nn.tasks.legacy import STORED_FUNCTIONS
from ultralytics.utils.namespace import IterableSimpleNamespace

__all__ = ["verify_layers", "verify_model"]

PLAIN = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    Tensor,
    torch.dtype,
    torch.device,
    pathlib.PurePath,
)
CHILD_TABLES = ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set")
HARMLESS = ("type",)  # rows carry the text of their class under the name of a conversion method
MAX_DEPTH = 20
TRANSFORM_HOME = "torchvision.transforms"


def verify_model(model: nn.Module, path: object) -> None:
    """Check a model that was read with restricted names.

    Raises:
        CheckpointError: it is no task model.
        UnsafeCheckpoint: it carries hooks, functions or unexpected objects.
    """
    if not isinstance(model, (BaseModel, *registered_classes().values())):
        raise CheckpointError(f"{path} holds a {type(model).__name__}, which is not a task model")
    verify_layers(model, path)


def verify_layers(model: nn.Module, path: object) -> None:
    """Check the attributes of a module and of all its parts.

    Raises:
        UnsafeCheckpoint: there are hooks, functions or unexpected objects.
    """
    for name, module in model.named_modules():
        place = f"{path}: attribute of {name or 'the model'}"
        _check_tables(module, place)
        for key, value in vars(module).items():
            if key in CHILD_TABLES:
                continue
            _check_attribute(module, key, value, place)


def _check_tables(module: nn.Module, place: str) -> None:
    tables = vars(module)
    missing = [name for name in CHILD_TABLES[:3] if not isinstance(tables.get(name), dict)]
    if missing:
        raise CheckpointError(f"{place}: {', '.join(missing)} missing, the file is damaged")
    allowed: tuple[tuple[str, type], ...] = (
        ("_modules", nn.Module),
        ("_parameters", Tensor),
        ("_buffers", Tensor),
    )
    for name, kind in allowed:
        for key, value in tables[name].items():
            if value is not None and not isinstance(value, kind):
                raise UnsafeCheckpoint(f"{place}: {key} is a {type(value).__name__}")


def _check_attribute(module: nn.Module, key: str, value: Any, place: str) -> None:
    """Plain data, empty hook tables, the short forward form, or known inert leftovers."""
    if key.endswith("_hooks") or "_hooks_" in key:
        if value and not _is_inert(value):
            raise UnsafeCheckpoint(f"{place}: {key} is not empty")
        return
    if isinstance(value, (MethodType, FunctionType)):
        if key == "forward" and _is_own_forward(module, value):
            return
        if key in STORED_FUNCTIONS and isinstance(value, FunctionType):
            return  # a forward method by its name, which is all a file can refer to; dropped later
        raise UnsafeCheckpoint(f"{place}: {key} is a function")
    hides = callable(getattr(type(module), key, None)) and key not in HARMLESS
    if hides and not isinstance(value, Inert):
        raise UnsafeCheckpoint(f"{place}: {key} hides a method")
    if isinstance(value, Inert):
        return
    if key == "transforms" and _is_transform(value):
        return
    if not _is_plain(value):
        raise UnsafeCheckpoint(f"{place}: {key} is a {type(value).__name__}")


def _is_inert(hooks: object) -> bool:
    """Whether a table holds nothing but empty shells, which are dropped later."""
    return isinstance(hooks, dict) and all(isinstance(hook, Inert) for hook in hooks.values())


def _is_own_forward(module: nn.Module, value: MethodType | FunctionType) -> bool:
    if isinstance(value, MethodType) and value.__self__ is not module:
        return False
    function = value.__func__ if isinstance(value, MethodType) else value
    own = (getattr(type(module), name, None) for name in ("forward", "forward_fuse"))
    return any(function is candidate for candidate in own)


def _is_transform(value: object) -> bool:
    return type(value).__module__.startswith(TRANSFORM_HOME)


def _is_plain(value: object, depth: int = 0) -> bool:
    """Data all the way down."""
    if isinstance(value, PLAIN):
        return True
    if depth > MAX_DEPTH:
        return False
    parts: Iterable[object]
    if isinstance(value, Mapping):
        parts = (*value.keys(), *value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = value
    elif isinstance(value, IterableSimpleNamespace):
        parts = vars(value).values()
    else:
        return False
    return all(_is_plain(part, depth + 1) for part in parts)
