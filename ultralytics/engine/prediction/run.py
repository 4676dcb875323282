"""State of one prediction run, and the public attributes that look into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ultralytics.data.sources.types import SourceTypes
from ultralytics.engine.prediction.batches import Batch
from ultralytics.engine.prediction.saving import Names, OldCrops
from ultralytics.engine.prediction.videos import VideoWriters
from ultralytics.utils.ops import Profile

__all__ = ["REPORTED", "STAGES", "OfRun", "Run"]

STAGES = ("preprocess", "inference", "postprocess")  # what is timed


@dataclass
class Run:
    """What one run knows; fields without a comment are public attributes of the predictor."""

    args: Any  # Any: namespace of checked settings
    save_dir: Path
    imgsz: Any = None  # Any: [height, width] once the source is open
    dataset: Any = None  # Any: a loader
    source_type: SourceTypes | None = None
    batch: tuple[list[str], Any, list[str]] | None = None
    results: Any = None  # Any: list of results; callbacks may put any iterable here
    seen: int = 0
    speed: dict[str, float] | None = None
    pixels: int | None = None
    plotted_img: np.ndarray[Any, Any] | None = None
    txt_path: Path | None = None
    vid_writer: VideoWriters = field(default_factory=VideoWriters)
    windows: list[str] = field(default_factory=list)
    transforms: Any = None  # Any: preprocessing of a classifier
    current: Batch | None = None  # the batch with what its loader said about it
    batches: Any = None  # generator of batches
    timers: tuple[Profile, ...] = ()  # one per stage
    area: float = 0.0  # sum of network input areas
    input_shape: tuple[int, ...] = ()  # of the last network input
    names: Names = field(default_factory=Names)  # base names of files
    crops: OldCrops | None = None
    mixed: bool = False  # the pictures in hand are some of a batch of several shapes
    stopped: bool = False  # the viewer asked to stop


REPORTED = (  # what public attributes go on showing between steps
    "imgsz",
    "dataset",
    "source_type",
    "batch",
    "results",
    "seen",
    "speed",
    "pixels",
    "plotted_img",
    "txt_path",
    "vid_writer",
    "windows",
    "transforms",
    "current",
)


class HasRun(Protocol):
    """An object with a current run."""

    @property
    def _run(self) -> Run: ...


class OfRun:
    """A public attribute that is stored in the run being worked on."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, predictor: HasRun | None, owner: type) -> Any:  # Any: as in Run
        return self if predictor is None else getattr(predictor._run, self.name)

    def __set__(self, predictor: HasRun, value: Any) -> None:
        setattr(predictor._run, self.name, value)
