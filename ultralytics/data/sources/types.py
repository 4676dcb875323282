"""What every inference loader has in common.

A loader yields batches (paths, images, info texts): lists of equal length of at most `bs` entries. Images are
(h, w, c) uint8 in BGR order; only the tensor loader yields one NCHW tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["Batch", "Image", "Loader", "SourceTypes"]

Image = np.ndarray[Any, Any]  # Any: (h, w, c) of 8-bit values, or float input passed through
Batch = tuple[list[str], Any, list[str]]  # Any: list of images, or one tensor


@dataclass
class SourceTypes:
    """Which kind of source a loader reads; all false for files."""

    stream: bool = False
    screenshot: bool = False
    from_img: bool = False
    tensor: bool = False


class Loader(Protocol):
    """The interface the predictor relies on."""

    bs: int
    mode: str
    source_type: SourceTypes

    def __iter__(self) -> Iterator[Batch]: ...

    def __next__(self) -> Batch: ...

    def __len__(self) -> int: ...
