"""The COCO box evaluation: twelve numbers, equal to those of pycocotools on the same boxes.

Boxes are pixels of the original image, (left, top, width, height) inside. Evaluation is per image
and class: detections by falling score, the first 100 of them, matched to targets at IoU 0.50 to 0.95.
Targets marked as crowd or outside an area range take detections away without judging them. Precision
is averaged as a step function at 101 recalls.
D = detections, G = targets, T = thresholds. Thresholds are the bits of an integer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ultralytics.utils.metrics.average_precision import Floats

__all__ = ["CocoEvaluator", "CocoSummary", "evaluate_files"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bits = NDArray[np.uint16]

_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
_LIMITS = (1, 10, 100)  # detections per image and class
_EVERYTHING = np.uint16((1 << len(_THRESHOLDS)) - 1)
_ABSENT = -1.0  # value of an average over nothing


@dataclass(frozen=True)
class CocoSummary:
    """Average precision (ap*) and recall (ar*) of the COCO evaluation, in [0, 1]; -1 where no target exists.

    `ap` averages IoU 0.50 to 0.95; small is below 32 x 32 pixels, large above 96 x 96; ar1, ar10 and ar100 allow that
    many detections per image and class. `per_class` maps class number to AP.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    per_class: dict[int, float]

    @property
    def stats(self) -> list[float]:
        """The twelve numbers in the customary order."""
        return [getattr(self, f.name) for f in fields(self) if f.name != "per_class"]

    def lines(self) -> list[str]:
        """Two lines of text, one of precision and one of recall; absent sizes show as "-"."""
        shown = [f"{v:.3f}" if v >= 0 else "-" for v in self.stats]
        precision = ("AP", "AP50", "AP75", "small", "medium", "large")
        recall = ("AR@1", "AR@10", "AR@100", "small", "medium", "large")
        return [
            "  ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            for names, values in ((precision, shown[:6]), (recall, shown[6:]))
        ]


@dataclass
class _Detections:
    """Detections that can be matched, ordered by image, class, falling score, arrival."""

    image: Ints
    cls: Ints
    box: Floats
    score: Floats
    rank: Ints  # position within its image and class


@dataclass
class _Targets:
    """All targets in order of arrival."""

    image: Ints
    cls: Ints
    box: Floats
    area: Floats
    crowd: Bools


class CocoEvaluator:
    """Collects detections and targets image by image, then evaluates them once."""

    def __init__(self) -> None:
        self._images: list[int] = []
        self._found: list[tuple[Floats, Floats, Floats]] = []
        self._truth: list[tuple[Floats, Floats, Floats, Bools]] = []

    def add(
        self,
        boxes_D4: ArrayLike,
        scores_D: ArrayLike,
        classes_D: ArrayLike,
        target_boxes_G4: ArrayLike,
        target_classes_G: ArrayLike,
        *,
        image_id: int | None = None,
        areas_G: ArrayLike | None = None,
        crowd_G: ArrayLike | None = None,
    ) -> None:
        """Add one image.

        Args:
            boxes_D4: detected boxes.
            scores_D: their confidence.
            classes_D: their class.
            target_boxes_G4: true boxes.
            target_classes_G: their class.
            image_id: number of the image; equal scores are ordered by it. Default: order of arrival.
            areas_G: areas for the size ranges; default: areas of the boxes.
            crowd_G: targets that stand for a group.
        """
        found = (_ltwh(boxes_D4), _array(scores_D), _array(classes_D))
        targets = _ltwh(target_boxes_G4)
        areas = _area(targets) if areas_G is None else _array(areas_G)
        crowd = np.zeros(len(areas), bool) if crowd_G is None else np.asarray(crowd_G, dtype=bool)
        image = len(self._images) if image_id is None else int(image_id)
        self._keep(image, found, (targets, _array(target_classes_G), areas, crowd))

    def _keep(
        self,
        image: int,
        found: tuple[Floats, Floats, Floats],
        truth: tuple[Floats, Floats, Floats, Bools],
    ) -> None:
        self._images.append(image)
        self._found.append(found)
        self._truth.append(truth)

    def evaluate(self) -> CocoSummary:
        """Match everything added so far and average it. Classes without targets do not count."""
        found, truth = self._joined()
        pairs = _candidate_pairs(found, truth)
        tables = {}
        for name, (low, high) in _AREAS.items():
            ignored = truth.crowd | (truth.area < low) | (truth.area > high)
            hit, skipped = _match(pairs, truth.crowd, ignored, len(found.rank))
            area = _area(found.box)
            outside = (area < low) | (area > high)
            false = np.where(outside, 0, ~hit & _EVERYTHING).astype(np.uint16)
            tables[name] = _Outcome(hit & ~skipped, false, ignored)
        return _summarise(found, truth, tables)

    def _joined(self) -> tuple[_Detections, _Targets]:
        sequence = np.argsort(self._images, kind="stable")
        images = np.asarray(self._images, dtype=np.int64)[sequence]
        box, score, cls = _join([self._found[i] for i in sequence], (4, 0, 0))
        image = np.repeat(images, [len(self._found[i][1]) for i in sequence])
        order = np.lexsort((-score, cls, image))
        image, cls = image[order], cls[order].astype(np.int64)
        rank = _rank(image, cls)
        kept = rank < _LIMITS[-1]
        order = order[kept]
        found = _Detections(image[kept], cls[kept], box[order], score[order], rank[kept])

        box, cls, area, crowd = _join([self._truth[i] for i in sequence], (4, 0, 0, 0))
        image = np.repeat(images, [len(self._truth[i][1]) for i in sequence])
        return found, _Targets(image, cls.astype(np.int64), box, area, crowd.astype(bool))


def evaluate_files(
    predictions: list[dict[str, Any]],  # Any: JSON values
    annotations: dict[str, Any],
    image_ids: Collection[int | str] | None = None,
) -> CocoSummary:
    """Evaluate COCO result rows against a COCO annotation file, both already parsed.

    Args:
        predictions: rows with image_id, category_id, bbox (left, top, width, height) and score.
        annotations: its "annotations" give bbox, area and iscrowd; its "images" what is evaluated.
        image_ids: evaluate only these images.
    """
    wanted = {image["id"] for image in annotations["images"]}
    if image_ids is not None:
        wanted &= set(image_ids)
    found: dict[Any, list[dict[str, Any]]] = {image: [] for image in wanted}
    truth: dict[Any, list[dict[str, Any]]] = {image: [] for image in wanted}
    for rows, table in ((predictions, found), (annotations["annotations"], truth)):
        for row in rows:
            if row["image_id"] in table:
                table[row["image_id"]].append(row)
    evaluator = CocoEvaluator()
    for index, image in enumerate(sorted(wanted)):
        own, targets = found[image], truth[image]
        evaluator._keep(
            index,
            (
                _array([row["bbox"] for row in own]).reshape(-1, 4),
                _array([row["score"] for row in own]),
                _array([row["category_id"] for row in own]),
            ),
            (
                _array([row["bbox"] for row in targets]).reshape(-1, 4),
                _array([row["category_id"] for row in targets]),
                _array([row["area"] for row in targets]),
                np.array([row.get("iscrowd", 0) for row in targets], dtype=bool),
            ),
        )
    return evaluator.evaluate()


@dataclass
class _Outcome:
    """Result of matching in one area range; a detection can be neither true nor false at a threshold.

    (D,) thresholds at which detections are true and false, as bits; (G,) targets not judged.
    """

    true: Bits
    false: Bits
    ignored: Bools


@dataclass
class _Pairs:
    """Detections and targets of the same image and class that overlap by 0.5 or more."""

    detection: Ints
    target: Ints
    overlap: Floats


def _candidate_pairs(found: _Detections, truth: _Targets) -> _Pairs:
    """Pairs worth matching; crowd targets are measured against the detection's own area."""
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

    a, b = found.box[detection], truth.box[target]
    ends = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    sides = ends - np.maximum(a[:, :2], b[:, :2])
    shared = sides.clip(min=0).prod(1)
    union = np.where(truth.crowd[target], _area(a), _area(a) + _area(b) - shared)
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    kept = overlap >= _reach(_THRESHOLDS[0])
    return _Pairs(detection[kept], target[kept], overlap[kept])


def _match(pairs: _Pairs, crowd: Bools, ignored: Bools, count: int) -> tuple[Bits, Bits]:
    """(D,) thresholds at which detections are matched, and matched to a target that is not judged.

    Judged targets come first, then larger overlap, then the later target; a crowd can be taken again and again.
    """
    order = np.lexsort((-pairs.target, -pairs.overlap, ignored[pairs.target], pairs.detection))
    reach = _reach(_THRESHOLDS)
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


def _summarise(found: _Detections, truth: _Targets, tables: dict[str, _Outcome]) -> CocoSummary:
    classes = np.unique(truth.cls).tolist()
    precision: dict[str, list[Floats]] = {name: [] for name in tables}
    recall: dict[tuple[str, int], list[Floats]] = {}
    per_class = {}
    for cls in classes:
        rows = np.flatnonzero(found.cls == cls)
        rows = rows[np.argsort(-found.score[rows], kind="stable")]
        own = truth.cls == cls
        for name, outcome in tables.items():
            judged = int((~outcome.ignored[own]).sum())
            if not judged:
                continue
            for limit in _LIMITS if name == "all" else _LIMITS[-1:]:
                chosen = rows[found.rank[rows] < limit]
                true, false = _unpack(outcome.true[chosen]), _unpack(outcome.false[chosen])
                curve, reached = _average(true, false, judged)
                recall.setdefault((name, limit), []).append(reached)
                if limit == _LIMITS[-1]:
                    precision[name].append(curve)
                    if name == "all":
                        per_class[cls] = float(curve.mean())
    return CocoSummary(
        ap=_mean(precision["all"]),
        ap50=_mean([curve[0] for curve in precision["all"]]),
        ap75=_mean([curve[5] for curve in precision["all"]]),
        ap_small=_mean(precision["small"]),
        ap_medium=_mean(precision["medium"]),
        ap_large=_mean(precision["large"]),
        ar1=_mean(recall.get(("all", 1), [])),
        ar10=_mean(recall.get(("all", 10), [])),
        ar100=_mean(recall.get(("all", 100), [])),
        ar_small=_mean(recall.get(("small", 100), [])),
        ar_medium=_mean(recall.get(("medium", 100), [])),
        ar_large=_mean(recall.get(("large", 100), [])),
        per_class=per_class,
    )


def _average(true_TD: Bools, false_TD: Bools, judged: int) -> tuple[Floats, Floats]:
    """(T, 101) precision at the recalls, as a step function, and (T,) largest recall."""
    true, false = true_TD.cumsum(1).astype(float), false_TD.cumsum(1).astype(float)
    curve = np.zeros((len(_THRESHOLDS), len(_RECALLS)))
    if not true.shape[1]:
        return curve, np.zeros(len(_THRESHOLDS))
    recall = true / judged
    precision = true / (true + false + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for i, (reached, value) in enumerate(zip(recall, precision, strict=True)):
        at = np.searchsorted(reached, _RECALLS, side="left")
        inside = at < len(value)
        curve[i, inside] = value[at[inside]]
    return curve, recall[:, -1]


def _reach(threshold: Any) -> Any:  # float or array
    """Smallest overlap that counts as reaching a threshold."""
    return np.minimum(threshold, 1 - 1e-10)


def _rank(image: Ints, cls: Ints) -> Ints:
    """Position of every row within its run of equal image and class."""
    if not len(image):
        return np.zeros(0, dtype=np.int64)
    starts = np.r_[True, (image[1:] != image[:-1]) | (cls[1:] != cls[:-1])]
    index = np.arange(len(image))
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _unpack(bits_D: Bits) -> Bools:
    """(T, D) booleans, one row per threshold."""
    places = np.arange(len(_THRESHOLDS), dtype=np.uint16)
    return (bits_D >> places[:, None] & 1).astype(bool)


def _area(boxes: Floats) -> Floats:
    return boxes[:, 2] * boxes[:, 3]


def _ltwh(corners: ArrayLike) -> Floats:
    """Left, top, width, height of corner boxes, the form in which COCO computes."""
    boxes = np.array(corners, dtype=float).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _array(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=float)


def _join(parts: Sequence[tuple[Any, ...]], widths: Sequence[int]) -> list[Any]:
    """Columns of all images, one array each; no image gives empty arrays."""
    if not parts:
        return [np.zeros((0, w) if w else 0) for w in widths]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _mean(values: Sequence[Floats]) -> float:
    return float(np.mean(values)) if len(values) else _ABSENT
