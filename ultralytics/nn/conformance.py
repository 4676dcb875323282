"""What every layer must do to be trained, saved, opened and exported: one routine, for the library's layers and yours.

    check_layer(lambda: Gate(8, 16), torch.rand(2, 8, 32, 32), shape=(2, 16, 32, 32))

Each rule raises an AssertionError that names it; nothing is returned.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import UnsafeCheckpoint
from ultralytics.nn.tasks.globals import Unknown
from ultralytics.nn.tasks.unpickle import RESTRICTED
from ultralytics.nn.tasks.verify import verify_layers

__all__ = ["check_layer"]

Value = Any  # Any: tensors, and lists, tuples and dictionaries of them
SEED = 0
TOLERANCE = 1e-5


def check_layer(
    make: Callable[[], nn.Module],
    *inputs: Value,
    shape: Collection[int] | None = None,
    idle: Collection[str] = (),
    export: bool = True,
) -> None:
    """Check that a layer keeps the rules of the library.

    Rules: the same input gives the same finite output in inference mode, whose batch is that of the input; every
    weight gets a finite gradient; a copy, and what is written and read back in safe mode, compute the same; the
    layer follows a change of precision; traced and exported forms compute the same.

    Args:
        make: builds the layer; called once.
        *inputs: arguments of `forward`: float32 tensors, or lists, tuples and dictionaries of them.
        shape: what the first output tensor must measure.
        idle: parts of names of weights that need no gradient.
        export: also trace and export the layer, which takes most of the time.

    Raises:
        AssertionError: a rule is broken; the text says which.
    """
    torch.manual_seed(SEED)
    layer = make()
    expected = _checked_output(layer, inputs, shape)
    _check_gradients(layer, inputs, idle)
    with torch.no_grad():
        expected = _run(layer, inputs)  # statistics have moved while training
        _check_equal("a copy", _run(deepcopy(layer), inputs), expected)
        _check_equal("the layer read back from a file", _run(_reopened(layer), inputs), expected)
        _check_precision(layer, inputs)
        if export:
            _check_exports(layer, inputs)


def _tensors(value: Value) -> Iterator[Tensor]:
    """Every tensor of a nested value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def _converted(value: Value, convert: Callable[[Tensor], Tensor]) -> Value:
    """The same nested value with other tensors; lists stay apart, because some layers write into theirs."""
    if isinstance(value, Tensor):
        return convert(value) if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _converted(part, convert) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(part, convert) for part in value)
    return value


def _run(layer: nn.Module, inputs: Value) -> list[Tensor]:
    return list(_tensors(layer.eval()(*_converted(inputs, Tensor.clone))))


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(rule)


def _check_equal(what: str, given: list[Tensor], expected: list[Tensor]) -> None:
    same = len(given) == len(expected) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)
        for a, b in zip(given, expected, strict=True)
    )
    _require(same, f"{what} does not compute what the layer computes")


def _checked_output(layer: nn.Module, inputs: Value, shape: Collection[int] | None) -> list[Tensor]:
    with torch.no_grad():
        first, second = _run(layer, inputs), _run(layer, inputs)
    _require(bool(first), "the output holds no tensor")
    _require(all(bool(y.isfinite().all()) for y in first), "the output is not finite")
    _check_equal("a second run in inference mode", second, first)
    batch = next(_tensors(inputs)).shape[0]
    _require(first[0].shape[0] == batch, f"{batch} images gave {first[0].shape[0]} outputs")
    if shape is not None:
        found = tuple(first[0].shape)
        _require(found == tuple(shape), f"the output measures {found}, not {tuple(shape)}")
    return first


def _check_gradients(layer: nn.Module, inputs: Value, idle: Collection[str]) -> None:
    layer.train()
    outputs = [y for y in _tensors(layer(*_converted(inputs, Tensor.clone))) if y.requires_grad]
    weights = {name: p for name, p in layer.named_parameters() if p.requires_grad}
    if not weights:
        return
    _require(bool(outputs), "the output does not depend on the weights")
    torch.stack([y.float().square().mean() for y in outputs]).sum().backward()
    for name, weight in weights.items():
        if not any(part in name for part in idle):
            _require(weight.grad is not None, f"weight {name} gets no gradient")
        if weight.grad is not None:
            _require(bool(weight.grad.isfinite().all()), f"the gradient of {name} is not finite")
    layer.zero_grad()


def _reopened(layer: nn.Module) -> nn.Module:
    """The layer after a round trip through a file, read with the rules for files of unknown origin."""
    try:
        verify_layers(layer, "the layer")
    except UnsafeCheckpoint as error:
        raise AssertionError(f"a file with this layer cannot be opened: {error}") from error
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    try:
        reopened: nn.Module = torch.load(buffer, weights_only=False, pickle_module=RESTRICTED)
    except Unknown as error:
        raise AssertionError(
            f"a file with this layer cannot be opened: {error} is not registered"
        ) from error
    return reopened


def _check_precision(layer: nn.Module, inputs: Value) -> None:
    outputs = _run(deepcopy(layer).double(), _converted(inputs, Tensor.double))
    kinds = {y.dtype for y in outputs if y.is_floating_point()}
    _require(kinds == {torch.float64}, f"in float64 the output has {sorted(map(str, kinds))}")


class _Wired(nn.Module):
    """A layer that takes its tensors one by one, which is all that tracing understands."""

    def __init__(self, layer: nn.Module, inputs: Value) -> None:
        super().__init__()
        self.layer = layer
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> Value:
        given = iter(tensors)
        return self.layer(*_converted(self.inputs, lambda _: next(given)))


def _check_exports(layer: nn.Module, inputs: Value) -> None:
    """Both forms are made with one input and compared on another, which shows values frozen on the way."""
    wired = _Wired(deepcopy(layer), inputs).eval()
    if hasattr(layer, "export"):
        wired.layer.export = True  # type: ignore[assignment]  # heads have a form for this
    sample = tuple(x.clone() for x in _tensors(inputs) if x.is_floating_point())
    other = tuple(x.flip(0) for x in sample)
    expected = list(_tensors(wired(*other)))
    for what, export in (("the traced form", _trace), ("the exported form", _export)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both tools warn about themselves
            try:
                form = export(wired, sample)
            except Exception as error:  # whatever a layer makes the tools raise is one broken rule
                raise AssertionError(f"{what} cannot be made: {error}") from error
            _check_equal(what, list(_tensors(form(*other))), expected)


def _trace(layer: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Value]:
    traced: Callable[..., Value] = torch.jit.trace(layer, inputs, strict=False)
    return traced


def _export(layer: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Value]:
    return torch.export.export(layer, inputs).module()
