"""Event names and the bus that carries them.

One bus belongs to one run (trainer, validator, predictor, exporter). Its `callbacks` table is the dictionary of lists
that users of the interface read and edit directly; emitting walks that table, so both views always agree.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ultralytics.errors import nearest

__all__ = ["EVENTS", "CallbackTable", "EventBus", "Handler"]

Handler = Callable[[Any], Any]

TRAIN_EVENTS = (
    "on_pretrain_routine_start",
    "on_pretrain_routine_end",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "optimizer_step",
    "on_before_zero_grad",
    "on_params_update",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_fit_epoch_end",
    "on_model_save",
    "on_train_end",
    "teardown",
)
VAL_EVENTS = ("on_val_start", "on_val_batch_start", "on_val_batch_end", "on_val_end")
PREDICT_EVENTS = (
    "on_predict_start",
    "on_predict_batch_start",
    "on_predict_postprocess_end",
    "on_predict_batch_end",
    "on_predict_end",
)
EXPORT_EVENTS = ("on_export_start", "on_export_end")

EVENTS: tuple[str, ...] = TRAIN_EVENTS + VAL_EVENTS + PREDICT_EVENTS + EXPORT_EVENTS


class CallbackTable(dict[str, list[Handler]]):
    """Event name -> handlers in calling order. Reading a name that is absent creates its list.

    A name that is no event warns with the nearest one: such handlers are kept but never called.
    """

    def __missing__(self, event: str) -> list[Handler]:
        if event not in EVENTS:
            warnings.warn(
                f"no event is called {event!r}{nearest(event, EVENTS)}; its callbacks never run",
                UserWarning,
                stacklevel=3,
            )
        handlers: list[Handler] = []
        self[event] = handlers
        return handlers

    def duplicate(self) -> CallbackTable:
        """A table with its own lists and the same handlers."""
        return CallbackTable({event: list(handlers) for event, handlers in self.items()})


class EventBus:
    """Call handlers in the order they subscribed.

    Args:
        handlers: initial table; it is copied, so that a run's own handlers do not leak to the giver.
        strict: make an unknown event name an error instead of a warning.
    """

    def __init__(
        self, handlers: Mapping[str, Iterable[Handler]] | None = None, strict: bool = False
    ) -> None:
        self.strict = strict
        self.callbacks = CallbackTable({event: [] for event in EVENTS})
        for event, listed in (handlers or {}).items():
            self.callbacks[event] = list(listed)

    def subscribe(self, event: str, handler: Handler) -> Callable[[], None]:
        """Add a handler; the returned function removes it."""
        if self.strict and event not in EVENTS:
            raise ValueError(f"no event is called {event!r}{nearest(event, EVENTS)}")
        handlers = self.callbacks[event]
        handlers.append(handler)
        return lambda: handlers.remove(handler)

    def replace(self, event: str, handler: Handler) -> None:
        """Make this the only handler of an event."""
        self.callbacks[event][:] = [handler]

    def emit(self, event: str, source: Any) -> None:
        """Run the handlers of an event. An exception in a handler reaches the caller."""
        for handler in tuple(self.callbacks.get(event, ())):
            handler(source)
