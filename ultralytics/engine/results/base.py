"""The array behind every result field, and the moves all of them share.

Data is a torch tensor or a NumPy array; `orig_shape` is the (height, width) of the picture the values refer to.
Moving or slicing returns a new object of the same class and never touches the one it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ultralytics.utils.simple_class import SimpleClass

__all__ = ["Array", "BaseTensor", "DenseMap", "divided", "host_list"]

Array = Tensor | np.ndarray[Any, Any]  # Any: shape and dtype differ per field
Self = TypeVar("Self", bound="BaseTensor")


def host_list(data: Array) -> Any:  # Any: nested lists as deep as the data
    """Nested Python numbers, moved off the device in one transfer."""
    return data.tolist()


def divided(data: Array, width: float, height: float) -> Array:
    """A copy whose last axis (x, y, x, y, ...) is divided by the picture's width and height in turn."""
    repeats = data.shape[-1] // 2
    sizes = [width, height] * repeats
    if isinstance(data, Tensor):
        return data / torch.tensor(sizes, dtype=data.dtype, device=data.device)
    return data / np.asarray(sizes, dtype=data.dtype)


class BaseTensor(SimpleClass):
    """An array of predictions together with the size of the picture it belongs to.

    Args:
        data: one entry per prediction along the first axis.
        orig_shape: (height, width) in pixels.

    Raises:
        AssertionError: the data is neither a tensor nor an array.
    """

    data: Array
    orig_shape: tuple[int, int]

    def __init__(self, data: Array, orig_shape: tuple[int, int]) -> None:
        if not isinstance(data, (Tensor, np.ndarray)):
            raise AssertionError(f"data must be a tensor or an array, not {type(data).__name__}")
        self.data = data
        self.orig_shape = orig_shape

    def like(self: Self, data: Array) -> Self:
        """An object of the same class and picture around other data."""
        return type(self)(data, self.orig_shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data."""
        return self.data.shape

    def cpu(self: Self) -> Self:
        """The same values in main memory; an object around an array is returned as it is."""
        return self.like(self.data.cpu()) if isinstance(self.data, Tensor) else self

    def numpy(self: Self) -> Self:
        """The same values as a NumPy array; an object around an array is returned as it is."""
        if not isinstance(self.data, Tensor):
            return self
        data = self.data.detach()
        if data.dtype == torch.bfloat16:  # NumPy has no such type
            data = data.float()
        return self.like(data.cpu().numpy())

    def cuda(self: Self) -> Self:
        """The same values as a tensor on the current CUDA device."""
        return self.like(torch.as_tensor(self.data).cuda())

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:  # Any: the arguments of Tensor.to
        """The same values as a tensor of another device or dtype; arguments as for `Tensor.to`."""
        return self.like(torch.as_tensor(self.data).to(*args, **kwargs))

    def __repr__(self) -> str:
        """One line: kind, number, shape, dtype and place; `str` lists the values."""
        place = f", {self.data.device}" if isinstance(self.data, Tensor) else ""
        kind = str(self.data.dtype).removeprefix("torch.")
        return f"{type(self).__name__}(shape={tuple(self.data.shape)}, {kind}{place})"

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self: Self, index: Any) -> Self:  # Any: whatever the data accepts as an index
        row = self.data[index]
        return self.like(row if isinstance(row, Tensor) else np.asarray(row))

    def __iter__(self: Self) -> Iterator[Self]:
        """Predictions one by one, from a single copy in main memory."""
        return (self.like(row) for row in self.cpu().data)


class DenseMap(BaseTensor):
    """One value per pixel, counted as a single prediction.

    An index that selects the single element gives the whole map, an empty selection an emptied one.
    """

    def __len__(self) -> int:
        return int(self.data.shape[0] > 0)

    def __getitem__(self: Self, index: Any) -> Self:
        if isinstance(index, Tensor):
            index = index.cpu().numpy()
        elif isinstance(index, list) and not index:
            index = slice(0, 0)
        selected = np.arange(len(self))[index]
        return self if np.size(selected) else self.like(self.data[:0])

    def __iter__(self: Self) -> Iterator[Self]:
        return iter([self] if len(self) else [])
