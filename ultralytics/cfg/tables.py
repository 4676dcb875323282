"""Tables of the interface, all derived: modes and check groups from the argument table, tasks from the registry."""

from __future__ import annotations

from ultralytics.cfg.schema import SETTINGS
from ultralytics.registry import all_tasks

__all__ = [
    "AVAILABLE_MODES",
    "CFG_BOOL_KEYS",
    "CFG_FLOAT_KEYS",
    "CFG_FRACTION_KEYS",
    "CFG_INT_KEYS",
    "CFG_INT_MIN",
    "CFG_STR_KEYS",
    "MODES",
    "SOLUTION_MAP",
    "TASK2CALIBRATIONDATA",
    "TASK2DATA",
    "TASK2METRIC",
    "TASK2MODEL",
    "TASKS",
]

MODES: tuple[str, ...] = next(setting.choices for setting in SETTINGS if setting.name == "mode")
# Modes of this version; the others are answered before anything is loaded.
AVAILABLE_MODES = ("train", "val", "predict", "track")


def _names(kind: str) -> frozenset[str]:
    return frozenset(setting.name for setting in SETTINGS if setting.kind == kind)


CFG_FLOAT_KEYS = _names("number")
CFG_FRACTION_KEYS = _names("share")
CFG_INT_KEYS = _names("int")
CFG_BOOL_KEYS = _names("flag")
CFG_STR_KEYS = _names("text")
CFG_INT_MIN = {s.name: int(s.low) for s in SETTINGS if s.kind == "int" and s.low is not None}

TASKS: tuple[str, ...] = tuple(all_tasks())
TASK2DATA = {name: task.default_data for name, task in all_tasks().items()}
TASK2CALIBRATIONDATA = {name: task.calibration_data for name, task in all_tasks().items()}
TASK2MODEL = {name: task.default_model for name, task in all_tasks().items()}
TASK2METRIC = {name: task.metric for name, task in all_tasks().items()}

# Word of `yolo solutions` -> class of `ultralytics.solutions`.
SOLUTION_MAP: dict[str, str] = {
    "count": "ObjectCounter",
    "crop": "ObjectCropper",
    "blur": "ObjectBlurrer",
    "workout": "AIGym",
    "heatmap": "Heatmap",
    "isegment": "InstanceSegmentation",
    "visioneye": "VisionEye",
    "speed": "SpeedEstimator",
    "queue": "QueueManager",
    "analytics": "Analytics",
    "inference": "Inference",
    "trackzone": "TrackZone",
    "region": "RegionCounter",
    "security": "SecurityAlarm",
    "parking": "ParkingManagement",
}
