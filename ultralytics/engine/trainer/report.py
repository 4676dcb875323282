"""The report page of a finished training: facts about the machine and where the time went.

What is drawn from the run folder is in `utils.plotting.report`. The setting `report` switches the page off.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from ultralytics.utils.environment import PYTHON_VERSION
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.device import get_cpu_info, get_gpu_info

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["report_run"]

GIB = 1 << 30


def report_run(trainer: BaseTrainer, seconds: float) -> None:
    """Write report.html into the run folder. One that cannot be written is reported, and that is all.

    Args:
        trainer: a training that has ended.
        seconds: how long its epochs took in all.
    """
    from ultralytics.utils.plotting.report import write_report
    from ultralytics.utils.settings import SETTINGS

    if SETTINGS.get("report") is False:
        return
    try:
        write_report(
            trainer.save_dir, {"Time": _times(trainer, seconds), "Machine": _machine(trainer)}
        )
    except (OSError, ValueError, KeyError) as error:  # pictures and tables that others have changed
        LOGGER.warning(f"No report.html for this run: {type(error).__name__}: {error}")


def _times(trainer: BaseTrainer, seconds: float) -> Mapping[str, str]:
    epochs = max(trainer.epoch + 1 - trainer.first_timed_epoch, 1)
    speed = getattr(trainer.validator, "speed", {})
    return {
        "training": f"{seconds:.1f} s for {epochs} epochs",
        "epoch, mean": f"{seconds / epochs:.2f} s",
        **{f"validation, {stage}": f"{ms:.2f} ms per image" for stage, ms in speed.items()},
    }


def _machine(trainer: BaseTrainer) -> Mapping[str, object]:
    import psutil

    device = trainer.device
    facts: dict[str, object] = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",  # starts no process
        "processor": f"{get_cpu_info()}, {os.cpu_count()} threads",
        "memory": f"{psutil.virtual_memory().total / GIB:.1f} GiB",
        "device": str(device),
    }
    if device.type == "cuda":
        facts["GPU"] = get_gpu_info(device.index or 0)
    return facts | {"Python": PYTHON_VERSION, "torch": torch.__version__}
