"""Early stopping: end a run when fitness has not improved for a number of epochs."""

from __future__ import annotations

import math
from typing import TypedDict

from ultralytics.utils.logging import LOGGER

__all__ = ["EarlyStopping"]


class StopperState(TypedDict):
    """What is stored in a checkpoint."""

    best_fitness: float
    best_epoch: int


class EarlyStopping:
    """Decide after each epoch whether to stop.

    Args:
        patience: epochs without gain before stopping; 0 or None means never.
    """

    def __init__(self, patience: int | None = 50) -> None:
        self.best_fitness = 0.0
        self.best_epoch = 0
        self.patience: float = patience or float("inf")
        self.possible_stop = False

    def __call__(self, epoch: int, fitness: float | None) -> bool:
        """Record one epoch.

        Args:
            epoch: number of the epoch just finished, counted from one.
            fitness: its score, or None when it was not validated. NaN counts as no gain.

        Returns:
            True when the run should stop. A run whose fitness has stayed at zero is never stopped.
        """
        if fitness is None:
            return False
        if fitness > self.best_fitness or self.best_fitness == 0:
            self.best_fitness = 0.0 if math.isnan(fitness) else fitness
            self.best_epoch = epoch
        waited = epoch - self.best_epoch
        self.possible_stop = waited >= self.patience - 1
        if waited < self.patience:
            return False
        LOGGER.info(
            f"Stopping early: no gain in the last {int(self.patience)} epochs. Best epoch: "
            f"{self.best_epoch}, kept as best.pt. Set patience=0 to train on."
        )
        return True

    def state_dict(self) -> StopperState:
        """Values to store in a checkpoint."""
        return {"best_fitness": self.best_fitness, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: StopperState) -> None:
        """Continue from stored values."""
        self.best_fitness = float(state["best_fitness"])
        self.best_epoch = int(state["best_epoch"])
