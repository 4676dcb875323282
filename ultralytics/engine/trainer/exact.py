"""Everything needed to continue a run bit for bit, as plain tensors and containers.

The public checkpoint keys hold averaged half-precision weights, which is what the interface defines. This state is
stored beside them, in an extra record of the same file (`nn.tasks.checkpoint`), and is never unpickled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ultralytics.cfg.load import OUR_KEYS
from ultralytics.engine.trainer import streams
from ultralytics.engine.trainer.own_loss import OwnLoss
from ultralytics.utils.torch_utils.wrapping import unwrap_model, unwrap_parallel

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["capture", "capture_rng", "restore", "restore_rng", "rng_of_rank", "undisturbed"]

LAYOUT = 2  # version of the record; 2 knows positions within an epoch

State = dict[str, Any]  # Any: nested plain data


def capture(trainer: BaseTrainer) -> State:
    """State after a batch or, once validated, at the end of an epoch."""
    model = unwrap_parallel(trainer.model)
    criterion = getattr(unwrap_model(model), "criterion", None)
    grads = {n: p.grad.contiguous() for n, p in model.named_parameters() if p.grad is not None}
    pending = trainer.batches_done - 1 > trainer.last_opt_step
    return {
        "layout": LAYOUT,
        "epoch": trainer.epoch,
        "batches_per_epoch": len(trainer.train_loader),
        "model": _dense(model),
        "ema": _dense(trainer.ema.ema),
        "ema_updates": trainer.ema.updates,
        "optimizer": _dense_optimizer(trainer.optimizer),
        "scaler": trainer.scaler.state_dict(),
        "grads": grads if pending else {},
        "last_opt_step": trainer.last_opt_step,
        "accumulate": trainer.accumulate,
        "criterion_updates": getattr(criterion, "updates", None),
        "fitness": trainer.fitness,
        "best_fitness": trainer.best_fitness,
        "is_stopped": bool(trainer.stop),
        "stopper": dict(trainer.stopper.state_dict()),
        "elapsed": trainer.clock() - trainer.train_time_start,
        "batch_size": trainer.batch_size,
        "own_args": {k: v for k, v in vars(trainer.args).items() if k in OUR_KEYS},
        "objects": trainer.given_objects.names,
        "streams": streams.capture(trainer),
        "rng": capture_rng(),
        "rank_rngs": trainer.rngs if trainer.is_shared else [],
    }


def restore(trainer: BaseTrainer, state: State) -> None:
    """Put a captured state into a trainer whose parts are built."""
    model = unwrap_parallel(trainer.model)
    model.load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["ema_updates"]
    load_optimizer(trainer.optimizer, state["optimizer"])
    if state["scaler"]:
        trainer.scaler.load_state_dict(state["scaler"])
    if state["batches_per_epoch"] == len(trainer.train_loader):
        trainer.last_opt_step = state["last_opt_step"]
        for name, parameter in model.named_parameters():
            if name in state["grads"]:
                parameter.grad = torch.empty_like(parameter).copy_(state["grads"][name])
    if state["batch_size"] == trainer.batch_size:
        trainer.accumulate = state["accumulate"]
    trainer.best_fitness = state["best_fitness"]
    trainer.fitness = state.get("fitness")
    trainer.stopper.load_state_dict(state["stopper"])
    if state["criterion_updates"] is not None:
        fast_forward(unwrap_model(model), state["criterion_updates"])
    if "streams" in state:
        streams.restore(trainer, state["streams"])


def fast_forward(model: Any, updates: int) -> None:  # Any: a task network
    """Bring a loss that changes by epoch to the given number of updates."""
    if not isinstance(getattr(model, "criterion", None), OwnLoss):  # which is attached once
        model.criterion = model.init_criterion()
    if hasattr(model.criterion, "updates") and updates > 0:
        model.criterion.updates = updates - 1
        model.criterion.update()


def load_optimizer(optimizer: torch.optim.Optimizer, stored: State) -> None:
    """Load an optimiser state; the choice of kernel stays that of the running optimiser.

    Buffers take the memory layout of their parameters, which fused kernels rely on.
    """
    names: tuple[str, ...] = ("fused", "foreach")
    kernels = [{k: g[k] for k in names if k in g} for g in optimizer.param_groups]
    optimizer.load_state_dict(stored)
    for group, kernel in zip(optimizer.param_groups, kernels, strict=True):
        group.update(kernel)
        for parameter in group["params"]:
            for name, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    fresh = torch.empty_like(parameter, dtype=value.dtype)
                    optimizer.state[parameter][name] = fresh.copy_(value)


def capture_rng() -> State:
    """States of the global generators of Python, NumPy and torch."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    numbers = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    state: State = {
        "python": random.getstate(),
        "numpy": [kind, numbers, position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def rng_of_rank(trainer: BaseTrainer, state: State) -> State:
    """States of the generators for this rank; those of rank 0 when the run had another number of ranks."""
    stored = state.get("rank_rngs") or [state["rng"]]
    chosen: State = (
        stored[trainer.ranks.rank] if len(stored) == trainer.ranks.count else state["rng"]
    )
    return chosen


def restore_rng(state: State) -> None:
    """Set the global generators to captured states."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"][: torch.cuda.device_count()])


def _dense(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}


def _dense_optimizer(optimizer: torch.optim.Optimizer) -> State:
    stored = optimizer.state_dict()
    dense = {
        index: {
            k: v.detach().cpu().contiguous() if isinstance(v, Tensor) else v
            for k, v in entry.items()
        }
        for index, entry in stored["state"].items()
    }
    return {"state": dense, "param_groups": stored["param_groups"]}


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put back the buffers of a network and the random generators afterwards."""
    rng, buffers = capture_rng(), {n: b.clone() for n, b in model.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
        restore_rng(rng)
