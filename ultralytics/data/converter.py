"""Converters between annotation formats under their public path."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.data.annotator import yolo_bbox2segment as yolo_bbox2segment
    from ultralytics.data.coco import coco80_to_coco91_class as coco80_to_coco91_class
    from ultralytics.data.coco import coco91_to_coco80_class as coco91_to_coco80_class
    from ultralytics.data.coco import convert_coco as convert_coco
    from ultralytics.data.coco_writer import convert_yolo_to_coco as convert_yolo_to_coco
    from ultralytics.data.dota import convert_dota_to_yolo_obb as convert_dota_to_yolo_obb
    from ultralytics.data.multispectral import convert_to_multispectral as convert_to_multispectral
    from ultralytics.data.polygons import (
        convert_segment_masks_to_yolo_seg as convert_segment_masks_to_yolo_seg,
    )
    from ultralytics.data.semantic_tiles import Cityscape2YOLO as Cityscape2YOLO
    from ultralytics.data.semantic_tiles import Potsdam2YOLO as Potsdam2YOLO
    from ultralytics.data.semantic_tiles import YOLO2Cityscape as YOLO2Cityscape
    from ultralytics.geometry.segments import merge_multi_segment as merge_multi_segment
    from ultralytics.geometry.segments import min_index as min_index

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Cityscape2YOLO": "ultralytics.data.semantic_tiles",
        "Cityscapse2YOLO": "ultralytics.data.semantic_tiles:Cityscape2YOLO",
        "Potsdam2YOLO": "ultralytics.data.semantic_tiles",
        "YOLO2Cityscape": "ultralytics.data.semantic_tiles",
        "coco80_to_coco91_class": "ultralytics.data.coco",
        "coco91_to_coco80_class": "ultralytics.data.coco",
        "convert_coco": "ultralytics.data.coco",
        "convert_dota_to_yolo_obb": "ultralytics.data.dota",
        "convert_segment_masks_to_yolo_seg": "ultralytics.data.polygons",
        "convert_to_multispectral": "ultralytics.data.multispectral",
        "convert_yolo_to_coco": "ultralytics.data.coco_writer",
        "merge_multi_segment": "ultralytics.geometry.segments",
        "min_index": "ultralytics.geometry.segments",
        "yolo_bbox2segment": "ultralytics.data.annotator",
    },
    later={
        "convert_ndjson_to_yolo": "NDJSON data sets are",
        "create_synthetic_coco_dataset": "the synthetic COCO set is",
    },
)
