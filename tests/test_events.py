"""The bus: order, copies, unknown names, editing while running."""

from __future__ import annotations

from typing import Any

import pytest

from ultralytics.events import EVENTS, CallbackTable, EventBus


def test_every_event_has_a_list_and_names_are_unique() -> None:
    assert len(EVENTS) == len(set(EVENTS)) == 25
    assert EventBus().callbacks == {event: [] for event in EVENTS}


def test_handlers_run_in_order_with_the_source() -> None:
    seen: list[Any] = []
    bus = EventBus()
    bus.subscribe("on_train_start", lambda source: seen.append((1, source)))
    bus.callbacks["on_train_start"].append(lambda source: seen.append((2, source)))
    bus.emit("on_train_start", "trainer")
    bus.emit("on_train_end", "trainer")
    assert seen == [(1, "trainer"), (2, "trainer")]


def test_unsubscribing_and_replacing() -> None:
    seen: list[str] = []
    bus = EventBus()
    remove = bus.subscribe("teardown", lambda _: seen.append("a"))
    bus.subscribe("teardown", lambda _: seen.append("b"))
    remove()
    bus.emit("teardown", None)
    bus.replace("teardown", lambda _: seen.append("c"))
    bus.emit("teardown", None)
    assert seen == ["b", "c"]


def test_handlers_of_one_run_do_not_reach_the_giver() -> None:
    given = CallbackTable({"on_val_end": [print]})
    bus = EventBus(given)
    bus.subscribe("on_val_end", repr)
    assert given == {"on_val_end": [print]}
    assert bus.callbacks["on_val_end"] == [print, repr]
    copied = bus.callbacks.duplicate()
    copied["on_val_end"].clear()
    assert bus.callbacks["on_val_end"] == [print, repr]


def test_an_exception_reaches_the_caller_and_stops_the_rest() -> None:
    seen: list[int] = []
    bus = EventBus()
    bus.subscribe("on_fit_epoch_end", lambda _: 1 / 0)
    bus.subscribe("on_fit_epoch_end", lambda _: seen.append(1))
    with pytest.raises(ZeroDivisionError):
        bus.emit("on_fit_epoch_end", None)
    assert seen == []


def test_a_handler_may_remove_itself_while_running() -> None:
    seen: list[str] = []
    bus = EventBus()

    def once(_: object) -> None:
        seen.append("once")
        bus.callbacks["on_train_batch_end"].remove(once)

    bus.subscribe("on_train_batch_end", once)
    bus.subscribe("on_train_batch_end", lambda _: seen.append("always"))
    bus.emit("on_train_batch_end", None)
    bus.emit("on_train_batch_end", None)
    assert seen == ["once", "always", "always"]


def test_unknown_names_warn_with_the_nearest_or_raise_when_strict() -> None:
    with pytest.warns(UserWarning, match=r"'on_train_finish'.*did you mean 'on_train_\w+'"):
        EventBus().callbacks["on_train_finish"].append(print)
    with pytest.raises(ValueError, match="on_trian_start"):
        EventBus(strict=True).subscribe("on_trian_start", print)
    EventBus().emit("never_heard_of", None)
