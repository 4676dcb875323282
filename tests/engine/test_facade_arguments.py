"""Which argument wins in the calls of the facade."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ultralytics.engine.facade import arguments
from ultralytics.errors import ConfigError

CARRIED = {"task": "detect", "imgsz": 320, "model": "m.pt"}


def test_only_some_stored_arguments_are_carried_on() -> None:
    stored = {"imgsz": 320, "data": "d.yaml", "task": "detect", "single_cls": True, "lr0": 1}
    assert arguments.carried(stored) == {k: v for k, v in stored.items() if k != "lr0"}


def test_prediction_defaults_lie_between_model_and_call() -> None:
    args = arguments.for_prediction({**CARRIED, "conf": 0.9, "batch": 4}, {"conf": 0.1})
    assert (args["conf"], args["batch"], args["imgsz"], args["save"]) == (0.1, 1, 320, False)
    assert args["mode"] == "predict"


@pytest.mark.parametrize(
    ("before", "now", "carried", "expected"),
    [
        pytest.param({}, {}, {}, False, id="nothing"),
        pytest.param({}, {"conf": 0.5}, {}, False, id="other-argument"),
        pytest.param({}, {"device": "cpu"}, {}, True, id="new"),
        pytest.param({"device": "cpu"}, {"device": "cpu"}, {}, False, id="same"),
        pytest.param({"device": "cpu"}, {}, {}, False, id="kept"),
        pytest.param({}, {"data": "a"}, {"data": "a"}, False, id="carried"),
        pytest.param({"nms": True}, {"nms": False}, {}, True, id="changed"),
    ],
)
def test_rebuilding(
    before: dict[str, object], now: dict[str, object], carried: dict[str, object], expected: bool
) -> None:
    assert arguments.needs_rebuild(before, now, carried) is expected


def test_folder_changes() -> None:
    base = {"project": "a", "name": "b", "save_dir": None, "exist_ok": False, "conf": 1}
    assert not arguments.needs_new_folder(base, {**base, "conf": 2})
    assert arguments.needs_new_folder(base, {**base, "name": "c"})


def test_validation_uses_the_recorded_data_set(tmp_path: Path) -> None:
    recorded = tmp_path / "own.yaml"
    recorded.write_text("path: .\n")
    args = arguments.for_validation({**CARRIED, "data": str(recorded)}, {}, "detect")
    assert args["data"] == str(recorded)
    assert args["rect"] is True
    assert (
        arguments.for_validation(CARRIED, {"data": "x.yaml", "rect": False}, "detect")["rect"]
        is False
    )


def test_validation_falls_back_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lost = {**CARRIED, "data": "/nowhere/else/own.yaml"}
    with caplog.at_level(logging.WARNING):
        args = arguments.for_validation(lost, {}, "detect")
    assert args["data"] == "coco8.yaml"
    assert "/nowhere/else/own.yaml is not on this computer" in caplog.text


def test_training_needs_a_data_set() -> None:
    with pytest.raises(ConfigError, match=r"data=shapes\.yaml"):
        arguments.for_training(CARRIED, {}, "m.pt", "detect")
    with pytest.raises(ConfigError, match=r"trained on /nowhere/own\.yaml"):
        arguments.for_training({**CARRIED, "data": "/nowhere/own.yaml"}, {}, "m.pt", "detect")


def test_training_uses_the_recorded_data_set_when_it_is_there(tmp_path: Path) -> None:
    recorded = tmp_path / "own.yaml"
    recorded.write_text("path: .\n")
    args = arguments.for_training({**CARRIED, "data": str(recorded)}, {}, "m.pt", "detect")
    assert args["data"] == str(recorded)


def test_the_call_wins_except_for_model_and_task(tmp_path: Path) -> None:
    file = tmp_path / "args.yaml"
    file.write_text("epochs: 7\nimgsz: 64\nmodel: other.pt\ndata: file.yaml\n")
    call = {"cfg": str(file), "imgsz": 96, "model": "call.pt", "data": "call.yaml"}
    args = arguments.for_training(CARRIED, call, "m.pt", "detect")
    assert (args["epochs"], args["imgsz"], args["data"]) == (7, 96, "call.yaml")
    assert (args["model"], args["task"], args["mode"]) == ("m.pt", "detect", "train")
    assert "cfg" not in args
