"""Model files: from a name such as `yolo11s.yaml` to its content, its scale letter and its task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from torch import nn

from ultralytics.errors import nearest
from ultralytics.nn.tasks.layers import import_layers
from ultralytics.registry import (
    PLANNED_TASKS,
    all_tasks,
    get,
    task_of_head,
    task_of_stem,
    task_words,
)
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.yaml_io import YAML

__all__ = ["find_model_yaml", "guess_model_scale", "guess_model_task", "yaml_model_load"]

MODELS = Path(__file__).resolve().parents[2] / "cfg" / "models"
SCALE = re.compile(r"yolo(e-)?[v]?\d+([nslmx])")
UNIFIED = re.compile(r"(\d+)([nslmx])(.+)?$")
OLD_P6 = re.compile(r"yolov[58][nsmlx]6")
ANCHOR_FREE = re.compile(r"(yolov[35].*)u")  # weights trained with the anchor-free head carry a u

ModelFile = dict[str, Any]  # Any: the content of a model file


def guess_model_scale(model_path: str | Path) -> str:
    """The scale letter in a file name (`yolo11s-seg.yaml` -> "s"), or an empty text."""
    found = SCALE.search(Path(model_path).stem)
    return found.group(2) if found else ""


@cache
def _packaged() -> dict[str, Path]:
    return {path.name: path for path in sorted(MODELS.rglob("*.yaml"))}


def _renamed(path: Path) -> Path:
    """Large-image models of YOLOv5 and v8 once ended in 6 and now end in -p6."""
    if not OLD_P6.fullmatch(path.stem):
        return path
    renamed = path.with_name(f"{path.stem[:-1]}-p6{path.suffix}")
    LOGGER.warning(f"{path.name} is now called {renamed.name}.")
    return renamed


def find_model_yaml(path: str | Path) -> Path:
    """The file behind a model name: as given, or the packaged one, or the packaged one without scale letter.

    Raises:
        FileNotFoundError: there is none.
        NotAvailable: there is none, and the name is that of a task this version lacks.
    """
    asked = _renamed(Path(path))
    if asked.suffix.lower() not in (".yaml", ".yml"):
        raise FileNotFoundError(f"'{path}' is no model file: its name must end in .yaml or .yml")
    unified = asked.with_name(UNIFIED.sub(r"\1\3", asked.stem) + asked.suffix)
    for candidate in (asked, unified):
        if candidate.is_file():
            return candidate
        plain = ANCHOR_FREE.sub(r"\1", candidate.stem) + candidate.suffix
        for name in (candidate.name, plain):
            if name in _packaged():
                return _packaged()[name]
    task = task_of_stem(unified.stem)
    if task is not None:
        get(task)  # a task without an entry is said to be missing
    raise FileNotFoundError(f"'{unified}' does not exist{nearest(unified.name, _packaged())}")


def yaml_model_load(path: str | Path) -> ModelFile:
    """Read a model file by name or path; `scale` and `yaml_file` are added.

    The letter in the requested name wins over a `scale` written in the file. Layers the file names as
    `package.module:Class` are imported.
    """
    asked = _renamed(Path(path))
    content = YAML.load(find_model_yaml(asked))
    content["scale"] = guess_model_scale(asked) or content.get("scale") or ""
    content["yaml_file"] = str(asked)
    import_layers([*content.get("backbone", ()), *content.get("head", ())])
    return content


def _task_of_content(content: Mapping[str, Any]) -> str | None:
    return task_of_head(str(content["head"][-1][-2]))


def _task_of_module(model: nn.Module) -> str | None:
    inner: Any = model  # Any: walks nested wrappers by attribute
    for _ in range(3):
        args = getattr(inner, "args", None)
        task = args.get("task") if isinstance(args, Mapping) else getattr(args, "task", None)
        if task:
            return task_words().get(str(task), str(task))
        if isinstance(content := getattr(inner, "yaml", None), Mapping):
            return _task_of_content(content)
        inner = getattr(inner, "model", None)
    for module in model.modules():
        found = _task_of_content({"head": [[None, None, type(module).__name__, []]]})
        if found:
            return found
    return None


def _task_of_name(path: PurePath) -> str | None:
    named = task_of_stem(path.stem)
    known = {*all_tasks(), *PLANNED_TASKS}
    return named or next((part for part in path.parts if part in known), None)


def guess_model_task(model: str | Path | Mapping[str, Any] | nn.Module) -> str:
    """Task of a network, of the content of a model file, or of a file name.

    A name that says nothing counts as detect, with a warning.
    """
    found: str | None = None
    if isinstance(model, Mapping):
        found = _task_of_content(model)
    elif isinstance(model, nn.Module):
        found = _task_of_module(model)
    elif isinstance(model, (str, Path)):
        found = _task_of_name(PurePath(model))
    if found is None:
        shown = model if isinstance(model, (str, Path)) else type(model).__name__
        LOGGER.warning(
            f"The task of {shown} cannot be told from its name; assuming task=detect. "
            f"Set task= to one of {', '.join(PLANNED_TASKS)}."
        )
        return "detect"
    return found
