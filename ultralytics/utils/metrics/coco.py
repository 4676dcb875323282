"""The COCO evaluation: the numbers of pycocotools, for boxes, masks and keypoints.

Evaluation is per image and class: detections by falling score, up to a limit, matched to targets at
overlaps of 0.50 to 0.95. Targets marked as crowd, passed over, or outside an area range take detections
away without judging them. Precision is averaged as a step function at 101 recalls. Boxes are measured
here; other overlaps come as a matrix per image.
D = detections, G = targets of one image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ultralytics.utils.metrics.average_precision import Floats
from ultralytics.utils.metrics.coco_matching import (
    Averages,
    Bools,
    Detections,
    Ints,
    Pairs,
    Targets,
    average,
    box_area,
    box_pairs,
    match,
    matrix_pairs,
)

__all__ = [
    "CocoEvaluator",
    "CocoNumbers",
    "CocoPoseEvaluator",
    "CocoPoseSummary",
    "CocoSummary",
    "OverlapEvaluator",
    "evaluate_files",
]

SMALL, MEDIUM = 32.0**2, 96.0**2  # px; areas up to which objects are small and medium
ENDLESS = 1e10


@dataclass(frozen=True)
class CocoNumbers:
    """Average precision over overlaps of 0.50 to 0.95, at 0.50 and at 0.75; children add more."""

    names: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]]
    ap: float
    ap50: float
    ap75: float

    @property
    def stats(self) -> list[float]:
        """The numbers in the customary order."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "per_class"]

    def lines(self) -> list[str]:
        """Two lines of text, one of precision and one of recall; absent sizes show as "-"."""
        shown = [f"{v:.3f}" if v >= 0 else "-" for v in self.stats]
        precision, recall = self.names
        parts = (precision, shown[: len(precision)]), (recall, shown[len(precision) :])
        return [
            "  ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            for names, values in parts
        ]


@dataclass(frozen=True)
class CocoSummary(CocoNumbers):
    """Average precision (ap*) and recall (ar*) of boxes or masks, in [0, 1]; -1 where no target exists.

    `ap` averages overlaps 0.50 to 0.95; small is below 32 x 32 pixels, large above 96 x 96; ar1, ar10 and ar100 allow
    that many detections per image and class. `per_class` maps class number to AP.
    """

    names = (
        ("AP", "AP50", "AP75", "small", "medium", "large"),
        ("AR@1", "AR@10", "AR@100", "small", "medium", "large"),
    )
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


@dataclass(frozen=True)
class CocoPoseSummary(CocoNumbers):
    """The ten numbers of keypoints, as in `CocoSummary`; 20 detections per image and class count."""

    names = (
        ("AP", "AP50", "AP75", "medium", "large"),
        ("AR", "AR50", "AR75", "medium", "large"),
    )
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float
    per_class: dict[int, float]


@dataclass
class _Image:
    """What one image adds. Boxes are measured when everything is there, or pairs are given."""

    number: int
    scores: Floats
    classes: Floats
    areas: Floats
    target_classes: Floats
    target_areas: Floats
    crowd: Bools
    passed_over: Bools
    boxes: Floats | None = None  # (D, 4) and (G, 4) left, top, width, height
    target_boxes: Floats | None = None
    pairs: Pairs | None = None


class OverlapEvaluator:
    """Collects detections and targets image by image, with the overlap of every two of them.

    Children say which area ranges (px) are evaluated, the first with every limit of detections per image and class and
    the others with the last, and how the averages are summed up.
    """

    areas: ClassVar[Mapping[str, tuple[float, float]]]
    limits: ClassVar[Sequence[int]]

    def __init__(self) -> None:
        self._images: list[_Image] = []

    def __len__(self) -> int:
        return len(self._images)

    def add_overlaps(
        self,
        scores_D: ArrayLike,
        classes_D: ArrayLike,
        areas_D: ArrayLike,
        target_classes_G: ArrayLike,
        areas_G: ArrayLike,
        overlap_GD: ArrayLike,
        *,
        image_id: int | None = None,
        crowd_G: ArrayLike | None = None,
        ignore_G: ArrayLike | None = None,
    ) -> None:
        """Add one image whose overlaps are known.

        Args:
            scores_D: confidence of the detections.
            classes_D: their class.
            areas_D: their area in pixels.
            target_classes_G: class of the targets.
            areas_G: their area in pixels.
            overlap_GD: overlap in [0, 1] of every target with every detection; pairs of different class are not
                looked at, and that of a crowd is by its own rule.
            image_id: number of the image; equal scores are ordered by it. Default: order of arrival.
            crowd_G: targets that stand for a group; they can be matched again and again.
            ignore_G: targets that need not be found, such as poses without a labelled point.
        """
        classes, targets = _array(classes_D), _array(target_classes_G)
        alike = targets[:, None] == classes
        overlap = _array(overlap_GD).reshape(alike.shape)
        self._images.append(
            _Image(
                self._number(image_id),
                _array(scores_D),
                classes,
                _array(areas_D),
                targets,
                _array(areas_G),
                _flags(crowd_G, len(targets)),
                _flags(ignore_G, len(targets)),
                pairs=matrix_pairs(alike, overlap),
            )
        )

    def extend(self, other: OverlapEvaluator) -> None:
        """Add the images of another evaluator, all numbered by arrival, after those that are here."""
        start = len(self._images)
        self._images += [replace(image, number=start + image.number) for image in other._images]

    def evaluate(self) -> CocoNumbers:
        """The numbers of everything added so far."""
        raise NotImplementedError("an evaluator of its own kind of overlap sums up the averages")

    def averages(self) -> Averages:
        """Match everything added so far and average it. Classes without targets do not count."""
        images = sorted(self._images, key=lambda image: image.number)
        found, places = self._detections(images)
        truth = _targets(images)
        pairs = Pairs.joined(
            [_given_pairs(images, places), _measured(images, found, truth, places)]
        )
        outcomes = {name: match(found, truth, pairs, area) for name, area in self.areas.items()}
        return average(found, truth, outcomes, self.limits)

    def _number(self, image_id: int | None) -> int:
        return len(self._images) if image_id is None else int(image_id)

    def _detections(self, images: Sequence[_Image]) -> tuple[Detections, Ints]:
        """The detections within the limit, and where those of all images went; -1 for the others."""
        score = _joined([image.scores for image in images])
        cls = _joined([image.classes for image in images])
        area = _joined([image.areas for image in images])
        number = _repeated(images, [len(image.scores) for image in images])
        order = np.lexsort((-score, cls, number))
        number, cls = number[order], cls[order].astype(np.int64)
        rank = _rank(number, cls)
        kept = rank < self.limits[-1]
        order = order[kept]
        places = np.full(len(score), -1)
        places[order] = np.arange(len(order))
        return Detections(number[kept], cls[kept], score[order], area[order], rank[kept]), places


class CocoEvaluator(OverlapEvaluator):
    """Evaluation of boxes, or of masks by their overlaps: twelve numbers."""

    areas = {
        "all": (0.0, ENDLESS),
        "small": (0.0, SMALL),
        "medium": (SMALL, MEDIUM),
        "large": (MEDIUM, ENDLESS),
    }
    limits = (1, 10, 100)

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
        """Add one image of boxes, corners in pixels of the original image.

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
        self._keep(
            self._number(image_id),
            (_ltwh(boxes_D4), _array(scores_D), _array(classes_D)),
            (_ltwh(target_boxes_G4), _array(target_classes_G)),
            areas_G,
            crowd_G,
        )

    def _keep(
        self,
        number: int,
        found: tuple[Floats, Floats, Floats],
        truth: tuple[Floats, Floats],
        areas: ArrayLike | None,
        crowd: ArrayLike | None,
    ) -> None:
        boxes, scores, classes = found
        targets, target_classes = truth
        self._images.append(
            _Image(
                number,
                scores,
                classes,
                box_area(boxes),
                target_classes,
                box_area(targets) if areas is None else _array(areas),
                _flags(crowd, len(targets)),
                _flags(None, len(targets)),
                boxes,
                targets,
            )
        )

    def evaluate(self) -> CocoSummary:
        """The twelve numbers of everything added so far."""
        found = self.averages()
        return CocoSummary(
            ap=found.ap(),
            ap50=found.ap(threshold=0),
            ap75=found.ap(threshold=5),
            ap_small=found.ap("small"),
            ap_medium=found.ap("medium"),
            ap_large=found.ap("large"),
            ar1=found.ar(1),
            ar10=found.ar(10),
            ar100=found.ar(100),
            ar_small=found.ar(100, "small"),
            ar_medium=found.ar(100, "medium"),
            ar_large=found.ar(100, "large"),
            per_class=found.per_class,
        )


class CocoPoseEvaluator(OverlapEvaluator):
    """Evaluation of keypoints by their similarities (OKS): ten numbers."""

    areas = {"all": (0.0, ENDLESS), "medium": (SMALL, MEDIUM), "large": (MEDIUM, ENDLESS)}
    limits = (20,)

    def evaluate(self) -> CocoPoseSummary:
        """The ten numbers of everything added so far."""
        found = self.averages()
        return CocoPoseSummary(
            ap=found.ap(),
            ap50=found.ap(threshold=0),
            ap75=found.ap(threshold=5),
            ap_medium=found.ap("medium"),
            ap_large=found.ap("large"),
            ar=found.ar(20),
            ar50=found.ar(20, threshold=0),
            ar75=found.ar(20, threshold=5),
            ar_medium=found.ar(20, "medium"),
            ar_large=found.ar(20, "large"),
            per_class=found.per_class,
        )


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
    evaluator = CocoEvaluator()
    for index, own, targets in rows_by_image(predictions, annotations, image_ids):
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
            ),
            [row["area"] for row in targets],
            [row.get("iscrowd", 0) for row in targets],
        )
    return evaluator.evaluate()


def rows_by_image(
    predictions: list[dict[str, Any]],  # Any: JSON values
    annotations: dict[str, Any],
    image_ids: Collection[int | str] | None = None,
) -> list[tuple[int, list[dict[str, Any]], list[dict[str, Any]]]]:
    """Position, result rows and annotations of every evaluated image, by rising image id."""
    wanted = {image["id"] for image in annotations["images"]}
    if image_ids is not None:
        wanted &= set(image_ids)
    found: dict[Any, list[dict[str, Any]]] = {image: [] for image in wanted}
    truth: dict[Any, list[dict[str, Any]]] = {image: [] for image in wanted}
    for rows, table in ((predictions, found), (annotations["annotations"], truth)):
        for row in rows:
            if row["image_id"] in table:
                table[row["image_id"]].append(row)
    return [(i, found[image], truth[image]) for i, image in enumerate(sorted(wanted))]


def _targets(images: Sequence[_Image]) -> Targets:
    return Targets(
        _repeated(images, [len(image.target_classes) for image in images]),
        _joined([image.target_classes for image in images]).astype(np.int64),
        _joined([image.target_areas for image in images]),
        _joined([image.crowd for image in images]).astype(bool),
        _joined([image.passed_over for image in images]).astype(bool),
    )


def _given_pairs(images: Sequence[_Image], places: Ints) -> Pairs:
    """The pairs that came with the images, in numbers of all images."""
    parts, detections, targets = [], 0, 0
    for image in images:
        if image.pairs is not None:
            detection = places[image.pairs.detection + detections]
            kept = detection >= 0
            target, overlap = image.pairs.target[kept] + targets, image.pairs.overlap[kept]
            parts.append(Pairs(detection[kept], target, overlap))
        detections += len(image.scores)
        targets += len(image.target_classes)
    return Pairs.joined(parts)


def _measured(images: Sequence[_Image], found: Detections, truth: Targets, places: Ints) -> Pairs:
    """Pairs of the images that came as boxes; the others hold boxes of no size."""
    if all(image.boxes is None for image in images):
        return Pairs.joined([])
    boxes = np.zeros((len(found.rank), 4))
    own, target = (
        _joined([np.zeros((0, 4)), *(_or_nothing(*pair) for pair in pairs)])
        for pairs in (
            [(image.boxes, image.scores) for image in images],
            [(image.target_boxes, image.target_classes) for image in images],
        )
    )
    boxes[places[places >= 0]] = own[places >= 0]
    return box_pairs(found, boxes, truth, target)


def _or_nothing(boxes: Floats | None, rows: Floats) -> Floats:
    return np.zeros((len(rows), 4)) if boxes is None else boxes


def _rank(image: Ints, cls: Ints) -> Ints:
    """Position of every row within its run of equal image and class."""
    if not len(image):
        return np.zeros(0, dtype=np.int64)
    starts = np.r_[True, (image[1:] != image[:-1]) | (cls[1:] != cls[:-1])]
    index = np.arange(len(image))
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _ltwh(corners: ArrayLike) -> Floats:
    """Left, top, width, height of corner boxes, the form in which COCO computes."""
    boxes = np.array(corners, dtype=float).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _array(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=float)


def _flags(values: ArrayLike | None, count: int) -> Bools:
    return np.zeros(count, bool) if values is None else np.asarray(values, dtype=bool)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:  # Any: numbers or flags
    return np.concatenate(parts) if parts else np.zeros(0)


def _repeated(images: Sequence[_Image], counts: Sequence[int]) -> Ints:
    """Number of the image of every row."""
    return np.repeat(np.array([image.number for image in images], dtype=np.int64), counts)
