"""Collecting Python objects of all processes of a distributed run on its first one."""

from __future__ import annotations

from typing import Any

import torch

from ultralytics.utils.environment import rank

__all__ = ["gather_from_ranks"]


def gather_from_ranks(mine: Any) -> list[Any]:  # Any: everything that can be pickled
    """What the other processes gave, in their order; nothing on those, or in a run of one process."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return []
    received: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.gather_object(mine, received if rank() == 0 else None, dst=0)
    return received[1:] if rank() == 0 else []
