"""The default table of callbacks and the opt-in integrations.

An integration runs only when the user has switched its setting on by hand; that a package is installed
is no reason to send anything anywhere. Each integration is a module with a function
`handlers() -> {event: handler}` whose handlers keep their state on the trainer they are called with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol

from ultralytics.errors import MissingExtra
from ultralytics.events import EVENTS, CallbackTable, Handler
from ultralytics.utils.logging import LOGGER

__all__ = ["add_integration_callbacks", "default_callbacks", "get_default_callbacks"]

# setting -> module with `handlers`
INTEGRATIONS: dict[str, str] = {
    "clearml": "ultralytics.utils.callbacks.clearml",
    "comet": "ultralytics.utils.callbacks.comet",
    "dvc": "ultralytics.utils.callbacks.dvc",
    "mlflow": "ultralytics.utils.callbacks.mlflow",
    "neptune": "ultralytics.utils.callbacks.neptune",
    "raytune": "ultralytics.utils.callbacks.raytune",
    "tensorboard": "ultralytics.utils.callbacks.tensorboard",
    "wandb": "ultralytics.utils.callbacks.wb",
}

default_callbacks: dict[str, list[Handler]] = {event: [] for event in EVENTS}


class Chosen(Protocol):
    """The part of the settings that is read here."""

    def get(self, key: str, /) -> object:
        """Value of a setting."""
        ...

    def is_explicit(self, key: str, /) -> bool:
        """Whether the user chose it."""
        ...


class Owner(Protocol):
    """Whatever has a table of callbacks: trainer, validator, predictor, exporter."""

    callbacks: CallbackTable


def get_default_callbacks() -> CallbackTable:
    """A table with one list per event, the caller's own."""
    return CallbackTable({event: list(handlers) for event, handlers in default_callbacks.items()})


def add_integration_callbacks(instance: Owner, settings: Chosen | None = None) -> None:
    """Add the handlers of the integrations the user switched on. Only trainers have any.

    A handler that is in the table already is not added again. What cannot be had is reported once per
    call and left out; training goes on.

    Args:
        instance: owner of the table.
        settings: the user's settings unless given.
    """
    if not any("Trainer" in cls.__name__ for cls in type(instance).__mro__):
        return
    if settings is None:
        from ultralytics.utils.settings import SETTINGS

        settings = SETTINGS
    for name, module in INTEGRATIONS.items():
        if settings.get(name) is True and settings.is_explicit(name):
            for event, handler in _handlers(name, module).items():
                if handler not in instance.callbacks[event]:
                    instance.callbacks[event].append(handler)


def _handlers(name: str, module: str) -> Mapping[str, Handler]:
    load: Callable[[], Mapping[str, Handler]] = import_module(module).handlers
    try:
        return load()
    except MissingExtra as error:
        LOGGER.warning(f"Setting {name}=True has no effect: {error}")
        return {}
