"""Multi-object tracking: six trackers, and track mode of the models."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.trackers.bot_sort import BOTSORT as BOTSORT
    from ultralytics.trackers.byte_tracker import BYTETracker as BYTETracker
    from ultralytics.trackers.deep_oc_sort import DeepOCSORT as DeepOCSORT
    from ultralytics.trackers.fast_tracker import FASTTracker as FASTTracker
    from ultralytics.trackers.oc_sort import OCSORT as OCSORT
    from ultralytics.trackers.track import register_tracker as register_tracker
    from ultralytics.trackers.track_tracker import TRACKTRACK as TRACKTRACK

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BOTSORT": "ultralytics.trackers.bot_sort",
        "BYTETracker": "ultralytics.trackers.byte_tracker",
        "DeepOCSORT": "ultralytics.trackers.deep_oc_sort",
        "FASTTracker": "ultralytics.trackers.fast_tracker",
        "OCSORT": "ultralytics.trackers.oc_sort",
        "TRACKTRACK": "ultralytics.trackers.track_tracker",
        "register_tracker": "ultralytics.trackers.track",
    },
)
