"""Which argument wins. Merging is from left to right: what the model carries, defaults of the mode, the call.

Tables of specification chapter 40, section 1.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.errors import ConfigError
from ultralytics.registry import get
from ultralytics.utils.checks import check_data_portable, check_file
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.yaml_io import YAML

__all__ = [
    "REBUILD_KEYS",
    "carried",
    "for_prediction",
    "for_training",
    "for_validation",
    "needs_new_folder",
    "needs_rebuild",
]

Arguments = dict[str, Any]  # Any: values of configuration keys

CARRIED = ("imgsz", "data", "task", "single_cls")  # what a checkpoint hands on to later calls
REBUILD_KEYS = (
    "device",
    "dnn",
    "data",
    "nms",
    "compile",
    "channels_last",
    "quantize",
    "tracker",
)
FOLDER_KEYS = ("project", "name", "save_dir", "exist_ok")
FETCHED = ("http://", "https://", "ul://", "gs://")


def carried(stored: Mapping[str, Any]) -> Arguments:
    """The part of stored training arguments that later calls start from."""
    return {key: stored[key] for key in CARRIED if key in stored}


def for_prediction(carried: Arguments, call: Arguments) -> Arguments:
    """Arguments of a prediction."""
    defaults = {
        "conf": 0.25,
        "batch": 1,
        "save": False,
        "mode": "predict",
        "rect": True,
        "embed": None,
    }
    return {**carried, **defaults, **call}


def needs_rebuild(before: Mapping[str, Any], now: Arguments, carried: Arguments) -> bool:
    """Whether a call asks for another set-up than the predictor has.

    Args:
        before: set-up arguments in force.
        now: arguments of this call as the user wrote them.
        carried: arguments of the model.
    """
    return any(key in now and now[key] != before.get(key, carried.get(key)) for key in REBUILD_KEYS)


def needs_new_folder(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether results of this call go to another folder."""
    return any(before.get(key) != now.get(key) for key in FOLDER_KEYS)


def for_validation(carried: Arguments, call: Arguments, task: str) -> Arguments:
    """Arguments of a validation; without `data`, the set the model was trained on, else the task's sample set."""
    args = {**carried, "rect": True, **call, "mode": "val"}
    if call.get("data"):
        return args
    recorded = carried.get("data")
    if recorded and check_data_portable(recorded):
        return args
    args["data"] = get(task).default_data
    reason = f"the recorded {recorded} is not on this computer" if recorded else "none is recorded"
    LOGGER.warning(f"'data' was not given and {reason}; using data={args['data']}")
    return args


def for_training(carried: Arguments, call: Arguments, model: str, task: str) -> Arguments:
    """Arguments of a training, without the choice of weights.

    Raises:
        ConfigError: there is no data set to train on.
    """
    base = YAML.load(call["cfg"]) if call.get("cfg") else dict(carried)
    recorded = carried.get("data")
    args = {**base, "model": model, "task": task, **_without(call, "cfg"), "mode": "train"}
    args["model"], args["task"] = model, task
    if args.get("data") is None or (args["data"] == recorded and not call.get("data")):
        args["data"] = base.get("data") if call.get("cfg") else recorded
        if not args["data"] or not _resolves(args["data"]):
            raise ConfigError(_no_data(recorded, get(task).sample))
        LOGGER.info(f"'data' was not given; using data={args['data']}")
    return args


def _without(values: Arguments, *names: str) -> Arguments:
    return {key: value for key, value in values.items() if key not in names}


def _no_data(recorded: object, sample: str) -> str:
    lost = f" (the model was trained on {recorded}, which is not on this computer)"
    return (
        f"train needs a data set{lost if recorded else ''}: add data=..., for example data={sample}"
    )


def _resolves(data: object) -> bool:
    """Whether a recorded data set can be found from here."""
    text = str(data)
    if text.lower().startswith(FETCHED) or Path(text).exists():
        return True
    return bool(check_file(text, download=False, hard=False))
