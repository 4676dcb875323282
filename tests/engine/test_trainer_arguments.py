"""Arguments that decide how much is read and kept, through the trainer: fraction, save_period."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ultralytics.models.yolo.detect import DetectionTrainer

Args = dict[str, Any]


class Reached(Exception):
    """The moment the test waits for."""


def loaded(args: Args) -> tuple[int, int]:
    """Images of the two loaders when the training starts."""
    found: list[tuple[int, int]] = []

    def look(trainer: DetectionTrainer) -> None:
        found.append((len(trainer.train_loader.dataset), len(trainer.test_loader.dataset)))
        raise Reached

    trainer = DetectionTrainer(overrides=args | {"model": "yolo11n.yaml"})
    trainer.add_callback("on_train_start", look)
    with pytest.raises(Reached):
        trainer.train()
    return found[0]


@pytest.mark.parametrize(
    ("fraction", "counts"),
    [
        (1.0, (8, 4)),
        (0.5, (4, 4)),  # a single value is that of the training images
        (6, (6, 4)),
        ([0.5, 0.5], (4, 2)),
        ([6, 1], (6, 4)),  # a whole 1 is everything, as it is alone
        ([0.25, 3], (2, 3)),
        ([4, 2, 1], (4, 2)),
    ],
)
def test_forms_of_fraction(fraction: Any, counts: tuple[int, int], short_run: Args) -> None:
    assert loaded(short_run | {"fraction": fraction, "batch": 2}) == counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("period", "kept"),
    [
        (-1, []),
        (0, []),
        (1, ["epoch0.pt", "epoch1.pt", "epoch2.pt"]),
        (2, ["epoch0.pt", "epoch2.pt"]),
    ],
)
def test_save_period_keeps_epochs(
    period: int, kept: list[str], short_run: Args, tmp_path: Path
) -> None:
    args = {"model": "yolo11n.yaml", "epochs": 3, "save_period": period}
    DetectionTrainer(overrides=short_run | args).train()
    found = sorted(path.name for path in (tmp_path / "run" / "weights").iterdir())
    assert found == sorted(["best.pt", "last.pt", *kept])
