"""Helpers around data sets under their public path; each is defined in the module that uses it."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.data.cache import load_dataset_cache_file as load_dataset_cache_file
    from ultralytics.data.cache import save_dataset_cache_file as save_dataset_cache_file
    from ultralytics.data.class_folders import check_cls_dataset as check_cls_dataset
    from ultralytics.data.compress import compress_one_image as compress_one_image
    from ultralytics.data.description import check_det_dataset as check_det_dataset
    from ultralytics.data.description import (
        convert_ndjson_to_yolo_if_needed as convert_ndjson_to_yolo_if_needed,
    )
    from ultralytics.data.description import find_dataset_yaml as find_dataset_yaml
    from ultralytics.data.formats import FORMATS_HELP_MSG as FORMATS_HELP_MSG
    from ultralytics.data.formats import HELP_URL as HELP_URL
    from ultralytics.data.formats import IMG_FORMATS as IMG_FORMATS
    from ultralytics.data.formats import VID_FORMATS as VID_FORMATS
    from ultralytics.data.formats import get_hash as get_hash
    from ultralytics.data.formats import img2label_paths as img2label_paths
    from ultralytics.data.fraction import get_split_fraction as get_split_fraction
    from ultralytics.data.images import check_file_speeds as check_file_speeds
    from ultralytics.data.polygons import polygon2mask as polygon2mask
    from ultralytics.data.polygons import polygons2masks as polygons2masks
    from ultralytics.data.polygons import polygons2masks_overlap as polygons2masks_overlap
    from ultralytics.data.show_labels import (
        visualize_image_annotations as visualize_image_annotations,
    )
    from ultralytics.data.split import autosplit as autosplit
    from ultralytics.data.verify import check_image as check_image
    from ultralytics.data.verify import exif_size as exif_size
    from ultralytics.data.verify import verify_image as verify_image
    from ultralytics.data.verify import verify_image_label as verify_image_label

_HOMES = {
    "cache": "load_dataset_cache_file save_dataset_cache_file",
    "compress": "compress_one_image",
    "class_folders": "check_cls_dataset",
    "description": "check_det_dataset convert_ndjson_to_yolo_if_needed find_dataset_yaml",
    "formats": "FORMATS_HELP_MSG HELP_URL IMG_FORMATS VID_FORMATS get_hash img2label_paths",
    "fraction": "get_split_fraction",
    "images": "check_file_speeds",
    "polygons": "polygon2mask polygons2masks polygons2masks_overlap",
    "show_labels": "visualize_image_annotations",
    "split": "autosplit",
    "verify": "check_image exif_size verify_image verify_image_label",
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    {name: f"ultralytics.data.{home}" for home, names in _HOMES.items() for name in names.split()},
)
