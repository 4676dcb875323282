"""The task registry: one entry per task, found by folder, resolved on use."""

from __future__ import annotations

import dataclasses

import pytest

from ultralytics import registry
from ultralytics.errors import NotAvailable

DETECT = registry.get("detect")


def test_detect_is_found_without_being_named_anywhere() -> None:
    assert registry.all_tasks()["detect"] is DETECT
    assert next(iter(registry.all_tasks())) == "detect"
    assert (DETECT.suffix, DETECT.metric) == ("", "metrics/mAP50-95(B)")


def test_a_second_entry_of_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'detect' is already registered"):
        registry.register(DETECT)


def test_a_new_task_needs_no_other_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_TASKS", dict(registry.all_tasks()))
    toy = dataclasses.replace(DETECT, name="toy", suffix="-toy", model="math:sqrt")
    assert registry.register(toy) is registry.get("toy")
    assert [*registry.all_tasks()][-1] == "toy"
    assert toy.load("model")(9) == 3


def test_entries_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DETECT.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("name", "expected"), [("semseg", "semantic"), ("pose", "pose")])
def test_names_and_aliases(name: str, expected: str) -> None:
    assert registry.resolve_name(name) == expected


@pytest.mark.parametrize(
    ("name", "hint"), [("detct", "did you mean 'detect'"), ("zzz", "choose one of")]
)
def test_unknown_names_are_explained(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        registry.get(name)


def test_planned_tasks_are_named_as_such() -> None:
    missing = [name for name in registry.PLANNED_TASKS if name not in registry.all_tasks()]
    for name in missing:
        with pytest.raises(NotAvailable, match=name):
            registry.get(name)


@pytest.mark.parametrize("role", ["model", "trainer", "validator", "predictor"])
def test_every_role_of_every_task_resolves(role: registry.Role) -> None:
    for task in registry.all_tasks().values():
        assert isinstance(task.load(role), type)
