"""The compiled greedy suppression operator of torchvision, without the cost of importing torchvision.

Importing torchvision takes longer than the first prediction; its operator library alone loads in
milliseconds and a later normal import finds it in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["compiled_nms"]

LIBRARY_PATTERNS = ("_C*.so", "_C*.pyd", "_C*.dylib")


@functools.cache
def compiled_nms() -> Callable[[Tensor, Tensor, float], Tensor] | None:
    """The operator `(boxes, scores, threshold) -> kept indices`, or None where it is not installed."""
    operator = _registered()
    if operator is None:
        for library in _libraries():
            try:
                torch.ops.load_library(str(library))
            except OSError:  # built for another torch: the caller has its own implementation
                continue
            operator = _registered()
            if operator is not None:
                break
    return operator


def _registered() -> Callable[[Tensor, Tensor, float], Tensor] | None:
    operator: Callable[[Tensor, Tensor, float], Tensor] | None
    operator = getattr(torch.ops.torchvision, "nms", None)
    return operator


def _libraries() -> list[Path]:
    spec = find_spec("torchvision")
    folders = [Path(f) for f in (spec.submodule_search_locations or ())] if spec else []
    return [path for folder in folders for name in LIBRARY_PATTERNS for path in folder.glob(name)]
