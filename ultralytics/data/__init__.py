"""Data sets, transforms, loaders and inference sources."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.data.base import BaseDataset as BaseDataset
    from ultralytics.data.build import build_dataloader as build_dataloader
    from ultralytics.data.build import build_grounding as build_grounding
    from ultralytics.data.build import build_yolo_dataset as build_yolo_dataset
    from ultralytics.data.build import load_inference_source as load_inference_source
    from ultralytics.data.dataset import ClassificationDataset as ClassificationDataset
    from ultralytics.data.dataset import PolygonSemanticDataset as PolygonSemanticDataset
    from ultralytics.data.dataset import SemanticDataset as SemanticDataset
    from ultralytics.data.dataset import YOLOConcatDataset as YOLOConcatDataset
    from ultralytics.data.dataset import YOLODataset as YOLODataset

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BaseDataset": "ultralytics.data.base",
        "ClassificationDataset": "ultralytics.data.dataset",
        "PolygonSemanticDataset": "ultralytics.data.dataset",
        "SemanticDataset": "ultralytics.data.dataset",
        "YOLOConcatDataset": "ultralytics.data.dataset",
        "YOLODataset": "ultralytics.data.dataset",
        "build_dataloader": "ultralytics.data.build",
        "build_grounding": "ultralytics.data.build",
        "build_yolo_dataset": "ultralytics.data.build",
        "load_inference_source": "ultralytics.data.build",
    },
    later={
        "GroundingDataset": "open-vocabulary training is",
        "YOLOMultiModalDataset": "open-vocabulary training is",
    },
)
