"""Which calls of a piece of code would make the host wait, were its tensors on a GPU.

The code runs on the CPU; what counts is which operators it calls. Their outputs have sizes, or their results go to the
host, that only the device knows; constants made from Python numbers are copied there and waited for.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Any below: arguments of every operator
READS_BACK = frozenset(
    {
        *("_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal", "is_nonzero"),
        *("_unique2", "unique_dim", "unique_consecutive", "histc", "one_hot", "argwhere"),
    }
)
INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
TO_HOST = ("tolist", "numpy", "cpu", "__array__")
FROM_HOST = ("tensor", "as_tensor", "new_tensor", "from_numpy")


class _Operators(TorchDispatchMode):
    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.removeprefix("aten::")
        kwargs = kwargs or {}
        if name in READS_BACK:
            self._note(name)
        elif name in INDEXING:
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            if masks:  # each is turned into a list of places
                self._note("index by mask")
        elif name == "repeat_interleave" and kwargs.get("output_size") is None:
            self._note(name)
        return func(*args, **kwargs)

    def _note(self, name: str) -> None:
        self.seen[f"{name} at {caller()}"] += 1


class _Functions(TorchFunctionMode):
    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        given = args[1:2] if name == "new_tensor" else args[:1]
        is_constant = name in FROM_HOST and not any(isinstance(a, Tensor) for a in given)
        if name in TO_HOST or is_constant:
            self.seen[f"{name} at {caller()}"] += 1
        return func(*args, **(kwargs or {}))


def caller() -> str:
    """The innermost line of the package on the stack, as "file:function"."""
    for frame in reversed(traceback.extract_stack()):
        if "/ultralytics/" in frame.filename:
            return f"{frame.filename.rpartition('/')[2].removesuffix('.py')}:{frame.name}"
    return "torch"


@contextlib.contextmanager
def recorded() -> Iterator[Counter[str]]:
    """Waits of the block, as "operator at file:function" -> how often."""
    seen: Counter[str] = Counter()
    with _Functions(seen), _Operators(seen):
        yield seen
