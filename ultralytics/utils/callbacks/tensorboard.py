"""TensorBoard: losses, learning rates, metrics and the graph of the network as event files in the run folder.

A step is the number of finished epochs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ultralytics.events import Handler
from ultralytics.utils.callbacks.run_logger import RunLogger, handlers_of
from ultralytics.utils.logging import LOGGER

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["TensorBoardLogger", "handlers"]


class TensorBoardLogger(RunLogger):
    """Writer of event files."""

    setting = "tensorboard"
    package = "tensorboard"

    def __init__(self, trainer: Any) -> None:  # Any: a trainer of any task
        super().__init__(trainer)
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(trainer.save_dir))  # Any: torch leaves it untyped
        LOGGER.info(f"TensorBoard: view with 'tensorboard --logdir {trainer.save_dir}'")
        self._log_graph()

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Scalars by name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is pending."""
        self.writer.close()

    def _log_graph(self) -> None:
        """Graph of a copy of the network; one that cannot be traced is left out."""
        import torch

        from ultralytics.utils.torch_utils.wrapping import unwrap_model

        model = deepcopy(unwrap_model(self.trainer.model)).eval()
        first = next(model.parameters())
        side = int(self.trainer.stride) * 2
        channels = int(self.trainer.data.get("channels", 3))
        image = torch.zeros(1, channels, side, side, dtype=first.dtype, device=first.device)
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # tracing warns about every Python number it meets
                traced = torch.jit.trace(tensors_only(model), image, check_trace=False)
                self.writer.add_graph(traced, [])
        except Exception as error:  # noqa: BLE001 - tracing fails in many ways, and only the graph is lost
            reason = str(error).strip().rpartition("\n")[2]
            LOGGER.warning(f"TensorBoard: the graph of this network is left out: {reason}")


def tensors_only(model: nn.Module) -> nn.Module:
    """The network with all tensors of its output in one tuple, which is what tracing accepts."""
    from torch import nn

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            return tuple(_tensors(self.model(image)))

    return Flat()


def _tensors(value: Any) -> Iterator[Tensor]:  # Any: nested output of a network
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif value is not None:
        yield value


def handlers() -> Mapping[str, Handler]:
    """Handlers by event."""
    return handlers_of(TensorBoardLogger)
