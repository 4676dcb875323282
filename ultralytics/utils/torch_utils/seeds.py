"""Random seeds and deterministic kernels.

`init_seeds(..., deterministic=True)` remembers the process-wide switches it changes;
`unset_deterministic` puts back what was there before, not what the library would like.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["init_seeds", "unset_deterministic"]

VARIABLES = ("CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED")


@dataclass(frozen=True)
class Switches:
    """Process-wide state that decides between deterministic and fast kernels."""

    algorithms: bool
    warn_only: bool
    cudnn: bool
    fill_memory: bool
    variables: tuple[str | None, ...]

    @classmethod
    def current(cls) -> Switches:
        """What is set now."""
        return cls(
            algorithms=torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
            cudnn=torch.backends.cudnn.deterministic,
            fill_memory=torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
            variables=tuple(os.environ.get(name) for name in VARIABLES),
        )

    def apply(self) -> None:
        """Set all switches and variables; a variable of None is removed."""
        torch.use_deterministic_algorithms(self.algorithms, warn_only=self.warn_only)
        torch.backends.cudnn.deterministic = self.cudnn
        torch.utils.deterministic.fill_uninitialized_memory = self.fill_memory  # type: ignore[attr-defined]
        for name, value in zip(VARIABLES, self.variables, strict=True):
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_before: list[Switches] = []  # at most one entry: the state that unset_deterministic restores


def init_seeds(seed: int = 0, deterministic: bool | str = False) -> None:
    """Seed `random`, numpy and torch (all devices).

    Args:
        seed: non-negative integer.
        deterministic: prefer deterministic kernels (an operation that has none warns); "strict": an
            operation that has none raises RuntimeError; False undoes an earlier True.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if not deterministic:
        unset_deterministic()
        return
    if not _before:
        _before.append(Switches.current())
    Switches(
        algorithms=True,
        warn_only=deterministic != "strict",
        cudnn=True,
        fill_memory=False,
        variables=(":4096:8", str(seed)),
    ).apply()


def unset_deterministic() -> None:
    """Restore the state from before the first `init_seeds(..., deterministic=True)`."""
    if _before:
        _before.pop().apply()
