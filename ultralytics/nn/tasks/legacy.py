"""What stored networks may hold that today's classes do not, and what they may lack.

Files of training runs carry leftovers of training; files of earlier releases lack attributes that came later
(specification chapter 10, section 6.5). Most of the latter are defaults of the classes themselves.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from torch import nn

from ultralytics.errors import CheckpointError
from ultralytics.nn.tasks.globals import Distillation, Inert
from ultralytics.nn.tasks.yaml import guess_model_task

__all__ = ["drop_leftovers", "modernize", "student_of"]

Net = Any  # Any: a task model, or a user's own
DEFAULT_STRIDE = 32.0
DEFAULT_CHANNELS = 3
# Functions that heads of early releases kept in attributes.
STORED_FUNCTIONS = ("detect",)


def student_of(entry: nn.Module, path: object) -> nn.Module:
    """The network of interest: the student of an unfinished run with a teacher, else the entry itself.

    Raises:
        CheckpointError: such a run without a student.
    """
    if not isinstance(entry, Distillation):
        return entry
    student = (vars(entry).get("_modules") or {}).get("student_model")
    if not isinstance(student, nn.Module):
        raise CheckpointError(f"{path} holds a run with a teacher, but no student")
    return student


def drop_leftovers(model: Net) -> None:
    """Forget what only training used: objects that were read as empty shells, hooks, stored functions."""
    for module in model.modules():
        attributes = vars(module)
        for key, value in list(attributes.items()):
            if isinstance(value, Inert):
                attributes[key] = None
            elif "_hooks" in key and isinstance(value, dict):
                for handle in [handle for handle, hook in value.items() if isinstance(hook, Inert)]:
                    del value[handle]
            elif key in STORED_FUNCTIONS and isinstance(value, FunctionType):
                del attributes[key]
    model.criterion = None


def modernize(model: Net) -> None:
    """Give a network the attributes that came after its file was written."""
    if not getattr(model, "task", None):
        model.task = guess_model_task(model)
    if not hasattr(model, "stride"):
        model.stride = torch.tensor([DEFAULT_STRIDE])
    if isinstance(content := getattr(model, "yaml", None), dict):
        content.setdefault("channels", DEFAULT_CHANNELS)
    names = getattr(model, "names", None)
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if isinstance(names, dict):
        model.names = {int(key): str(value) for key, value in names.items()}
    for module in model.modules():
        if isinstance(module, nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None
