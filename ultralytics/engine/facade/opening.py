"""From the text a user gives to a network, or to the path of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ultralytics.errors import CheckpointError, ConfigValueError
from ultralytics.nn.backends.formats import FORMAT_SUFFIXES, WEIGHT_SUFFIXES, format_of
from ultralytics.registry import all_tasks, get, resolve_name
from ultralytics.utils.checks import check_file, check_model_file_from_stem
from ultralytics.utils.logging import LOGGER

__all__ = ["FETCHED", "exported_path", "fetched", "is_model_file", "is_server", "task_of_file"]

FETCHED = ("https://", "http://", "rtsp://", "rtmp://", "tcp://", "ul://", "gs://")


def is_model_file(text: str) -> bool:
    """Whether a text names an architecture to build."""
    return text.lower().endswith((".yaml", ".yml"))


def is_server(text: str) -> bool:
    """Whether a text is the address of an inference server: http or grpc, with host and path, no known file."""
    parts = urlsplit(text)
    has_all = bool(parts.netloc and parts.path and parts.scheme in ("http", "grpc"))
    return has_all and not text.lower().endswith((*WEIGHT_SUFFIXES, ".yaml", ".yml"))


def fetched(text: str) -> str:
    """A local file name for what the user gave: addresses are downloaded, bare published names get their suffix."""
    if text.lower().startswith(FETCHED):
        from ultralytics.utils.settings import SETTINGS

        text = str(check_file(text, download_dir=SETTINGS["weights_dir"]))
    return str(check_model_file_from_stem(text))


def exported_path(text: str) -> str:
    """Path of an exported model.

    Raises:
        CheckpointError: a file of no known kind.
        FileNotFoundError: nothing is there.
    """
    try:
        format_of(text)
    except TypeError as error:
        known = ", ".join([".yaml", *FORMAT_SUFFIXES])
        raise CheckpointError(
            f"model={text!r} is of no known kind; known endings: {known}"
        ) from error
    return str(check_file(text))


def task_of_file(content: Mapping[str, Any], asked: str | None, name: str) -> str:
    """Task of an architecture; an asked task must agree with its head.

    Raises:
        ConfigValueError: the head belongs to another task.
    """
    from ultralytics.nn.tasks import guess_model_task

    found = guess_model_task(content)
    if asked is None:
        return found
    wanted = resolve_name(asked)
    if wanted != found:
        head = str(content["head"][-1][-2])
        if any(head in task.heads for task in all_tasks().values()) or found in all_tasks():
            raise ConfigValueError(
                f"task={asked} contradicts {name}, whose head {head} is for task={found}"
            )
        LOGGER.warning(f"the head {head} of {name} is unknown; using task={wanted}")
    get(wanted)
    return wanted
