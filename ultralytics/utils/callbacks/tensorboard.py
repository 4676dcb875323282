"""TensorBoard: losses, learning rates and metrics of each epoch as event files in the run folder.

The writer lives on the trainer it writes for. A step is the number of finished epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ultralytics.errors import MissingExtra
from ultralytics.events import Handler
from ultralytics.utils.logging import LOGGER

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["handlers"]

ATTRIBUTE = "tensorboard_writer"


def handlers() -> Mapping[str, Handler]:
    """Handlers by event.

    Raises:
        MissingExtra: the tensorboard package is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtra("tensorboard is not installed: pip install 'ultralytics[logging]'")
    return {
        "on_pretrain_routine_end": _start,
        "on_train_epoch_end": _write_training,
        "on_fit_epoch_end": _write_metrics,
        "teardown": _close,
    }


def _writer(trainer: Any) -> SummaryWriter | None:  # Any: a trainer
    return getattr(trainer, ATTRIBUTE, None)


def _start(trainer: Any) -> None:
    from torch.utils.tensorboard import SummaryWriter

    setattr(trainer, ATTRIBUTE, SummaryWriter(str(trainer.save_dir)))
    LOGGER.info(f"TensorBoard: view with 'tensorboard --logdir {trainer.save_dir}'")


def _write(trainer: Any, values: Mapping[str, float]) -> None:
    writer = _writer(trainer)
    if writer is not None:
        for name, value in values.items():
            writer.add_scalar(name, value, trainer.epoch + 1)


def _write_training(trainer: Any) -> None:
    _write(trainer, trainer.label_loss_items(trainer.tloss, prefix="train"))
    _write(trainer, trainer.lr)


def _write_metrics(trainer: Any) -> None:
    _write(trainer, {**trainer.metrics, **getattr(trainer, "extra_metrics", {})})


def _close(trainer: Any) -> None:
    writer = _writer(trainer)
    if writer is not None:
        writer.close()
        delattr(trainer, ATTRIBUTE)
