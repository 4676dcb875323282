"""Core of the COCO evaluation: matching detections to targets, and averaging over recall and classes.

Works on any kind of overlap; boxes are the one kind measured here, in (left, top, width, height).
D = detections, G = targets, T = thresholds. Thresholds are the bits of an integer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ultralytics.utils.metrics.average_precision import Floats

__all__ = [
    "THRESHOLDS",
    "Averages",
    "Detections",
    "Pairs",
    "Targets",
    "average",
    "box_area",
    "box_pairs",
    "match",
    "matrix_pairs",
]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bits = NDArray[np.uint16]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
ABSENT = -1.0  # value of an average over nothing
_EVERYTHING = np.uint16((1 << len(THRESHOLDS)) - 1)


@dataclass
class Detections:
    """Detections that can be matched, ordered by image, class, falling score, arrival."""

    image: Ints
    cls: Ints
    score: Floats
    area: Floats
    rank: Ints  # position within its image and class


@dataclass
class Targets:
    """All targets in order of arrival; those passed over are neither required nor judged."""

    image: Ints
    cls: Ints
    area: Floats
    crowd: Bools
    passed_over: Bools


@dataclass
class Pairs:
    """Detections and targets of the same image and class that overlap by 0.5 or more."""

    detection: Ints
    target: Ints
    overlap: Floats

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """All pairs of several lists."""
        none = np.zeros(0, dtype=np.int64)
        return cls(
            np.concatenate([none, *(part.detection for part in parts)]),
            np.concatenate([none, *(part.target for part in parts)]),
            np.concatenate([np.zeros(0), *(part.overlap for part in parts)]),
        )


@dataclass
class Outcome:
    """Result of matching in one area range; a detection can be neither true nor false at a threshold.

    (D,) thresholds at which detections are true and false, as bits; (G,) targets not judged.
    """

    true: Bits
    false: Bits
    ignored: Bools


@dataclass
class Averages:
    """Curves of every class that has judged targets.

    `precision` by area range, (T, 101) each; `recall` by area range and limit of detections, (T,) each; `per_class`
    average precision over all areas.
    """

    precision: dict[str, list[Floats]]
    recall: dict[tuple[str, int], list[Floats]]
    per_class: dict[int, float]

    def ap(self, area: str = "all", threshold: int | None = None) -> float:
        """Mean precision in an area range, at one threshold by number or over all; -1 without targets."""
        curves = self.precision[area]
        return _mean(curves if threshold is None else [curve[threshold] for curve in curves])

    def ar(self, limit: int, area: str = "all", threshold: int | None = None) -> float:
        """Mean recall with a limit of detections per image and class; -1 without targets."""
        reached = self.recall.get((area, limit), [])
        return _mean(reached if threshold is None else [values[threshold] for values in reached])


def matrix_pairs(alike_GD: Bools, overlap_GD: Floats) -> Pairs:
    """Pairs worth matching of one image, from its overlaps; numbers are rows and columns."""
    target, detection = np.nonzero(alike_GD & (overlap_GD >= _reach(THRESHOLDS[0])))
    return Pairs(detection, target, overlap_GD[target, detection].astype(float))


def box_pairs(found: Detections, found_boxes: Floats, truth: Targets, truth_boxes: Floats) -> Pairs:
    """Pairs of boxes worth matching; crowd targets are measured against the detection's own area."""
    classes, cls = np.unique(np.r_[truth.cls, found.cls], return_inverse=True)
    keys = np.r_[truth.image, found.image] * len(classes) + cls
    codes, slots = np.unique(keys, return_inverse=True)
    target_slot, detection_slot = slots[: len(truth.cls)], slots[len(truth.cls) :]
    order = np.argsort(target_slot, kind="stable")
    bounds = np.searchsorted(target_slot[order], np.arange(len(codes) + 1))
    first, count = bounds[:-1][detection_slot], np.diff(bounds)[detection_slot]
    detection = np.repeat(np.arange(len(found.cls)), count)
    step = np.arange(len(detection)) - np.repeat(np.cumsum(count) - count, count)
    target = order[np.repeat(first, count) + step]

    a, b = found_boxes[detection], truth_boxes[target]
    ends = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    sides = ends - np.maximum(a[:, :2], b[:, :2])
    shared = sides.clip(min=0).prod(1)
    union = np.where(truth.crowd[target], box_area(a), box_area(a) + box_area(b) - shared)
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    kept = overlap >= _reach(THRESHOLDS[0])
    return Pairs(detection[kept], target[kept], overlap[kept])


def match(found: Detections, truth: Targets, pairs: Pairs, area: tuple[float, float]) -> Outcome:
    """Judge the detections in one area range."""
    low, high = area
    ignored = truth.crowd | truth.passed_over | (truth.area < low) | (truth.area > high)
    hit, skipped = _claim(pairs, truth.crowd, ignored, len(found.rank))
    outside = (found.area < low) | (found.area > high)
    false = np.where(outside, 0, ~hit & _EVERYTHING).astype(np.uint16)
    return Outcome(hit & ~skipped, false, ignored)


def _claim(pairs: Pairs, crowd: Bools, ignored: Bools, count: int) -> tuple[Bits, Bits]:
    """(D,) thresholds at which detections are matched, and matched to a target that is not judged.

    Judged targets come first, then larger overlap, then the later target; a crowd can be taken again and again.
    """
    order = np.lexsort((-pairs.target, -pairs.overlap, ignored[pairs.target], pairs.detection))
    reach = _reach(THRESHOLDS)
    passed = (1 << np.searchsorted(reach, pairs.overlap[order], side="right")) - 1
    targets = pairs.target[order]
    taken = [0] * len(crowd)
    hit, skipped = [0] * count, [0] * count
    facts = zip(
        pairs.detection[order].tolist(),
        targets.tolist(),
        passed.tolist(),
        ignored[targets].tolist(),
        crowd[targets].tolist(),
        strict=True,
    )
    for detection, target, bits, is_ignored, is_crowd in facts:
        won = bits & ~hit[detection]
        if not is_crowd:
            won &= ~taken[target]
            taken[target] |= won
        hit[detection] |= won
        if is_ignored:
            skipped[detection] |= won
    return np.array(hit, dtype=np.uint16), np.array(skipped, dtype=np.uint16)


def average(
    found: Detections, truth: Targets, outcomes: Mapping[str, Outcome], limits: Sequence[int]
) -> Averages:
    """Curves per class; all limits apply to the first area range, the last of them to the others."""
    result = Averages({name: [] for name in outcomes}, {}, {})
    first = next(iter(outcomes))
    for cls in np.unique(truth.cls).tolist():
        rows = np.flatnonzero(found.cls == cls)
        rows = rows[np.argsort(-found.score[rows], kind="stable")]
        own = truth.cls == cls
        for name, outcome in outcomes.items():
            judged = int((~outcome.ignored[own]).sum())
            if not judged:
                continue
            for limit in limits if name == first else limits[-1:]:
                chosen = rows[found.rank[rows] < limit]
                true, false = _unpack(outcome.true[chosen]), _unpack(outcome.false[chosen])
                curve, reached = _curves(true, false, judged)
                result.recall.setdefault((name, limit), []).append(reached)
                if limit == limits[-1]:
                    result.precision[name].append(curve)
                    if name == first:
                        result.per_class[cls] = float(curve.mean())
    return result


def _curves(true_TD: Bools, false_TD: Bools, judged: int) -> tuple[Floats, Floats]:
    """(T, 101) precision at the recalls, as a step function, and (T,) largest recall."""
    true, false = true_TD.cumsum(1).astype(float), false_TD.cumsum(1).astype(float)
    curve = np.zeros((len(THRESHOLDS), len(RECALLS)))
    if not true.shape[1]:
        return curve, np.zeros(len(THRESHOLDS))
    recall = true / judged
    precision = true / (true + false + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for i, (reached, value) in enumerate(zip(recall, precision, strict=True)):
        at = np.searchsorted(reached, RECALLS, side="left")
        inside = at < len(value)
        curve[i, inside] = value[at[inside]]
    return curve, recall[:, -1]


def _reach(threshold: Any) -> Any:  # float or array
    """Smallest overlap that counts as reaching a threshold."""
    return np.minimum(threshold, 1 - 1e-10)


def _unpack(bits_D: Bits) -> Bools:
    """(T, D) booleans, one row per threshold."""
    places = np.arange(len(THRESHOLDS), dtype=np.uint16)
    return (bits_D >> places[:, None] & 1).astype(bool)


def box_area(boxes: Floats) -> Floats:
    """Areas of (left, top, width, height) boxes."""
    return boxes[:, 2] * boxes[:, 3]


def _mean(values: Iterable[Floats]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else ABSENT
