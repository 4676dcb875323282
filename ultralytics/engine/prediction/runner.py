"""What a predictor knows: its network, the run that each thread works on, and who listens to its events.

Everything one run knows lives in a `Run`. The public attributes (`results`, `batch`, `dataset`, ...) show the run that
is being worked on in the current thread, between steps the one that moved last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ultralytics.cfg import DEFAULT_CFG, get_cfg, get_save_dir
from ultralytics.engine.prediction.run import REPORTED, OfRun, Run
from ultralytics.events import CallbackTable, EventBus, Handler
from ultralytics.utils.checks import check_imshow
from ultralytics.utils.logging import LOGGER

__all__ = ["Runner"]

DEFAULT_CONF = 0.25


def _settled(args: Any) -> Any:  # Any: namespace of checked settings
    """Settings whose open choices are made: confidence, classes as a list, windows only where there is a display."""
    if args.conf is None:
        args.conf = DEFAULT_CONF
    if isinstance(args.classes, int):
        args.classes = [args.classes]
    if args.show and not check_imshow(warn=True):
        LOGGER.warning("show=True has no effect: there is no display to open a window on.")
        args.show = False
    return args


class Runner:
    """Settings, network and runs of a predictor; arguments and attributes are those of `BasePredictor`."""

    args = OfRun()
    save_dir = OfRun()
    imgsz = OfRun()
    dataset = OfRun()
    source_type = OfRun()
    batch = OfRun()
    results = OfRun()
    seen = OfRun()
    speed = OfRun()
    pixels = OfRun()
    plotted_img = OfRun()
    txt_path = OfRun()
    vid_writer = OfRun()
    windows = OfRun()
    transforms = OfRun()

    def __init__(
        self,
        cfg: Any = DEFAULT_CFG,  # Any: namespace, table or file
        overrides: dict[str, Any] | None = None,
        _callbacks: Any = None,
    ) -> None:
        args = _settled(get_cfg(cfg, overrides))
        self._active = threading.local()
        self._idle = Run(args, get_save_dir(args))
        self._lock = threading.Lock()
        self.model: Any = None  # Any: AutoBackend, whose attributes depend on the runtime
        self.device: torch.device | None = None
        self.data = args.data
        self.done_warmup = False
        self.screen: tuple[int, int] | None = None
        self.observer: Any = None  # Any: what a tracker watches post-processing with
        self.events = EventBus(_callbacks)
        if isinstance(
            _callbacks, CallbackTable
        ):  # handlers added to the model later are seen here too
            self.events.callbacks = _callbacks
        self.callbacks = self.events.callbacks

    @property
    def _run(self) -> Run:
        """The run this thread works on, else the one that collects settings for the next."""
        run: Run = getattr(self._active, "run", None) or self._idle
        return run

    @contextmanager
    def _working_on(self, run: Run) -> Iterator[None]:
        """Make a run the one that public attributes show."""
        before = getattr(self._active, "run", None)
        self._active.run = run
        try:
            yield
        finally:
            self._active.run = before
            for name in REPORTED:
                setattr(self._idle, name, getattr(run, name))

    @property
    def settings(self) -> Any:  # Any: namespace of checked settings
        """Settings of runs to come, also while one is going on."""
        return self._idle.args

    def renew(self, args: Any, save_dir: Path | None = None) -> None:
        """Change the settings, and where given the folder, of runs to come."""
        self._idle.args = args
        self._idle.save_dir = save_dir or self._idle.save_dir

    def claim(self) -> None:
        """Keep the present settings for the next run of this thread, whatever other threads change meanwhile."""
        self._active.claimed = (self._idle.args, self._idle.save_dir)

    def _new_run(self) -> Run:
        """A run with the settings as they are now, or were when this thread claimed them."""
        claimed = vars(self._active).pop("claimed", None)
        args, save_dir = claimed or (self._idle.args, self._idle.save_dir)
        return Run(_settled(args), save_dir)

    def run_callbacks(self, event: str) -> None:
        """Call the handlers of an event with this predictor."""
        self.events.emit(event, self)

    def add_callback(self, event: str, func: Handler) -> None:
        """Append a handler to an event."""
        self.events.subscribe(event, func)

    def tracker_slots(self) -> list[int]:
        """Number of the stream that each result of the current batch came from."""
        batch = self._run.current
        return [] if batch is None else list(batch.slots)
