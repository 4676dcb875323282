"""Transforms of the training images that the user passes or edits: `model.train(transforms=...)`, `trainer.transforms`.

A list replaces all steps before the last one, which makes tensors; a function gets that list and returns another.
What was passed or edited outlasts the end of mosaic: mixing steps in it stop, everything else stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ultralytics.data.augment.compose import Compose
from ultralytics.data.fingerprint import fingerprint
from ultralytics.errors import ConfigTypeError

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["install", "renew_workers", "transforms_of"]


def transforms_of(dataset: Any) -> Any:  # Any: a data set; the object that lists its steps
    """The steps of a data set, as an object with a list `transforms`; None when it has none."""
    return getattr(dataset, _attribute(dataset), None)


def set_transforms(dataset: Any, transforms: Any) -> None:
    """Replace the steps of a data set."""
    setattr(dataset, _attribute(dataset), transforms)


def _attribute(dataset: Any) -> str:
    name: str = getattr(dataset, "steps_attribute", "transforms")
    return name


def install(trainer: BaseTrainer) -> None:
    """Give the training set the transforms that the user passed.

    Raises:
        ConfigTypeError: the list holds something that cannot be called, or the function returned no list.
    """
    given, dataset = trainer.given_objects.transforms, trainer.train_loader.dataset
    if given is None:
        return
    current = transforms_of(dataset)
    steps = list(getattr(current, "transforms", None) or ())
    if not steps:
        raise ConfigTypeError(f"transforms: {type(dataset).__name__} lists no steps to replace")
    # The last step of our lists makes the tensors; those of torchvision do that anywhere.
    last = [steps.pop()] if isinstance(current, Compose) else []
    chosen = given(steps) if callable(given) else list(given)
    if not isinstance(chosen, list):
        raise ConfigTypeError(
            f"transforms: the function must return a list of steps, not {type(chosen).__name__}"
        )
    for step in chosen:
        if not callable(step):
            raise ConfigTypeError(f"transforms: the step {step!r} cannot be called with a sample")
    if last and chosen and type(chosen[-1]) is type(last[0]):
        last = []  # the user brought his own
    set_transforms(dataset, _like(current, [*chosen, *last]))


def _like(current: Any, steps: list[Any]) -> Any:
    return Compose(steps) if isinstance(current, Compose) else type(current)(steps)


def renew_workers(trainer: BaseTrainer) -> None:
    """Start new worker processes when the transforms were edited since the last epoch: running ones hold copies."""
    loader = trainer.train_loader
    if not getattr(loader, "num_workers", 0) or not hasattr(loader, "reset"):
        return
    now = fingerprint(transforms_of(loader.dataset))
    if trainer.transforms_seen not in (None, now):
        loader.reset()
    trainer.transforms_seen = now
