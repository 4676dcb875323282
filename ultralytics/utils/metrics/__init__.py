"""Overlaps, average precision, confusion matrices and the metric objects of every task."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.geometry.iou import bbox_ioa as bbox_ioa
    from ultralytics.geometry.iou import bbox_iou as bbox_iou
    from ultralytics.geometry.iou import box_iou as box_iou
    from ultralytics.geometry.iou import smooth_bce as smooth_bce
    from ultralytics.geometry.keypoints import OKS_SIGMA as OKS_SIGMA
    from ultralytics.geometry.keypoints import RLE_WEIGHT as RLE_WEIGHT
    from ultralytics.geometry.keypoints import kpt_iou as kpt_iou
    from ultralytics.geometry.masks import mask_iou as mask_iou
    from ultralytics.geometry.rotated import batch_probiou as batch_probiou
    from ultralytics.geometry.rotated import probiou as probiou
    from ultralytics.utils.metrics.average_precision import ap_per_class as ap_per_class
    from ultralytics.utils.metrics.average_precision import compute_ap as compute_ap
    from ultralytics.utils.metrics.average_precision import smooth as smooth
    from ultralytics.utils.metrics.classify import ClassifyMetrics as ClassifyMetrics
    from ultralytics.utils.metrics.coco import CocoEvaluator as CocoEvaluator
    from ultralytics.utils.metrics.coco import CocoSummary as CocoSummary
    from ultralytics.utils.metrics.confusion import ConfusionMatrix as ConfusionMatrix
    from ultralytics.utils.metrics.constants import CITYSCAPES_WEIGHT as CITYSCAPES_WEIGHT
    from ultralytics.utils.metrics.detection import DetMetrics as DetMetrics
    from ultralytics.utils.metrics.detection import OBBMetrics as OBBMetrics
    from ultralytics.utils.metrics.detection import PoseMetrics as PoseMetrics
    from ultralytics.utils.metrics.detection import SegmentMetrics as SegmentMetrics
    from ultralytics.utils.metrics.metric import Metric as Metric
    from ultralytics.utils.metrics.semantic import SemanticMetrics as SemanticMetrics
    from ultralytics.utils.metrics.tracking import TrackMetrics as TrackMetrics

_GEOMETRY = "ultralytics.geometry"
_HERE = "ultralytics.utils.metrics"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CITYSCAPES_WEIGHT": f"{_HERE}.constants",
        "ClassifyMetrics": f"{_HERE}.classify",
        "CocoEvaluator": f"{_HERE}.coco",
        "CocoSummary": f"{_HERE}.coco",
        "ConfusionMatrix": f"{_HERE}.confusion",
        "DetMetrics": f"{_HERE}.detection",
        "Metric": f"{_HERE}.metric",
        "OBBMetrics": f"{_HERE}.detection",
        "OKS_SIGMA": f"{_GEOMETRY}.keypoints",
        "PoseMetrics": f"{_HERE}.detection",
        "RLE_WEIGHT": f"{_GEOMETRY}.keypoints",
        "SegmentMetrics": f"{_HERE}.detection",
        "SemanticMetrics": f"{_HERE}.semantic",
        "TrackMetrics": f"{_HERE}.tracking",
        "_get_covariance_matrix": f"{_GEOMETRY}.rotated",
        "ap_per_class": f"{_HERE}.average_precision",
        "batch_probiou": f"{_GEOMETRY}.rotated",
        "bbox_ioa": f"{_GEOMETRY}.iou",
        "bbox_iou": f"{_GEOMETRY}.iou",
        "box_iou": f"{_GEOMETRY}.iou",
        "compute_ap": f"{_HERE}.average_precision",
        "kpt_iou": f"{_GEOMETRY}.keypoints",
        "mask_iou": f"{_GEOMETRY}.masks",
        "probiou": f"{_GEOMETRY}.rotated",
        "smooth": f"{_HERE}.average_precision",
        "smooth_bce": f"{_GEOMETRY}.iou",
    },
)
