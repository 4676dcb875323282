"""A result as text: the console phrase, label-file lines and summary rows.

Arrays are turned into Python numbers once per field, not once per box. Coordinates in label lines are fractions of
the picture; summary coordinates are pixels unless normalised.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ultralytics.engine.results.base import host_list
from ultralytics.utils.logging import LOGGER

if TYPE_CHECKING:
    from ultralytics.engine.results.results import Results

__all__ = ["label_lines", "phrase", "summary_rows"]

Row = dict[str, Any]  # Any: names, numbers and nested coordinate tables


def phrase(result: Results) -> str:
    """The part of a console line that says what was found, ending in ", "; may be empty."""
    if result.probs is not None:
        pairs = zip(result.probs.top5, host_list(result.probs.top5conf), strict=True)
        return "".join(f"{result.names[index]} {value:.2f}, " for index, value in pairs)
    if len(result) == 0:
        return "(no detections), "
    found = _rows_of(result)
    if found is not None:
        classes, counts = np.unique(np.asarray(host_list(found.cls), dtype=int), return_counts=True)
        return "".join(
            f"{count} {result.names[int(index)]}{'s' if count > 1 else ''}, "
            for index, count in zip(classes, counts, strict=True)
        )
    if result.depth is not None:
        values = result.depth.valid()
        if not values.size:
            return "depth (no valid pixels), "
        return f"depth {values.min():.2f}-{values.max():.2f}m, "
    return ""


def label_lines(result: Results, save_conf: bool = False, ids: bool = False) -> list[str]:
    """Lines of a label file.

    Detection lines are `class geometry [confidence] [track id]` where the geometry is a centre box, a polygon, a
    centre box followed by keypoints, or four corners; values have six significant digits. Classification lines
    are `probability name`.

    Args:
        result: what to write.
        save_conf: append the confidence of each detection.
        ids: write class indexes instead of names for classification.
    """
    if result.semantic_mask is not None:
        LOGGER.warning("Label files cannot hold semantic maps; nothing is written.")
        return []
    if result.probs is not None:
        pairs = zip(result.probs.top5, host_list(result.probs.top5conf), strict=True)
        return [f"{value:.2f} {index if ids else result.names[index]}" for index, value in pairs]
    found = _rows_of(result)
    if found is None or len(found) == 0:
        return []
    tails = _tails(found, save_conf)
    lines = []
    for index, (cls, values) in enumerate(
        zip(host_list(found.cls), _geometry(result), strict=True)
    ):
        if values is None:
            LOGGER.warning(
                f"Detection {index} of {result.path} has no outline; its line is left out."
            )
            continue
        numbers = " ".join(f"{value:g}" for value in (*values, *tails[index]))
        lines.append(f"{int(cls)} {numbers}")
    return lines


def summary_rows(result: Results, normalize: bool = False, decimals: int = 5) -> list[Row]:
    """One dictionary per detection, per top-5 class or per class of a semantic map.

    Args:
        result: what to list.
        normalize: give coordinates as fractions of the picture.
        decimals: places kept.
    """
    if result.probs is not None:
        pairs = zip(result.probs.top5, host_list(result.probs.top5conf), strict=True)
        return [
            {"name": result.names[index], "class": index, "confidence": round(value, decimals)}
            for index, value in pairs
        ]
    if result.semantic_mask is not None:
        return _semantic_rows(result, decimals)
    found = _rows_of(result)
    if found is None:
        return []
    height, width = result.orig_shape if normalize else (1, 1)

    def table(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
        sizes = (width, height)
        return {
            name: round(value / sizes[axis % 2], decimals)
            for axis, (name, value) in enumerate(zip(names, values, strict=True))
        }

    corners = found.xyxyxyxy.reshape(-1, 8) if result.obb is not None else found.xyxy
    count = corners.shape[1] // 2
    names = [f"{axis}{corner}" for corner in range(1, count + 1) for axis in "xy"]
    confidences = host_list(found.conf)
    rows: list[Row] = []
    for cls, conf, values in zip(
        host_list(found.cls), confidences, host_list(corners), strict=True
    ):
        index = int(cls)
        row: Row = {"name": result.names[index], "class": index}
        row |= {"confidence": round(conf, decimals), "box": table(names, values)}
        rows.append(row)
    if found.is_track:
        for row, track in zip(rows, host_list(found.id), strict=True):
            row["track_id"] = int(track)
    _add_shapes(result, rows, width, height, decimals)
    return rows


def _rows_of(result: Results) -> Any:  # Any: Boxes or OBB, which share conf, cls, id
    return result.obb if result.obb is not None else result.boxes


def _tails(found: Any, save_conf: bool) -> list[list[float]]:
    tails: list[list[float]] = [[] for _ in range(len(found))]
    if save_conf:
        for tail, value in zip(tails, host_list(found.conf), strict=True):
            tail.append(value)
    if found.is_track:
        for tail, value in zip(tails, host_list(found.id), strict=True):
            tail.append(int(value))
    return tails


def _geometry(result: Results) -> list[list[float] | None]:
    """Fractions per detection; None where a mask has fewer than three outline points."""
    if result.obb is not None:
        return [list(row) for row in host_list(result.obb.xyxyxyxyn.reshape(-1, 8))]
    assert result.boxes is not None  # narrowed by the caller
    if result.masks is not None:
        outlines = result.masks.xyn
        return [points.reshape(-1).tolist() if len(points) >= 3 else None for points in outlines]
    rows: list[list[float] | None] = host_list(result.boxes.xywhn)
    if result.keypoints is None:
        return rows
    places, scores = host_list(result.keypoints.xyn), result.keypoints.conf
    visible = host_list(scores) if scores is not None else None
    for index, row in enumerate(rows):
        for point, place in enumerate(places[index]):
            row.extend(place)  # type: ignore[union-attr]  # keypoints come without masks
            if visible is not None:
                row.append(visible[index][point])  # type: ignore[union-attr]
    return rows


def _semantic_rows(result: Results, decimals: int) -> list[Row]:
    assert result.semantic_mask is not None  # narrowed by the caller
    counts = result.semantic_mask.counts()
    total = sum(counts.values())
    if len(result.names) == 1:  # a binary map marks its only class with 1
        counts = {0: counts[1]} if 1 in counts else {}
    return [
        {"name": result.names[index], "class": index, "pixel_ratio": round(n / total, decimals)}
        for index, n in counts.items()
        if index in result.names
    ]


def _add_shapes(result: Results, rows: list[Row], width: int, height: int, decimals: int) -> None:
    if result.masks is not None:
        for row, points in zip(rows, result.masks.xy, strict=True):
            xs, ys = (points / np.array([width, height], dtype=points.dtype)).T.tolist()
            row["segments"] = {
                "x": [round(x, decimals) for x in xs],
                "y": [round(y, decimals) for y in ys],
            }
    if result.keypoints is not None:
        for row, points in zip(rows, host_list(result.keypoints.data), strict=True):
            columns = list(zip(*points, strict=True))
            row["keypoints"] = {
                "x": [round(x / width, decimals) for x in columns[0]],
                "y": [round(y / height, decimals) for y in columns[1]],
            }
            if result.keypoints.has_visible:
                row["keypoints"]["visible"] = [round(v, decimals) for v in columns[2]]
