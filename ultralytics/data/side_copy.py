"""Batches copied to a GPU beside its work.

A copy in the stream of the computations waits for all that was queued before it. Here copies have a stream apart: the
pixels of the next batch, which lie in page-locked memory, travel while the last step is still being computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["SideCopies", "on_device"]

Batch = dict[str, Any]  # Any: tensors, paths and shapes


class SideCopies:
    """Copies of tensors in a stream of their own.

    Args:
        device: where they go.
        streams: module with `Stream`, `stream` and `current_stream`, as `torch.cuda` has them.
    """

    def __init__(self, device: torch.device, streams: Any = torch.cuda) -> None:  # Any: a module
        self.device = device
        self._streams = streams
        self._stream = streams.Stream(device)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its tensors on the device, as the current stream may use it."""
        with self._streams.stream(self._stream):
            copied = {
                name: value.to(self.device, non_blocking=True)
                if isinstance(value, Tensor)
                else value
                for name, value in batch.items()
            }
        current = self._streams.current_stream(self.device)
        current.wait_stream(self._stream)
        for name, value in copied.items():
            if isinstance(value, Tensor) and value is not batch[name]:
                value.record_stream(
                    current
                )  # its memory is not used again before that stream is done
        return copied


def on_device(batches: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """Batches with their tensors on a GPU; on other devices, and where they are no dictionaries, as they are."""
    copies = SideCopies(device) if device.type == "cuda" else None
    for batch in batches:
        yield copies(batch) if copies is not None and isinstance(batch, dict) else batch
