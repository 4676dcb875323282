"""The losses of a batch, of a network as it is or a compiled one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from ultralytics.utils.torch_utils.wrapping import unwrap_model

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["losses_of"]


def losses_of(trainer: BaseTrainer, prepared: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss vector and its detached parts; what is compiled is the network, its loss runs as it is.

    Args:
        trainer: supplies the network and `args.compile`.
        prepared: a batch that went through `preprocess_batch`.
    """
    if trainer.args.compile:
        preds = trainer.model(prepared["img"])
        loss, items = unwrap_model(trainer.model).loss(prepared, preds)
    else:
        loss, items = trainer.model(prepared)
    return loss, items
