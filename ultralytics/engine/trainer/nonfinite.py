"""Naming the first number that is not finite: in the batch, the weights, a module's output, the loss or a gradient.

Nothing is searched while losses are finite. On the CPU a loss is checked before its step is taken; on an accelerator
when the progress row reads it anyway, so that nothing waits, and from the first finding on after every batch. The
search runs the batch once more with hooks, and leaves weights, statistics and random generators as they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.engine.trainer import exact
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_parallel

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["check_loss", "check_norm", "check_reported", "find"]

SHOWN_IMAGES = 8


def check_loss(trainer: BaseTrainer) -> None:
    """Look at the loss of the batch before its step, where that costs nothing or is worth it."""
    if _is_watched(trainer) and not math.isfinite(float(trainer.loss.detach())):
        _tell(trainer, f"the loss is {float(trainer.loss.detach())}", find(trainer))


def check_reported(trainer: BaseTrainer, losses: Iterable[float]) -> None:
    """Look at mean losses that were read for the progress row."""
    if trainer.nonfinite is None and not all(map(math.isfinite, losses)):
        _tell(trainer, "the mean losses of the epoch are not finite", find(trainer))


def check_norm(trainer: BaseTrainer, norm: Tensor) -> None:
    """Look at the norm of the gradients before the step. A gradient scaler skips such steps by itself."""
    if trainer.scaler.is_enabled() or not _is_watched(trainer) or math.isfinite(float(norm)):
        return
    _tell(
        trainer, f"the norm of the gradients is {float(norm)}", find(trainer, with_gradients=True)
    )


def _is_watched(trainer: BaseTrainer) -> bool:
    is_free = trainer.device.type == "cpu"
    return trainer.nonfinite is None and (is_free or trainer.is_watched)


def _tell(trainer: BaseTrainer, symptom: str, cause: str) -> None:
    trainer.nonfinite, trainer.is_watched = cause, True
    batches = len(trainer.train_loader)
    number = (trainer.batches_done - 1) % batches + 1
    files = [Path(str(f)).name for f in (trainer.batch or {}).get("im_file", ())]
    rest = f" and {len(files) - SHOWN_IMAGES} more" if len(files) > SHOWN_IMAGES else ""
    images = f" Images of the batch: {', '.join(files[:SHOWN_IMAGES])}{rest}." if files else ""
    LOGGER.warning(
        f"Epoch {trainer.epoch + 1}, batch {number} of {batches}, optimizer step {trainer.ema.updates + 1}: "
        f"{symptom}. First not finite: {cause}.{images}"
    )


def find(trainer: BaseTrainer, with_gradients: bool = False) -> str:
    """Where in the batch just seen the first number that is not finite is, in words."""
    batch, model = trainer.batch, unwrap_parallel(trainer.model)
    if batch is None:
        return "unknown, as no batch is at hand"
    if text := _in_batch(batch):
        return text
    for name, value in model.named_parameters():
        if _is_bad(value):
            return f"weight {name} ({_counts(value)}), changed by an earlier step"
    if any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
        return "unknown, as layers that wait for the other ranks cannot run once more"
    try:
        with exact.undisturbed(model):
            return _in_network(trainer, model, batch, with_gradients)
    except (
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:  # such as no memory: the run must not end here
        return f"unknown, as the batch could not run once more ({error})"


def _in_batch(batch: dict[str, Any]) -> str:
    """The first entry of a batch that is not finite, with the file of its image."""
    for key, value in batch.items():
        if not isinstance(value, Tensor) or not _is_bad(value):
            continue
        row = int(torch.nonzero(~torch.isfinite(value))[0][0]) if value.ndim else 0
        owner = row
        if len(value) != len(batch["img"]) and "batch_idx" in batch:
            owner = int(batch["batch_idx"].reshape(-1)[row])
        files = batch.get("im_file", ())
        file = f", image {files[owner]}" if owner < len(files) else ""
        return f"input {key!r} of the batch ({_counts(value)}{file})"
    return ""


def _in_network(
    trainer: BaseTrainer, model: nn.Module, batch: dict[str, Any], with_gradients: bool
) -> str:
    """The first module output, loss or gradient that is not finite in a second run of the batch."""
    found: list[str] = []
    hooks = [
        module.register_forward_hook(_hook(found, name))
        for name, module in model.named_modules()
        if module is not model  # its output is the loss
    ]
    weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
    try:
        with torch.set_grad_enabled(with_gradients), trainer.precision.autocast():
            loss, items = model(batch)
            bad = [name for name, value in items.items() if _is_bad(value)]
        if found:
            return found[0]
        if bad:
            return f"loss {bad[0]}, from finite outputs of the network"
        if _is_bad(loss):
            return "the sum of the losses, from finite losses"
        if not with_gradients:
            return "nothing in this batch; an earlier one of the epoch"
        grads = torch.autograd.grad(loss.sum(), list(weights.values()), allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    named = [n for n, g in zip(weights, grads, strict=True) if g is not None and _is_bad(g)]
    if not named:
        return "a gradient of an earlier batch of this step"
    return f"gradient of {named[-1]}, the last of {len(named)} such weights before the loss"


def _hook(found: list[str], name: str) -> Any:  # Any: a forward hook
    def look(module: nn.Module, given: Any, output: Any) -> None:
        if found:
            return
        for value in _tensors(output):
            if _is_bad(value):
                clean = not any(_is_bad(v) for v in _tensors(given))
                source = "from finite inputs" if clean else "whose inputs are not finite either"
                found.append(
                    f"output of {name} ({type(module).__name__}; {_counts(value)}), {source}"
                )
                return

    return look


def _tensors(value: Any) -> Iterator[Tensor]:  # Any: what a module takes or returns
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def _is_bad(value: Tensor) -> bool:
    return value.is_floating_point() and not bool(torch.isfinite(value).all())


def _counts(value: Tensor) -> str:
    nan, inf = int(value.isnan().sum()), int(value.isinf().sum())
    return f"{nan} NaN and {inf} Inf of {value.numel()} values"
