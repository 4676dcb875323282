"""The commands behind `yolo`, and the exit status of each outcome.

0 done, 1 failed while running, 2 the command line is wrong, 130 interrupted. Errors are one line on stderr; the
traceback is added with YOLO_DEBUG=1 or an explicit verbose=True. Commands that need no model import no torch.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ultralytics
from ultralytics.cfg.catalog import catalog, catalog_text
from ultralytics.cfg.cli.parse import CommandLine, parse_key_value_pair, parse_words
from ultralytics.cfg.cli.text import arguments_text, defaults_text, help_text
from ultralytics.cfg.load import DEFAULT_CFG_DICT, check_dict_alignment, get_cfg
from ultralytics.cfg.paths import DEFAULT_CFG_PATH
from ultralytics.cfg.tables import AVAILABLE_MODES, MODES
from ultralytics.errors import (
    ConfigError,
    ConfigTypeError,
    ConfigValueError,
    DatasetError,
    NotAvailable,
    ResumeError,
    UltralyticsError,
    nearest,
)
from ultralytics.registry import get, task_words
from ultralytics.utils.environment import ASSETS, env_bool
from ultralytics.utils.logging import LOGGER, configure_logging

__all__ = [
    "copy_default_cfg",
    "entrypoint",
    "handle_yolo_login",
    "handle_yolo_settings",
    "handle_yolo_solutions",
    "main",
]

DEFAULT_MODEL = "yolo26n.pt"
# Part of a model's file name -> class of the package that runs it; others are YOLO.
FAMILIES = (
    ("rtdetr", "RTDETR"),
    ("fastsam", "FastSAM"),
    ("sam_", "SAM"),
    ("sam2_", "SAM"),
    ("sam2.1_", "SAM"),
    ("sam3", "SAM"),
    ("mobile_sam", "SAM"),
    ("yolo_nas", "NAS"),
)
# Arguments of a method of the facade that are no configuration keys.
CALL_ONLY = {"track": ("gt", "persist"), "profile": ("batches",)}
STREAMED_MODES = ("predict", "track")
NO_SERVICE = "no hosted service is bundled with this package; models and data stay on this computer"


def entrypoint(debug: str = "") -> None:
    """The `yolo` program.

    Args:
        debug: a command line to run instead of the one of the process, its first word skipped.

    Raises:
        SystemExit: with a status other than 0, after the message was printed.
    """
    status = main(debug.split(" ")[1:] if debug else sys.argv[1:])
    if status:
        raise SystemExit(status)


def main(words: Sequence[str]) -> int:
    """Run one command line and return the exit status."""
    configure_logging(force=True)
    try:
        _run(words)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ConfigError, ConfigTypeError, ConfigValueError) as error:
        return _failed(error, words, status=2)
    except (UltralyticsError, OSError) as error:
        return _failed(error, words, status=1)
    return 0


def _failed(error: Exception, words: Sequence[str], status: int) -> int:
    verbose = any(word.lower().lstrip("-") in ("verbose", "verbose=true") for word in words)
    if env_bool("YOLO_DEBUG") or (verbose and status == 1):
        traceback.print_exc()
    message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    print(f"error: {message or type(error).__name__}", file=sys.stderr)
    return status


def _run(words: Sequence[str]) -> None:
    line = parse_words([word for word in words if word])
    if line.command:
        COMMANDS[line.command](line)
    elif line.overrides:
        _run_mode(line.overrides)
    else:
        print(help_text())


# Modes ---------------------------------------------------------------------------------------------------------------


def _run_mode(overrides: dict[str, Any]) -> None:  # Any: values of arguments
    extra = _pop_call_only(str(overrides.get("mode")), overrides)
    model, mode, arguments = _opened(overrides)
    arguments |= extra
    if mode in STREAMED_MODES:
        for _ in getattr(model, mode)(**arguments, stream=True):
            pass  # files and lines are all that is wanted, so nothing piles up
    else:
        getattr(model, mode)(**arguments)


def _pop_call_only(method: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Take the arguments out that the method has and the configuration has not."""
    return {key: overrides.pop(key) for key in CALL_ONLY.get(method, ()) if key in overrides}


def _opened(overrides: dict[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """The model that the arguments name, the mode, and the arguments that are left for it."""
    texts = _class_texts(overrides)
    arguments = _checked(overrides)
    mode, task = arguments.pop("mode"), arguments.pop("task", None)
    _refuse_impossible(mode, task, arguments)
    _complete(mode, task, arguments)
    name = arguments.pop("model")
    model = _facade(str(name))(name, task=task)
    if task is not None and model.task != task:
        LOGGER.warning(
            f"task={task} does not fit {name}, which is a {model.task} model; using that"
        )
    if texts:
        if not hasattr(model, "set_classes"):
            raise ConfigTypeError(
                f"classes={', '.join(texts)}: {name} has fixed classes; filter them by number, "
                "for example classes=[0, 2]"
            )
        model.set_classes(texts)
    return model, mode, arguments


def _class_texts(overrides: dict[str, Any]) -> list[str]:
    """Take out `classes` when they are texts, as models of an open vocabulary have them."""
    if not isinstance(overrides.get("classes"), str):
        return []
    return [part.strip() for part in overrides.pop("classes").split(",")]


def _checked(overrides: dict[str, Any]) -> dict[str, Any]:
    """The arguments with old names translated and values checked, before torch is imported."""
    if overrides.get("task") == "track":
        LOGGER.warning("'track' is a mode, not a task; using task=detect mode=track")
        overrides = {**overrides, "task": "detect", "mode": "track"}
    if not overrides.get("mode"):
        print(help_text())
        raise ConfigError(f"no mode was given; add one of: {', '.join(MODES)}")
    check_dict_alignment(DEFAULT_CFG_DICT, overrides)
    checked = vars(get_cfg(overrides=overrides))
    return {key: checked[key] for key in overrides if key != "cfg"}


def _refuse_impossible(mode: str, task: str | None, arguments: dict[str, Any]) -> None:
    if mode not in AVAILABLE_MODES:
        listed = ", ".join(AVAILABLE_MODES)
        raise NotAvailable(f"mode '{mode}' is not part of this version; available: {listed}")
    if task is not None:
        get(task)
    if mode == "train" and not arguments.get("data") and not arguments.get("resume"):
        sample = get(task or "detect").sample
        raise ConfigError(f"train needs a data set: add data=..., for example data={sample}")


def _complete(mode: str, task: str | None, arguments: dict[str, Any]) -> None:
    """Fill in place what the mode needs and the user left out, saying so."""
    if not arguments.get("model") and mode == "train" and arguments.get("resume"):
        arguments["model"] = _run_to_resume(arguments["resume"])
    if not arguments.get("model"):
        arguments["model"] = get(task).default_model if task else DEFAULT_MODEL
        LOGGER.warning(f"'model' was not given; using model={arguments['model']}")
    if mode in STREAMED_MODES:
        arguments.setdefault("save", True)
        if arguments.get("source") is None:
            arguments["source"] = str(ASSETS)
            LOGGER.warning(f"'source' was not given; using source={ASSETS}")
    if mode == "export" and not arguments.get("format"):
        arguments["format"] = DEFAULT_CFG_DICT["format"]
        LOGGER.warning(f"'format' was not given; using format={arguments['format']}")


def _run_to_resume(resume: object) -> str:
    if resume is True:
        raise ConfigError("resume=True needs model=PATH/last.pt; or give the path as resume=PATH")
    if not Path(str(resume)).is_file():
        raise ResumeError(
            f"resume={resume} does not exist; give the last.pt of the run, for example "
            "resume=runs/detect/train/weights/last.pt"
        )
    return str(resume)


def _facade(name: str) -> Callable[..., Any]:  # Any: a model class of the package root
    stem = Path(name).stem.lower()
    family = next((family for part, family in FAMILIES if part in stem), "YOLO")
    found: Callable[..., Any] = getattr(ultralytics, family)
    return found


# Other commands ------------------------------------------------------------------------------------------------------


def copy_default_cfg() -> None:
    """Write the defaults to `default_copy.yaml` in the working directory.

    Raises:
        ConfigError: the file exists already; it is never overwritten.
    """
    target = Path.cwd() / "default_copy.yaml"
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(DEFAULT_CFG_PATH.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError(f"{target} exists already; rename or remove it first") from None
    print(f"wrote {target}\nedit it, then for example: yolo train cfg={target.name} imgsz=320")


def handle_yolo_settings(args: Sequence[str]) -> None:
    """Show the user settings; with words, `reset` them or change them by `key=value`.

    Raises:
        ConfigError: a word that is no pair, a name that is no setting, or a value of a wrong type.
    """
    from ultralytics.utils.settings import SETTINGS

    if list(args) == ["reset"]:
        SETTINGS.reset()
        print("settings were reset to their defaults")
    elif args:
        try:
            SETTINGS.update(dict(_setting_pair(word) for word in args))
        except (KeyError, TypeError) as error:
            raise ConfigError(str(error.args[0])) from error
    print(SETTINGS)


def _setting_pair(word: str) -> tuple[str, Any]:
    if "=" not in word:
        hint = nearest(word, ["reset"])
        raise ConfigError(f"'{word}' is not of the form KEY=VALUE{hint}")
    return parse_key_value_pair(word)


def handle_yolo_login(args: Sequence[str] = ()) -> None:
    """Refuse: there is no service to log in to.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(NO_SERVICE)


def handle_yolo_solutions(args: Sequence[str]) -> None:
    """Run one of the ready-made applications.

    Raises:
        NotAvailable: always; they are not part of this version.
    """
    raise NotAvailable("'solutions' is not part of this version")


def _help(line: CommandLine) -> None:
    asked = [word for word in line.rest if word in MODES]
    print("\n\n".join(f"{mode}:\n{arguments_text(mode)}" for mode in asked) or help_text())


def _version(line: CommandLine) -> None:
    print(ultralytics.__version__)


def _cfg(line: CommandLine) -> None:
    print(f"{DEFAULT_CFG_PATH}\n\n{defaults_text()}")


def _checks(line: CommandLine) -> None:
    """`checks` reports the computer; with `data=` it is `check`, the report of a data set."""
    if line.rest:
        _check_data(line)
        return
    from ultralytics.utils.checks import collect_system_info

    collect_system_info()


def _check_data(line: CommandLine) -> None:
    values = {**line.overrides, **dict(_check_pair(word) for word in line.rest)}
    data, task = values.pop("data", None), values.pop("task", "detect")
    strict = values.pop("strict", False)
    if values or data is None or not isinstance(strict, bool):
        raise ConfigError("use: yolo check data=FILE.yaml [task=detect] [strict=True]")
    from ultralytics.data.report import check_dataset

    report = check_dataset(data, task=get(task).name)  # strict is decided after it was printed
    print(report.text)
    if strict and report.bad:
        raise DatasetError(f"{report.bad} faults in {data}")


def _profile(line: CommandLine) -> None:
    """A training of a few batches, and where its time went."""
    overrides = {**line.overrides, **parse_words(line.rest).overrides, "mode": "train"}
    extra = _pop_call_only("profile", overrides)
    model, _, arguments = _opened(overrides)
    print(model.profile(**arguments, **extra))


def _models(line: CommandLine) -> None:
    """Words that are tasks choose by task, other words by a part of the name."""
    tasks = task_words()
    words = [word.removeprefix("task=") for word in line.rest]
    chosen = {tasks[word] for word in words if word in tasks}
    parts = [word for word in words if word not in tasks]
    entries = [entry for entry in catalog(words=parts) if not chosen or entry.task in chosen]
    if not entries:
        raise ConfigError(f"no model fits {' '.join(line.rest)}; 'yolo models' lists all")
    print(catalog_text(entries))


def _check_pair(word: str) -> tuple[str, Any]:
    return (word, True) if word == "strict" else parse_key_value_pair(word)


COMMANDS: dict[str, Callable[[CommandLine], None]] = {
    "help": _help,
    "version": _version,
    "checks": _checks,
    "check": _checks,
    "settings": lambda line: handle_yolo_settings(line.rest),
    "cfg": _cfg,
    "copy-cfg": lambda line: copy_default_cfg(),
    "models": _models,
    "profile": _profile,
    "login": lambda line: handle_yolo_login(line.rest),
    "logout": lambda line: handle_yolo_login(line.rest),
    "hub": lambda line: handle_yolo_login(line.rest),
    "solutions": lambda line: handle_yolo_solutions(line.rest),
}
