"""How rows of model files become constructor arguments.

Chapter 10, section 1.4 of the specification is the source of every rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

from ultralytics.errors import ConfigValueError

__all__ = ["LIBRARY_RULES", "NAMED_RULES", "TORCH_RULES", "Row", "Rule", "plain"]

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


def plain(row: Row) -> Args:
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
    "plain": plain,
    "scaled": _scaled,
    "repeated": _repeated,
    "box_head": _box_head,
    "levels_last": _levels_last,
}

# Rule per class name of the library; a class without an entry is `plain`.
LIBRARY_RULES: dict[str, Rule] = {
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
TORCH_RULES: dict[str, Rule] = {"nn.ConvTranspose2d": _scaled, "nn.BatchNorm2d": _batchnorm}
