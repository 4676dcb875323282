"""Layer classes a model file may name, and how each turns its row into constructor arguments.

Chapter 10, section 1.4 of the specification is the source of every rule. Users add classes with `register_module`.
A file that the user names may import them (`package.module:Class`); a checkpoint never imports anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from math import ceil, inf
from typing import Any, TypeGuard, TypeVar, overload

from torch import nn

from ultralytics.errors import ConfigTypeError, ConfigValueError, nearest
from ultralytics.nn import modules
from ultralytics.nn.modules import activation, block, conv, head, transformer
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
Args = list[Any]  # Any: literals of a model file and, once rewritten, lists of channels


@dataclass
class Row:
    """One row while its arguments are worked out.

    Attributes:
        source: row numbers it reads; negative ones count back.
        repeats: depth-scaled repeats; a rule that hands them to the constructor sets them to 1.
        args: arguments as written, with `nc` and its like replaced.
        channels: output channels of all earlier rows; the last entry belongs to the row before.
        width, max_channels, scale: compound scaling in force.
        reg_max, end2end: what the file says about box heads.
        out: output channels, set by the rule.
    """

    source: int | list[int]
    repeats: int
    args: Args
    channels: list[Any]  # Any: an int, or a list of ints after CBLinear
    width: float = 1.0
    max_channels: float = inf
    scale: str = ""
    reg_max: int = 16
    end2end: bool | None = None
    out: Any = field(default=None)  # Any: as channels

    @property
    def input(self) -> Any:  # Any: as channels
        """Channels of the (single) input."""
        first = self.source if isinstance(self.source, int) else self.source[0]
        return self.channels[first]

    @property
    def inputs(self) -> list[Any]:  # Any: as channels
        """Channels of every input."""
        listed = [self.source] if isinstance(self.source, int) else self.source
        return [self.channels[i] for i in listed]

    def scaled(self, channels: float) -> int:
        """Channels after the upper limit and the width factor, rounded up to a multiple of 8."""
        return ceil(min(channels, self.max_channels) * self.width / 8) * 8


Rule = Callable[[Row], Args]  # sets row.out (and row.repeats) and returns the constructor arguments


def _plain(row: Row) -> Args:
    """Arguments as they stand; as many channels out as in."""
    row.out = row.input
    return row.args


def _scaled(row: Row) -> Args:
    row.out = row.scaled(row.args[0])
    return [row.input, row.out, *row.args[1:]]


def _repeated(row: Row) -> Args:
    row.out = row.scaled(row.args[0])
    repeats, row.repeats = row.repeats, 1
    return [row.input, row.out, repeats, *row.args[1:]]


def _c3k2(row: Row) -> Args:
    args = _repeated(row)
    if row.scale in ("m", "l", "x"):
        args[3:4] = [True]  # deeper scales always use C3k units
    return args


def _a2c2f(row: Row) -> Args:
    args = _repeated(row)
    return [*args, True, 1.2] if row.scale in ("l", "x") else args


def _c2f_attn(row: Row) -> Args:
    """Heads shrink with the width, and the compared channels are the hidden ones, whatever the file says."""
    args = _repeated(row)
    given = dict(enumerate(args))
    heads = given.get(4, 1)
    if heads > 1:
        heads = int(max(round(min(heads, row.max_channels // 2 // 32)) * row.width, 1))
    hidden = int(row.out * given.get(8, 0.5))
    if hidden % heads:
        raise ConfigValueError(f"{hidden} hidden channels cannot be shared by {heads} heads")
    return [*args[:3], hidden, heads, *args[5:]]


def _aifi(row: Row) -> Args:
    row.out = row.channels[-1]
    return [row.input, *row.args]


def _hgstem(row: Row) -> Args:
    row.out = row.args[1]
    return [row.input, *row.args]


def _hgblock(row: Row) -> Args:
    row.out = row.args[1]
    repeats, row.repeats = row.repeats, 1
    return [row.input, *row.args[:3], repeats, *row.args[3:]]


def _resnet(row: Row) -> Args:
    is_first = len(row.args) > 3 and row.args[3]
    row.out = row.args[1] if is_first else 4 * row.args[1]
    return [row.input, *row.args[1:]]


def _batchnorm(row: Row) -> Args:
    row.out = row.channels[-1]
    return [row.input]


def _concat(row: Row) -> Args:
    row.out = sum(row.inputs)
    return row.args


def _cblinear(row: Row) -> Args:
    row.out = row.args[0]
    return [row.input, *row.args]


def _cbfuse(row: Row) -> Args:
    row.out = row.inputs[-1]
    return row.args


def _declared(row: Row) -> Args:
    """First argument only tells the output channels."""
    row.out = row.args[0]
    return row.args[1:]


def _classify(row: Row) -> Args:
    row.out = row.args[0]
    inputs = row.inputs
    return [sum(inputs) if len(inputs) > 1 else inputs[0], *row.args]


def _box_head(row: Row) -> Args:
    row.out = row.channels[-1]
    return [*row.args, row.reg_max, row.end2end, row.inputs]


def _mask_head(row: Row) -> Args:
    """As a box head; the width of the prototypes follows the scale."""
    row.args[2:3] = [row.scaled(width) for width in row.args[2:3]]
    return _box_head(row)


def _depth(row: Row) -> Args:
    row.out = row.channels[-1]
    return [row.args[0], row.inputs]


def _semantic_head(row: Row) -> Args:
    """Classes alone, or classes, enlargement, attention width and options: the two designs of this head."""
    row.out = row.channels[-1]
    if len(row.args) < 3:
        return [*row.args, row.inputs]
    nc, enlargement, width, *options = row.args
    return [nc, enlargement, row.scaled(width), *options, row.inputs]


def _levels_second(row: Row) -> Args:
    row.out = row.channels[-1]
    return [row.args[0], row.inputs, *row.args[1:]]


def _levels_last(row: Row) -> Args:
    row.out = row.channels[-1]
    return [*row.args, row.inputs]


NAMED_RULES: dict[str, Rule] = {
    "plain": _plain,
    "scaled": _scaled,
    "repeated": _repeated,
    "box_head": _box_head,
    "levels_last": _levels_last,
}

# Rule per class name of the library; a class without an entry is `_plain`.
_LIBRARY_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        [
            "Conv",
            "ConvTranspose",
            "DWConv",
            "DWConvTranspose2d",
            "GhostConv",
            "Focus",
            "Conv2",
            "LightConv",
            "RepConv",
            "Bottleneck",
            "GhostBottleneck",
            "SPP",
            "SPPF",
            "ELAN1",
            "RepNCSPELAN4",
            "ADown",
            "AConv",
            "SPPELAN",
            "PSA",
            "SCDown",
            "CIB",
            "RepBottleneck",
            "Proto",
        ],
        _scaled,
    ),
    **dict.fromkeys(
        [
            "BottleneckCSP",
            "C1",
            "C2",
            "C2f",
            "C3",
            "C3TR",
            "C3Ghost",
            "C3x",
            "C3f",
            "C3k",
            "RepC3",
            "RepCSP",
            "C2fPSA",
            "C2PSA",
            "C2fCIB",
        ],
        _repeated,
    ),
    "C3k2": _c3k2,
    "A2C2f": _a2c2f,
    "C2fAttn": _c2f_attn,
    "AIFI": _aifi,
    "HGStem": _hgstem,
    "HGBlock": _hgblock,
    "ResNetLayer": _resnet,
    "Concat": _concat,
    "CBLinear": _cblinear,
    "CBFuse": _cbfuse,
    "Index": _declared,
    "TorchVision": _declared,
    "Classify": _classify,
    **dict.fromkeys(
        ["Detect", "OBB", "OBB26", "Pose", "Pose26", "WorldDetect", "YOLOEDetect"], _box_head
    ),
    **dict.fromkeys(["Segment", "Segment26", "YOLOESegment", "YOLOESegment26"], _mask_head),
    **dict.fromkeys(["ImagePoolingAttn", "RTDETRDecoder"], _levels_second),
    "Depth": _depth,
    "SemanticSegment": _semantic_head,
    "v10Detect": _levels_last,
}
_TORCH_RULES: dict[str, Rule] = {"nn.ConvTranspose2d": _scaled, "nn.BatchNorm2d": _batchnorm}

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
        return _module_class(nn, name), _TORCH_RULES.get(name, _plain)
    if name.startswith("torchvision.ops."):
        import torchvision

        return _module_class(torchvision.ops, name), _plain
    for home in HOMES:
        if name in home.__all__ and isinstance(found := getattr(home, name), type):
            return found, _LIBRARY_RULES.get(name, _plain)
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
