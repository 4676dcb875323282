"""Lists that users and other tools rely on: settings, events, words of the command line, errors."""

from __future__ import annotations

import inspect

import pytest

from ultralytics import errors
from ultralytics.cfg import MODES, TASKS
from ultralytics.cfg.cli.commands import COMMANDS
from ultralytics.cfg.cli.text import arguments_text, help_text
from ultralytics.cfg.tables import AVAILABLE_MODES
from ultralytics.events import EVENTS
from ultralytics.registry import PLANNED_TASKS, all_tasks
from ultralytics.utils import SETTINGS
from ultralytics.utils.callbacks import get_default_callbacks

# Specification 50, section 7.2, without the keys of older versions only.
SETTING_TYPES = {
    "settings_version": str,
    "datasets_dir": str,
    "weights_dir": str,
    "runs_dir": str,
    "uuid": str,
    "sync": bool,
    "api_key": str,
    "openai_api_key": str,
    "clearml": bool,
    "comet": bool,
    "dvc": bool,
    "mlflow": bool,
    "raytune": bool,
    "tensorboard": bool,
    "wandb": bool,
    "vscode_msg": bool,
    "openvino_msg": bool,
}

# Specification 40, section 22.
EVENT_NAMES = (
    "on_pretrain_routine_start",
    "on_pretrain_routine_end",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_val_start",
    "on_val_batch_start",
    "on_val_batch_end",
    "on_val_end",
    "on_model_save",
    "on_fit_epoch_end",
    "on_train_end",
    "teardown",
    "optimizer_step",
    "on_before_zero_grad",
    "on_params_update",
    "on_predict_start",
    "on_predict_batch_start",
    "on_predict_postprocess_end",
    "on_predict_batch_end",
    "on_predict_end",
    "on_export_start",
    "on_export_end",
)

# The exceptions callers of the interface catch already.
BUILTINS = {
    "UltralyticsError": Exception,
    "ConfigError": SyntaxError,
    "ConfigTypeError": TypeError,
    "ConfigValueError": ValueError,
    "DatasetError": RuntimeError,
    "DatasetNotFound": FileNotFoundError,
    "SourceError": FileNotFoundError,
    "CheckpointError": TypeError,
    "UnsafeCheckpoint": TypeError,
    "RankError": RuntimeError,
    "UnguardedScript": RuntimeError,
    "ResumeError": ValueError,
    "DownloadError": ConnectionError,
    "MissingExtra": ImportError,
    "NotAvailable": NotImplementedError,
}


def test_settings() -> None:
    assert {key: type(value) for key, value in SETTINGS.items()} == SETTING_TYPES


@pytest.mark.parametrize("key", ["hub", "neptune"])
def test_settings_of_older_versions_are_taken(key: str) -> None:
    SETTINGS.update({key: True})
    assert SETTINGS[key] is True
    SETTINGS.reset()
    assert key not in SETTINGS


def test_events() -> None:
    assert sorted(EVENTS) == sorted(EVENT_NAMES)
    assert set(get_default_callbacks()) == set(EVENT_NAMES)


def test_words_of_the_command_line() -> None:
    assert MODES == ("train", "val", "predict", "export", "track", "benchmark")
    assert PLANNED_TASKS == ("detect", "segment", "semantic", "depth", "classify", "pose", "obb")
    assert tuple(all_tasks()) == TASKS
    assert set(TASKS) <= set(PLANNED_TASKS)
    assert set(AVAILABLE_MODES) <= set(MODES)


def test_help_names_what_there_is() -> None:
    words = help_text().replace(",", " ").split()
    assert {*all_tasks(), *AVAILABLE_MODES} <= set(words)
    assert not (set(PLANNED_TASKS) - set(TASKS)) & set(words)
    answered = {"check", "hub", "login", "logout", "solutions"}  # aliases and refusals
    assert set(COMMANDS) - answered <= set(words)


@pytest.mark.parametrize("mode", AVAILABLE_MODES)
def test_every_mode_has_a_page(mode: str) -> None:
    assert "model=" in arguments_text(mode)


def error_classes() -> dict[str, type[Exception]]:
    """Classes by the name they are imported by; `__name__` may be that of the built-in."""
    found = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
    return {name: value for name, value in found.items() if issubclass(value, Exception)}


def test_errors_are_listed() -> None:
    assert set(error_classes()) == set(BUILTINS)
    assert set(errors.__all__) == {*BUILTINS, "nearest"}


@pytest.mark.parametrize("name", BUILTINS)
def test_errors_are_documented_and_caught_as_before(name: str) -> None:
    error = error_classes()[name]
    assert issubclass(error, errors.UltralyticsError)
    assert issubclass(error, BUILTINS[name])
    assert "__doc__" in vars(error)
    assert str(error.__doc__).endswith(".")
    assert str(error("text of the message")) == "text of the message"
