"""From rows of a model file to a network.

Text in a file is data: names are looked up in a table, everything else is read as a literal, nothing is evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from math import inf
from typing import Any

from torch import nn

from ultralytics.errors import ConfigValueError, nearest
from ultralytics.nn.modules import SPPF, Conv
from ultralytics.nn.modules.scope import build_scope, current_scope
from ultralytics.nn.tasks.layers import Row, lookup
from ultralytics.utils.logging import LOGGER

__all__ = ["parse_activation", "parse_model"]

MODERN_BLOCKS = frozenset({"C3k2", "A2C2f", "C2fCIB"})  # these rows make the class branch lighter
SUBSTITUTED = ("nc", "kpt_shape", "reg_max", "end2end")
ACTIVATION = re.compile(r"(?:torch\.)?nn\.(\w+)\((.*)\)")

ModelFile = dict[str, Any]  # Any: the content of a model file


def parse_model(d: ModelFile, ch: int, verbose: bool = True) -> tuple[nn.Sequential, list[int]]:
    """Build the layers of a model file.

    Args:
        d: content of the file; not changed.
        ch: input channels.
        verbose: log one line per row.

    Returns:
        The layers, each with attributes `i` (row), `f` (from), `np` (parameters) and `type`; and the sorted numbers
        of rows whose outputs later rows read, repeats included.

    Raises:
        ConfigValueError: a row that cannot be built; the text names the row.
    """
    depth, width, max_channels, scale = _compound_scale(d)
    substitutes = {name: deepcopy(d.get(name)) for name in SUBSTITUTED}
    reg_max = 16 if substitutes["reg_max"] is None else substitutes["reg_max"]
    if verbose:
        LOGGER.info(f"\n{'':>3}{'from':>20}{'n':>3}{'params':>10}  {'module':<45}{'arguments':<30}")
    layers: list[nn.Module] = []
    save: list[int] = []
    channels: list[Any] = [ch]  # Any: an int, or a list after CBLinear
    with ExitStack() as stack:
        if d.get("activation"):
            stack.enter_context(build_scope(activation=parse_activation(d["activation"])))
        legacy = True
        for index, entry in enumerate([*d["backbone"], *d["head"]]):
            source, repeats, name, args = _checked(entry, index)
            legacy = legacy and name not in MODERN_BLOCKS
            repeats = max(round(repeats * depth), 1) if repeats > 1 else repeats
            row = Row(
                source=source,
                repeats=repeats,
                args=[_literal(value, substitutes, index) for value in args],
                channels=channels,
                width=width,
                max_channels=max_channels,
                scale=scale,
                reg_max=reg_max,
                end2end=substitutes["end2end"],
            )
            layer = _build(row, name, index, legacy)
            layer.i, layer.f = index, source
            layers.append(layer)
            if verbose:
                _log_row(layer, row.args, repeats)
            listed = [source] if isinstance(source, int) else source
            save.extend(x % index for x in listed if x != -1)
            channels = [row.out] if index == 0 else [*channels, row.out]
    return nn.Sequential(*layers), sorted(save)


def _build(row: Row, name: str, index: int, legacy: bool) -> Any:  # Any: gets plain attributes
    """One row as a layer, or a sequence of equal layers."""
    try:
        cls, rule = lookup(name)
        args = rule(row)
        with build_scope(legacy=legacy):
            made = [cls(*args) for _ in range(max(row.repeats, 1))]
    except ConfigValueError as error:
        raise ConfigValueError(f"row {index} ({name}): {error}") from error
    except (TypeError, ValueError, IndexError, KeyError, AssertionError) as error:
        raise ConfigValueError(
            f"row {index} ({name}, arguments {row.args}) cannot be built: {error}"
        ) from error
    for single in made:
        # generations before YOLO26 wrote no repeat count for this block, and had an activation there
        if isinstance(single, SPPF) and len(args) <= 3:
            single.cv1.act = current_scope().activation or Conv.default_act
    layer: Any = made[0] if len(made) == 1 else nn.Sequential(*made)
    layer.np = sum(p.numel() for p in layer.parameters())
    layer.type = f"{cls.__module__}.{cls.__qualname__}"
    row.args = args
    return layer


def _checked(entry: Any, index: int) -> tuple[int | list[int], int, str, list[Any]]:
    """The four parts of a row; anything else than a well-formed row is an error."""
    if not (isinstance(entry, (list, tuple)) and len(entry) == 4):
        raise ConfigValueError(f"row {index} is not [from, repeats, module, args]: {entry!r}")
    source, repeats, name, args = entry
    numbers = source if isinstance(source, (list, tuple)) else [source]
    if not all(isinstance(x, int) for x in numbers):
        raise ConfigValueError(
            f"row {index}: 'from' must be a row number or a list, got {source!r}"
        )
    lowest = -max(index, 1)
    if not all(lowest <= x < max(index, 1) for x in numbers) or (index == 0 and source != -1):
        raise ConfigValueError(f"row {index} reads row {source}, which does not come before it")
    if not isinstance(repeats, int) or not isinstance(name, str):
        raise ConfigValueError(f"row {index} is not [from, repeats, module, args]: {entry!r}")
    given = list(args) if isinstance(args, (list, tuple)) else [args]
    return (source if isinstance(source, int) else list(source)), repeats, name, given


def _literal(value: Any, substitutes: Mapping[str, Any], index: int) -> Any:
    """A row argument with `nc` and its like replaced; other text becomes the literal it spells, or stays text."""
    if not isinstance(value, str):
        return deepcopy(value)
    if value in substitutes:
        return substitutes[value]
    try:
        return ast.literal_eval(value)
    except ValueError:
        return value
    except SyntaxError as error:
        raise ConfigValueError(f"row {index}: {value!r} is neither a word nor a literal") from error


def _compound_scale(d: ModelFile) -> tuple[float, float, float, str]:
    """Depth factor, width factor, channel limit and letter."""
    scale = d.get("scale") or ""
    scales = d.get("scales")
    if not scales:
        return d.get("depth_multiple", 1.0), d.get("width_multiple", 1.0), inf, scale
    if not scale:
        scale = next(iter(scales))
        if len(scales) > 1:
            LOGGER.warning(f"no model scale passed. Assuming scale='{scale}'.")
    if scale not in scales:
        known = ", ".join(map(str, scales))
        raise ConfigValueError(
            f"no scale {scale!r} in this model{nearest(scale, scales)}; available: {known}"
        )
    depth, width, max_channels = scales[scale]
    return depth, width, max_channels, scale


def parse_activation(text: str) -> nn.Module:
    """The activation a model file names, such as `torch.nn.LeakyReLU(0.1)`. Never evaluated as code.

    Raises:
        ConfigValueError: the text is not `nn.NAME(literals)` with NAME a layer of torch.nn.
    """
    found = ACTIVATION.fullmatch(str(text).strip())
    cls = getattr(nn, found[1], None) if found else None
    if found is None or not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ConfigValueError(
            f"activation {text!r} is refused; write it as torch.nn.NAME(literal arguments)"
        )
    try:
        call = ast.parse(f"f({found[2]})", mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError("not one call")
        positional = [ast.literal_eval(node) for node in call.args]
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return cls(*positional, **named)
    except (ValueError, SyntaxError, TypeError) as error:
        raise ConfigValueError(f"activation {text!r} is refused: {error}") from error


def _log_row(layer: nn.Module, args: list[Any], repeats: int) -> None:
    LOGGER.info(
        f"{layer.i:>3}{layer.f!s:>20}{repeats:>3}{layer.np:>10}  {layer.type:<45}{args!s:<30}"
    )
