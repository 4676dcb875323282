"""Data set classes by task; this package is their public home."""

from ultralytics.data.base import BaseDataset
from ultralytics.data.cache import DATASET_CACHE_VERSION
from ultralytics.data.dataset.classify import ClassificationDataset
from ultralytics.data.dataset.concat import YOLOConcatDataset
from ultralytics.data.dataset.semantic import PolygonSemanticDataset, SemanticDataset
from ultralytics.data.dataset.yolo import YOLODataset

__all__ = [
    "DATASET_CACHE_VERSION",
    "BaseDataset",
    "ClassificationDataset",
    "PolygonSemanticDataset",
    "SemanticDataset",
    "YOLOConcatDataset",
    "YOLODataset",
]
