"""Operators without a deterministic kernel: reported once under `deterministic=True`, refused under "strict".

torch says which operator alerts, by a warning or by an error; what is added here is the line of the model or the loss
that called it. An error during backward names the line of the forward pass, found by running the batch once more under
anomaly detection.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ultralytics.errors import UltralyticsError
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_parallel

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["NondeterministicError", "collecting", "refuse"]

ALERT = re.compile(r"(?P<operator>\S.*?) does not have a deterministic implementation")
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
TORCH = Path(torch.__file__).parent


class NondeterministicError(UltralyticsError, RuntimeError):
    """An operator without a deterministic kernel in a run that must not have one."""


@contextmanager
def collecting(trainer: BaseTrainer) -> Iterator[None]:
    """Take torch's warnings about operators out of the log; name all that are new in one line at the end."""
    if trainer.args.deterministic is not True:
        yield
        return
    found: dict[str, None] = {}
    with warnings.catch_warnings():
        show = warnings.showwarning

        def collect(message: Warning | str, *rest: Any, **named: Any) -> None:
            alert = ALERT.match(str(message))
            if alert is None:
                show(message, *rest, **named)
            else:
                found[alert["operator"]] = None

        warnings.showwarning = collect
        warnings.filterwarnings("always", message=r".*does not have a deterministic implementation")
        yield
    new = [operator for operator in found if operator not in trainer.alerted]
    trainer.alerted.update(new)
    if new:
        LOGGER.warning(
            f"deterministic=True: no deterministic kernel on {trainer.device.type} for {', '.join(new)}; runs may "
            'differ in the last digits. deterministic="strict" names the lines that call them.'
        )


def refuse(trainer: BaseTrainer, error: RuntimeError) -> None:
    """Turn torch's refusal of an operator into one that says which line called it; other errors are left alone.

    Raises:
        NondeterministicError: the error was such a refusal.
    """
    alert = ALERT.match(str(error))
    if alert is None:
        return
    frames = traceback.extract_tb(error.__traceback__)
    called = [f for f in frames if not _is_torch(f.filename)]
    place = f"{called[-1].filename}:{called[-1].lineno} in {called[-1].name}" if called else ""
    text = called[-1].line if called else ""
    phase = "called"
    if any(Path(f.filename).parts[-2:] == ("autograd", "graph.py") for f in frames):
        phase, found = "in the backward pass of a call", _forward_line(trainer)
        place, text = found or (f"an unknown line, before {place}", "")
    shown = f": `{text}`" if text else ""
    raise NondeterministicError(
        f'deterministic="strict": {alert["operator"]} has no deterministic kernel on {trainer.device.type}; it is '
        f"{phase} at {place}{shown}. Change that line, or train with deterministic=True, which only warns."
    ) from error


def _is_torch(file: str) -> bool:
    return TORCH in Path(file).parents


def _forward_line(trainer: BaseTrainer) -> tuple[str, str] | None:
    """Place and text of the forward call whose backward pass raises, from a second run of the batch."""
    if trainer.batch is None:
        return None
    model = unwrap_parallel(trainer.model)
    weights = [p for p in model.parameters() if p.requires_grad]
    watched = torch.autograd.set_detect_anomaly(True, check_nan=False)
    with warnings.catch_warnings(record=True) as caught, watched:
        warnings.simplefilter("always")
        try:
            with trainer.precision.autocast():
                loss, _ = model(trainer.batch)
            torch.autograd.grad(loss.sum(), weights, allow_unused=True)
        except RuntimeError:  # the one that is looked for
            pass
    told = [str(w.message) for w in caught if "forward call" in str(w.message)]
    lines = [m for text in told for m in FRAME.finditer(text) if not _is_torch(m["file"])]
    if not lines:
        return None
    last = lines[-1]
    following = last.string[last.end() :].strip().splitlines()
    text = following[0].strip() if following else ""
    return f"{last['file']}:{last['line']} in {last['function']}", text
