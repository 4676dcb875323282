"""Making optimiser states smaller for storage."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["convert_optimizer_state_dict_to_fp16"]


def convert_optimizer_state_dict_to_fp16(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Turn the float32 tensors of an optimiser's state into float16, in place.

    Step counters stay as they are: float16 cannot count beyond 2048.

    Args:
        state_dict: as `Optimizer.state_dict()` gives it.

    Returns:
        The same dictionary.
    """
    for state in state_dict["state"].values():
        for key, value in state.items():
            if key != "step" and isinstance(value, Tensor) and value.dtype is torch.float32:
                state[key] = value.half()
    return state_dict
