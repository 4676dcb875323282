"""Argument names of earlier releases."""

from __future__ import annotations

import logging

import pytest

from ultralytics.cfg import get_cfg
from ultralytics.cfg.deprecated import translate
from ultralytics.errors import ConfigTypeError
from ultralytics.utils.logging import LOGGER


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    caught: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: caught.append(record.getMessage())  # type: ignore[method-assign]
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    monkeypatch.setattr(LOGGER, "propagate", False)
    monkeypatch.setattr(LOGGER, "level", logging.INFO)
    LOGGER.manager._clear_cache()  # type: ignore[attr-defined]
    return caught


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"boxes": False}, {"show_boxes": False}),
        ({"hide_labels": True}, {"show_labels": False}),
        ({"hide_conf": False}, {"show_conf": True}),
        ({"line_thickness": 3}, {"line_width": 3}),
        ({"half": True}, {"quantize": 16}),
        ({"int8": True, "half": True}, {"quantize": 8}),
        ({"half": False}, {"quantize": None}),
        ({"int8": " None "}, {"quantize": None}),
        ({"half": "0"}, {"quantize": None}),
        ({"half": ""}, {"quantize": 16}),
        ({"half": True, "quantize": 32}, {"quantize": 32}),
        ({"end2end": True}, {"nms": False}),
        ({"end2end": False}, {"nms": None}),
        ({"end2end": False, "nms": True}, {"nms": True}),
        ({"end2end": None}, {}),
        ({"label_smoothing": 0.1}, {}),
        ({"save_hybrid": False}, {}),
        ({"crop_fraction": 1.0}, {}),
        ({"keras": True}, {}),
        ({"epochs": 3}, {"epochs": 3}),
    ],
    ids=str,
)
def test_translation(old: dict[str, object], new: dict[str, object]) -> None:
    custom = dict(old)
    translate(custom)
    assert custom == new


def test_end2end_must_be_a_bool() -> None:
    with pytest.raises(ConfigTypeError, match="end2end=1"):
        translate({"end2end": 1})


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        ({"hide_conf": True}, ["show_conf=False"]),
        ({"label_smoothing": 0.0}, ["no effect"]),
        ({"label_smoothing": 0.1}, ["0.1 is ignored"]),
        ({"half": True, "quantize": 8}, []),
    ],
)
def test_each_old_name_is_named_once(lines: list[str], custom, words: list[str]) -> None:
    get_cfg(overrides=custom)
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))
