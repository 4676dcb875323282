"""What a data set description says about keypoints, and whether it makes sense."""

from __future__ import annotations

from typing import Any

from ultralytics.data.problems import DescriptionKeyError, DescriptionValueError
from ultralytics.geometry.keypoints import check_flip_order, oks_sigmas

__all__ = ["check_keypoints", "keypoint_names", "keypoint_shape"]

Description = dict[str, Any]  # Any: YAML values


def keypoint_shape(data: Description) -> tuple[int, int]:
    """Number of keypoints and of values each.

    Raises:
        DescriptionValueError: `kpt_shape` is not a positive number and 2 or 3; a ValueError.
    """
    shape = tuple(data.get("kpt_shape") or ())
    whole = len(shape) == 2 and all(float(value).is_integer() for value in shape)
    if not whole or shape[0] <= 0 or shape[1] not in (2, 3):
        raise DescriptionValueError(
            f"kpt_shape={data.get('kpt_shape')} must be [number of keypoints, 2 or 3] for pose data"
        )
    return int(shape[0]), int(shape[1])


def keypoint_names(data: Description) -> dict[int, list[str]]:
    """Names of the keypoints of every class; without names they are numbered.

    Raises:
        DescriptionValueError: `kpt_names` does not give every class one name per keypoint; a ValueError.
    """
    count, _ = keypoint_shape(data)
    given = data.get("kpt_names")
    if given is None:
        return {int(cls): [str(i) for i in range(count)] for cls in data["names"]}
    fits = isinstance(given, dict) and all(
        isinstance(names, (list, tuple)) and len(names) == count for names in given.values()
    )
    if not fits:
        raise DescriptionValueError(
            f"kpt_names={given} must map class numbers to lists of {count} names, one per keypoint"
        )
    return {int(cls): [str(name) for name in names] for cls, names in given.items()}


def check_keypoints(data: Description) -> None:
    """Refuse a description whose keypoints cannot be used.

    Raises:
        DescriptionKeyError: there is no `kpt_shape`; a KeyError.
        DescriptionValueError: `kpt_shape`, `flip_idx`, `kpt_names` or `kpt_oks_sigmas` is unusable; a ValueError.
    """
    file = data.get("yaml_file", "the data set")
    if data.get("kpt_shape") is None:
        raise DescriptionKeyError(
            f"{file} has no kpt_shape: [number of keypoints, 2 or 3], which the task pose needs"
        )
    try:
        shape = keypoint_shape(data)
        if data.get("flip_idx"):
            check_flip_order(data["flip_idx"], shape[0])
        oks_sigmas(shape, data.get("kpt_oks_sigmas"))
        keypoint_names(data)
    except (TypeError, ValueError) as error:
        raise DescriptionValueError(f"{file}: {error}") from error
