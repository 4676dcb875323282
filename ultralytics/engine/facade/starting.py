"""Trainers made for a facade: which network a run starts from, and how another process gets at it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from ultralytics.engine.facade import opening
from ultralytics.events import Handler
from ultralytics.nn import tasks
from ultralytics.utils.logging import LOGGER

__all__ = ["prepare_trainer", "starts_from_weights", "write_base"]


def prepare_trainer(
    facade: Any,  # Any: a facade
    kind: Any,  # Any: a trainer class
    args: dict[str, Any],  # Any: values of configuration keys
    callbacks: Mapping[str, list[Handler]] | None = None,
) -> Any:
    """The trainer of a run, with its network where the facade holds weights; the facade is not changed.

    Args:
        facade: an opened model.
        kind: trainer class.
        args: complete arguments of the run.
        callbacks: handlers of the run, the facade's unless given.
    """
    starts_here = starts_from_weights(facade, args)
    weights = _starting_weights(facade.model, args.get("pretrained", True)) if starts_here else None
    trainer = kind(overrides=args, _callbacks=facade.callbacks if callbacks is None else callbacks)
    if starts_here:
        trainer.model = trainer.get_model(cfg=deepcopy(facade.model.yaml), weights=weights)
        from ultralytics.engine.trainer.freezing import asks_to_keep

        if asks_to_keep(args.get("freeze")):
            _keep_frozen(facade.model, trainer.model)
    return trainer


def _keep_frozen(held: nn.Module, network: nn.Module) -> None:
    """Freeze what the user froze by hand; an opened file, in which nothing is trained, says nothing."""
    flags = {name: p.requires_grad for name, p in held.named_parameters()}
    if not any(flags.values()):
        LOGGER.warning(
            "freeze=['keep'] keeps nothing: no parameter of the opened model is trained; set requires_grad first."
        )
        return
    for name, parameter in network.named_parameters():
        parameter.requires_grad = flags.get(name, True)


def starts_from_weights(facade: Any, args: Mapping[str, Any]) -> bool:
    """Whether a run trains the facade's network; otherwise its trainer builds or reads one."""
    return bool(facade.ckpt) and not args.get("resume")


def _starting_weights(held: Any, pretrained: bool | str | Path) -> Any:  # Any: a task model
    """Network to start from: none, the one of a named file, or the one held."""
    if pretrained is False:
        return None
    if isinstance(pretrained, (str, Path)):
        return tasks.load_checkpoint(opening.fetched(str(pretrained)))[0]
    return held


def write_base(facade: Any, file: Path) -> str:
    """What another process opens to start like this facade.

    Args:
        facade: an opened model.
        file: where the weights are written, in full precision, if the facade holds any.

    Returns:
        The file, or the name of the architecture file when there are no weights.
    """
    if not facade.ckpt:
        return str(facade.overrides["model"])
    network = facade.model
    criterion, network.criterion = getattr(network, "criterion", None), None
    try:
        copy = deepcopy(network).cpu()
    finally:
        network.criterion = criterion
    args = dict(facade.overrides)
    tasks.write_checkpoint({"model": copy, "train_args": args, "epoch": -1}, file)
    return str(file)
