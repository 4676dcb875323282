"""A loss that the user passes: `model.train(loss=...)`.

A class is made with the network and its objects are called; a function is called as it is. Both get `(preds, batch)`,
what the network returned and the labels, and return the loss (a number or a vector, times the batch size as the losses
of the library are) with its named items, or the loss alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigTypeError, ConfigValueError
from ultralytics.utils.torch_utils.wrapping import unwrap_model

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["OwnLoss", "attach"]

ONLY_ITEM = "loss"  # name of a loss without items

Items = dict[str, Tensor]


class OwnLoss:
    """The criterion of a network that calls the user's and checks what comes back.

    It hides the parameters of a loss that is a module from the network, so that no file holds them; attributes such
    as `update` and `loss_names` show through.

    Args:
        given: class or function of the user.
        network: task network it is for.
        on_names: called with the names of the items, the first time they are known.

    Raises:
        ConfigValueError: the loss has parameters of its own, which nothing would train.
    """

    def __init__(
        self,
        given: Any,  # Any: a class or function of the user
        network: nn.Module,
        on_names: Callable[[tuple[str, ...]], None] | None = None,
    ) -> None:
        self.name = getattr(given, "__qualname__", None) or type(given).__qualname__
        self.inner = given(network) if isinstance(given, type) else given
        self._on_names = on_names
        if not callable(self.inner):
            raise ConfigTypeError(
                f"loss={self.name}: its objects must be callable with (preds, batch)"
            )
        if isinstance(self.inner, nn.Module) and any(True for _ in self.inner.parameters()):
            raise ConfigValueError(
                f"loss={self.name} has parameters of its own, which no optimizer trains; make them buffers, or parts "
                "of the network"
            )

    def __getattr__(self, name: str) -> Any:  # Any: attributes of the user's loss
        if name in ("inner", "name") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __call__(self, preds: Any, batch: Mapping[str, Any]) -> tuple[Tensor, Items]:
        """Loss and detached items.

        Raises:
            ConfigTypeError, ConfigValueError: what the user's loss returned is of another form; the text says of which.
        """
        loss, items = self._parts(self.inner(preds, batch))
        if self._on_names is not None:
            self._on_names(tuple(items))
            self._on_names = None
        return loss, items

    def _parts(self, result: Any) -> tuple[Tensor, Items]:
        loss, items = result, None
        if isinstance(result, (tuple, list)) and len(result) == 2:
            loss, items = result
        if not isinstance(loss, Tensor):
            raise ConfigTypeError(
                f"loss={self.name} must return (loss, items) with a tensor and a dictionary, or a tensor; it returned "
                f"{_described(result)}"
            )
        if loss.ndim > 1 or not loss.is_floating_point():
            raise ConfigValueError(
                f"loss={self.name} must return a floating-point number or vector; it returned {_described(loss)}"
            )
        if torch.is_grad_enabled() and not loss.requires_grad:
            raise ConfigValueError(
                f"loss={self.name} returned a tensor without gradient: it must be computed from preds, not from copies"
            )
        return loss, {ONLY_ITEM: loss.detach().sum()} if items is None else self._items(items, loss)

    def _items(self, items: Any, loss: Tensor) -> Items:
        if not isinstance(items, Mapping) or not items:
            raise ConfigTypeError(
                f"loss={self.name}: the items must be a dictionary of named numbers, not {_described(items)}"
            )
        for key, value in items.items():
            is_number = isinstance(value, Real) or (
                isinstance(value, Tensor) and value.numel() == 1
            )
            if not isinstance(key, str) or not is_number:
                raise ConfigTypeError(
                    f"loss={self.name}: the item {key!r} must be one number, not {_described(value)}"
                )
        return {
            key: torch.as_tensor(value, device=loss.device).detach().reshape(())
            for key, value in items.items()
        }


def attach(trainer: BaseTrainer) -> None:
    """Give the network and its average the loss of the user, each an object of its own where it is a class.

    Raises:
        ConfigValueError: the network calls its loss with other things than predictions and labels.
    """
    given = trainer.given_objects.loss
    if given is None:
        return
    network = unwrap_model(trainer.model)
    if getattr(network, "criterion_takes_targets", False):
        raise ConfigValueError(
            f"loss does not work with {type(network).__name__}, whose loss is called with matched queries; override "
            "init_criterion in a network class of your own"
        )
    network.criterion = made = OwnLoss(given, network, lambda names: _rename(trainer, names))
    trainer.ema.ema.criterion = OwnLoss(given, trainer.ema.ema)
    names = getattr(made, "loss_names", None)
    if names:
        _rename(trainer, tuple(names))


def _rename(trainer: BaseTrainer, names: tuple[str, ...]) -> None:
    """Let columns of the results have the names of the items, also where nothing is validated yet."""
    trainer.loss_names = names
    keys = [*trainer.validator.metrics.keys, *trainer.label_loss_items(prefix="val")]
    trainer.metrics = {key: trainer.metrics.get(key, 0.0) for key in keys}


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{value!r} ({type(value).__name__})"
