"""Layer classes a model file may name: the library's, torch's, and those users add with `register_module`.

A file that the user names may import them (`package.module:Class`); a checkpoint never imports anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeGuard, TypeVar, overload

from torch import nn

from ultralytics.errors import ConfigTypeError, ConfigValueError, nearest
from ultralytics.nn import modules
from ultralytics.nn.modules import activation, block, conv, head, transformer
from ultralytics.nn.tasks.rules import LIBRARY_RULES, NAMED_RULES, TORCH_RULES, Row, Rule, plain
from ultralytics.registry import import_declared

__all__ = [
    "Row",
    "Rule",
    "import_layers",
    "known_names",
    "lookup",
    "register_module",
    "registered_classes",
]

HOMES = (activation, conv, block, transformer, head)

Layer = TypeVar("Layer", bound=nn.Module)

_REGISTERED: dict[str, tuple[type[nn.Module], Rule]] = {}


@overload
def register_module(
    cls: type[Layer], rule: str | Rule = "plain", name: str | None = None
) -> type[Layer]: ...
@overload
def register_module(
    cls: None = None, rule: str | Rule = "plain", name: str | None = None
) -> Callable[[type[Layer]], type[Layer]]: ...
def register_module(
    cls: type[Layer] | None = None, rule: str | Rule = "plain", name: str | None = None
) -> type[Layer] | Callable[[type[Layer]], type[Layer]]:
    """Let model files name a class of yours, and let checkpoints that contain it be opened safely.

    Works as a function and as a decorator, with or without arguments. A class defined anew under the same path, as
    when a notebook cell runs twice, replaces the earlier one.

    Args:
        cls: the layer.
        rule: how its row becomes constructor arguments: "plain" (as written, same channels out as in), "scaled"
            (c1, c2, *rest), "repeated" (c1, c2, n, *rest), "box_head" (*args, reg_max, end2end, ch),
            "levels_last" (*args, ch), or a function that takes a `Row`, sets `row.out` and returns the arguments.
        name: name in model files; the class name when absent.

    Raises:
        ConfigTypeError: what is registered is no layer class.
        ConfigValueError: the name is taken by another class, or the rule is unknown.
    """
    if cls is None:
        return partial(register_module, rule=rule, name=name)
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise ConfigTypeError(
            f"register_module takes a class of layers, got {cls!r}; "
            'as a decorator write @register_module or @register_module(rule="scaled")'
        )
    name = name or cls.__name__
    taken = _REGISTERED.get(name)
    if name in _library_names() or (taken is not None and _path(taken[0]) != _path(cls)):
        raise ConfigValueError(f"a layer called {name!r} is already registered; use name=")
    if isinstance(rule, str):
        if rule not in NAMED_RULES:
            raise ConfigValueError(f"no rule {rule!r}; choose one of {', '.join(NAMED_RULES)}")
        rule = NAMED_RULES[rule]
    _REGISTERED[name] = (cls, rule)
    return cls


def _is_layer(value: object) -> TypeGuard[type[nn.Module]]:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def registered_classes() -> dict[str, type[nn.Module]]:
    """Classes added by users, by the dotted path that a pickle would name."""
    import_declared()
    return {_path(cls): cls for cls, _ in _REGISTERED.values()}


def import_layers(rows: Iterable[Any]) -> None:  # Any: rows as a file holds them
    """Import the classes that rows name as `package.module:Class`, and register those that are not.

    For files that the user names. Rows out of a checkpoint never come here.

    Raises:
        ConfigValueError: a class that cannot be imported or is no layer; the text names the row.
    """
    for index, row in enumerate(rows):
        if isinstance(row, (list, tuple)) and len(row) == 4 and ":" in str(row[2]):
            try:
                _import_layer(row[2])
            except (ImportError, AttributeError, ConfigTypeError) as error:
                raise ConfigValueError(
                    f"row {index}: layer {row[2]!r} cannot be imported: {error}; "
                    "write package.module:Class, with the package on PYTHONPATH"
                ) from error


def _import_layer(name: str) -> None:
    home, _, attribute = name.partition(":")
    cls = getattr(import_module(home), attribute)
    if _own_entry(name) is None:
        register_module(cls, name=name)


def _own_entry(name: str) -> tuple[type[nn.Module], Rule] | None:
    """The entry of a class that is named `package.module:Class`. Nothing is imported."""
    home, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(home), attribute, None)
    return next((entry for entry in _REGISTERED.values() if entry[0] is found), None)


def known_names() -> list[str]:
    """Names a row may use, apart from `nn.*` and `torchvision.ops.*`."""
    return sorted(_library_names() | _REGISTERED.keys())


def _library_names() -> set[str]:
    return {name for home in (modules, *HOMES) for name in home.__all__} - {"autopad"}


def lookup(name: str) -> tuple[type[nn.Module], Rule]:
    """Class and rule of a name in a model file.

    Raises:
        ConfigValueError: no layer has this name.
    """
    import_declared()
    own = _REGISTERED.get(name) or (_own_entry(name) if ":" in name else None)
    if own is not None:
        return own
    if name.startswith("nn."):
        return _module_class(nn, name), TORCH_RULES.get(name, plain)
    if name.startswith("torchvision.ops."):
        import torchvision

        return _module_class(torchvision.ops, name), plain
    for home in HOMES:
        if name in home.__all__ and isinstance(found := getattr(home, name), type):
            return found, LIBRARY_RULES.get(name, plain)
    if ":" in name:
        raise ConfigValueError(
            f"layer {name!r} is not registered, and only files that you name may import it: "
            f"import {name.partition(':')[0]} first and register it with "
            "ultralytics.nn.tasks.register_module"
        )
    known: Sequence[str] = known_names()
    raise ConfigValueError(
        f"no layer is called {name!r}{nearest(name, known)}; "
        "add your own with ultralytics.nn.tasks.register_module"
    )


def _module_class(home: Any, name: str) -> type[nn.Module]:  # Any: a package
    found = getattr(home, name.rpartition(".")[2], None)
    if not _is_layer(found):
        raise ConfigValueError(f"{name!r} is not a layer class")
    return found
