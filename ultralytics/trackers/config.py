"""Tracker files: finding, reading and checking them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultralytics.cfg.paths import CFG_DIR
from ultralytics.errors import ConfigValueError, nearest
from ultralytics.trackers.utils.gmc import METHODS
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.namespace import IterableSimpleNamespace
from ultralytics.utils.yaml_io import YAML

__all__ = ["find_tracker_file", "read_tracker"]

FOLDER = CFG_DIR / "trackers"
SUFFIXES = (".yaml", ".yml")
SHARE = (0.0, 1.0)
# Keys that are numbers -> smallest and largest value.
NUMBERS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            *("track_high_thresh", "track_low_thresh", "new_track_thresh", "match_thresh"),
            *("proximity_thresh", "appearance_thresh", "alpha_fixed_emb", "inertia"),
            *("occ_cover_thresh", "init_iou_suppress", "dampen_motion_occ", "lost_match_thr"),
            *("iou_weight", "reid_weight", "conf_weight", "angle_weight"),
            *("penalty_p", "penalty_q", "reduce_step", "tai_thr"),
        ),
        SHARE,
    ),
    "enlarge_bbox_occ": (0.0, 10.0),
}
# Keys that are whole numbers -> smallest value.
COUNTS = {
    "track_buffer": 0,
    "delta_t": 1,
    "reset_velocity_offset_occ": 1,
    "reset_pos_offset_occ": 1,
    "active_occ_to_lost_thresh": 0,
    "occ_reappear_window": 0,
    "min_track_len": 1,
}
FLAGS = frozenset({"fuse_score", "use_byte", "with_reid"})
TEXTS = frozenset({"tracker_type", "gmc_method", "model"})
KNOWN = frozenset({*NUMBERS, *COUNTS, *FLAGS, *TEXTS})


def find_tracker_file(tracker: str | Path) -> Path:
    """The file behind `tracker=`: a path, an address, or the name of a packaged file with or without suffix.

    Raises:
        AssertionError: a name with another suffix.
        FileNotFoundError: there is no such file.
    """
    text = str(tracker)
    packaged = {path.stem: path for path in FOLDER.glob("*.yaml")}
    if text in packaged:
        return packaged[text]
    if Path(text).suffix.lower() not in SUFFIXES:
        hint = nearest(text, packaged)
        raise AssertionError(
            f"tracker={text!r} must be the name of a tracker or end in .yaml{hint}; "
            f"packaged: {', '.join(packaged)}"
        )
    if Path(text).is_file():
        return Path(text)
    if "://" in text:
        from ultralytics.utils.checks import check_file

        return Path(check_file(text))
    if Path(text).name in {path.name for path in packaged.values()}:
        return FOLDER / Path(text).name
    raise FileNotFoundError(
        f"tracker={text!r} does not exist; packaged: {', '.join(path.name for path in packaged.values())}"
    )


def read_tracker(tracker: str | Path, types: Mapping[str, Any]) -> IterableSimpleNamespace:
    """Checked content of a tracker file.

    Args:
        tracker: see `find_tracker_file`.
        types: known tracker types.

    Raises:
        AssertionError: an unknown `tracker_type`.
        ConfigValueError: a value of a wrong type or out of range.
    """
    file = find_tracker_file(tracker)
    content = YAML.load(file)
    if content.get("tracker_type") not in types:
        raise AssertionError(
            f"{file}: tracker_type={content.get('tracker_type')!r}: Only {[*types]} are supported for now"
        )
    for key, value in content.items():
        if key not in KNOWN:
            LOGGER.warning(f"{file}: unknown key {key!r} is ignored{nearest(key, KNOWN)}")
        else:
            _check(file, key, value)
    return IterableSimpleNamespace(**content)


def _check(file: Path, key: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    wanted = ""
    if key in FLAGS and not isinstance(value, bool):
        wanted = "True or False"
    elif key in COUNTS and not (is_number and value == int(value) and value >= COUNTS[key]):
        wanted = f"a whole number from {COUNTS[key]} on"
    elif key in NUMBERS and not (is_number and NUMBERS[key][0] <= value <= NUMBERS[key][1]):
        wanted = "a number from {} to {}".format(*NUMBERS[key])
    elif key == "gmc_method" and value is not None and str(value) not in (*METHODS, "None"):
        wanted = f"one of {', '.join(METHODS)}"
    if wanted:
        raise ConfigValueError(f"{file}: {key}={value!r} must be {wanted}")
