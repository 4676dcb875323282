"""Track mode: which trackers there are, and how a model's predictions are handed to them.

`register_tracker` puts two handlers on a model. One makes the trackers when a run starts, the other gives every result
to its tracker after post-processing. Neither does anything in another mode. Specification chapter 75, section 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ultralytics.errors import ConfigValueError
from ultralytics.trackers.bot_sort import BOTSORT
from ultralytics.trackers.byte_tracker import BYTETracker
from ultralytics.trackers.config import read_tracker
from ultralytics.trackers.deep_oc_sort import DeepOCSORT
from ultralytics.trackers.fast_tracker import FASTTracker
from ultralytics.trackers.observer import Observer
from ultralytics.trackers.oc_sort import OCSORT
from ultralytics.trackers.track_tracker import TRACKTRACK

__all__ = [
    "TRACKER_MAP",
    "on_predict_postprocess_end",
    "on_predict_start",
    "register_tracker",
]

TRACKER_MAP: dict[str, type[BYTETracker]] = {
    "bytetrack": BYTETracker,
    "botsort": BOTSORT,
    "ocsort": OCSORT,
    "deepocsort": DeepOCSORT,
    "fasttrack": FASTTracker,
    "tracktrack": TRACKTRACK,
}
OUTSIDE_MODEL = "yolo26n-cls.pt"  # gives appearance where the detector cannot


def on_predict_start(predictor: Any, persist: bool = False) -> None:  # Any: a predictor
    """Make the trackers of a run.

    Args:
        predictor: gets `trackers`, one per stream, and `vid_path`.
        persist: keep the trackers of the run before.

    Raises:
        ValueError: results of the task cannot be tracked.
    """
    if predictor.args.mode != "track":
        return
    if not predictor.trackable:
        raise ConfigValueError(f"Task '{predictor.args.task}' doesn't support 'mode=track'")
    needed = len(predictor.dataset) if predictor.source_type.stream else 1
    kept = getattr(predictor, "trackers", []) if persist else []
    if persist and len(kept) >= needed:
        return
    config = read_tracker(predictor.args.tracker, TRACKER_MAP)
    config.device = predictor.device
    predictor.observer = _observer(predictor, config)
    kind = TRACKER_MAP[config.tracker_type]
    predictor.trackers = [*kept, *(kind(config) for _ in range(needed - len(kept)))]
    predictor.vid_path = [None] * needed


def _observer(
    predictor: Any, config: Any
) -> Observer | None:  # Any: a predictor; keys of a tracker file
    """What watches post-processing for a tracker, if something has to."""
    previous = getattr(predictor, "observer", None)
    if previous is not None:
        previous.close()
    head = None
    if getattr(config, "with_reid", False) and getattr(config, "model", "auto") == "auto":
        head = Observer.head_with_maps(predictor)
        if head is None:
            config.model = OUTSIDE_MODEL
    recovers = config.tracker_type == "tracktrack" and predictor.recovers_suppressed
    return Observer(head, recovers) if head is not None or recovers else None


def on_predict_postprocess_end(predictor: Any, persist: bool = False) -> None:  # Any: a predictor
    """Give the results of a batch to their trackers; the results are replaced by those with track numbers.

    Args:
        predictor: one that `on_predict_start` has prepared.
        persist: do not start anew when the source changes.
    """
    if predictor.args.mode != "track":
        return
    is_stream = predictor.source_type.stream
    slots = predictor.tracker_slots()
    for i, result in enumerate(predictor.results):
        slot = slots[i] if is_stream else 0
        tracker = predictor.trackers[slot]
        path = f"{predictor.save_dir / str(result.path)}"
        if not persist and predictor.vid_path[slot] != path:
            tracker.reset()
            predictor.vid_path[slot] = path
        predictor.results[i] = _followed(result, tracker, predictor.observer, i)


def _followed(result: Any, tracker: BYTETracker, observer: Observer | None, i: int) -> Any:
    """A result with track numbers, filtered boxes and the order of the tracker."""
    field = "boxes" if result.obb is None else "obb"
    found = getattr(result, field).cpu().numpy()
    extra = {} if observer is None else observer.facts_of(i)
    tracks = tracker.update(found, result.orig_img, **extra)
    if not len(tracks):
        waits = any(not track.is_activated for track in tracker.tracked_stracks)
        return result[:0] if waits else result
    # Recovered detections have row -1; tasks that offer them hold nothing but boxes, which are replaced anyway.
    followed = result[tracks[:, -1].astype(int)]
    followed.update(**{field: torch.as_tensor(tracks[:, :-1])})
    return followed


def register_tracker(model: Any, persist: bool) -> None:  # Any: a model facade
    """Let a model's track mode follow objects.

    Args:
        model: its handlers of two prediction events are set; those of an earlier call are replaced.
        persist: keep trackers between calls.
    """
    for event, function in (
        ("on_predict_start", on_predict_start),
        ("on_predict_postprocess_end", on_predict_postprocess_end),
    ):
        handlers = model.callbacks[event]
        handlers[:] = [h for h in handlers if getattr(h, "func", None) is not function]
        model.add_callback(event, partial(function, persist=persist))
