"""Outlines for pictures by a model that segments what a box holds, such as SAM.

Such a model is called with a picture and `bboxes` in pixels, and its result has one mask per box. Label rows are a
class and the points of an outline as fractions of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ultralytics.data.base import list_images
from ultralytics.data.formats import img2label_paths
from ultralytics.data.verify import LabelRule, read_label_text, salvage_rows
from ultralytics.errors import DatasetNotFound
from ultralytics.geometry.boxes import xywhn2xyxy
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["auto_annotate", "yolo_bbox2segment"]

Model = Any  # Any: anything that is called like a model of the facade
LEAST_POINTS = 3
MOST_CLASSES = 1000


def auto_annotate(
    data: str | Path,
    det_model: str | Model = "yolo26x.pt",
    sam_model: str | Model = "sam_b.pt",
    device: str = "",
    conf: float = 0.25,
    iou: float = 0.45,
    imgsz: int = 640,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
    output_dir: str | Path | None = None,
) -> None:
    """Find objects with one model, outline them with another, and write a label file per picture with objects.

    Args:
        data: folder or any other source of pictures.
        det_model: weights of a detection model, or the model.
        sam_model: weights of a SAM model, or a model that is called as the module header says.
        device: where both run.
        conf: least confidence of an object.
        iou: overlap above which the weaker of two objects is dropped.
        imgsz: side the pictures are resized to for detection.
        max_det: most objects per picture.
        classes: class indexes that are kept; all when not given.
        output_dir: folder of the label files; default `<name of data>_auto_annotate_labels` beside `data`.

    Raises:
        NotAvailable: weights of SAM are asked for, which this version cannot load.
    """
    source = Path(data)
    segmenter, detector = _segmenter(sam_model), _detector(det_model)
    folder = Path(output_dir or source.parent / f"{source.stem}_auto_annotate_labels")
    folder.mkdir(parents=True, exist_ok=True)
    found = detector(
        source,
        stream=True,
        device=device,
        conf=conf,
        iou=iou,
        imgsz=imgsz,
        max_det=max_det,
        classes=classes,
    )
    written = 0
    for result in found:
        numbers = result.boxes.cls.int().tolist()
        if not numbers:
            continue
        outlines = _outlines(segmenter, result.orig_img, result.boxes.xyxy, device)
        rows = _label_rows(numbers, outlines, exact=True)
        atomic_write(folder / f"{Path(result.path).stem}.txt", rows)
        written += 1
    LOGGER.info(f"Wrote {written} label files to {folder}")


def yolo_bbox2segment(
    im_dir: str | Path,
    save_dir: str | Path | None = None,
    sam_model: str | Model = "sam_b.pt",
    device: str | None = None,
) -> None:
    """Turn the boxes of label files into outlines; every picture gets a file.

    Nothing is done when a label file holds outlines already.

    Args:
        im_dir: folder of pictures, with a folder of labels as for training.
        save_dir: folder of the new label files; default `labels-segment` beside `im_dir`.
        sam_model: weights of a SAM model, or a model that is called as the module header says.
        device: where it runs.

    Raises:
        DatasetNotFound: no picture in the folder.
        NotAvailable: weights of SAM are asked for, which this version cannot load.
    """
    files = sorted(list_images(im_dir))
    if not files:
        raise DatasetNotFound(f"no images found in {im_dir}")
    rule = LabelRule(class_count=MOST_CLASSES)
    labels = [salvage_rows(_text(label), rule) for label in img2label_paths(files)]
    if any(one.polygons for one in labels):
        LOGGER.info(f"Labels of {im_dir} are outlines already; nothing to convert")
        return
    segmenter = _segmenter(sam_model)
    folder = Path(save_dir or Path(im_dir).parent / "labels-segment")
    folder.mkdir(parents=True, exist_ok=True)
    for file, label in zip(files, labels, strict=True):
        text = ""
        if len(label.rows):
            picture = _picture(file)
            height, width = picture.shape[:2]
            boxes = torch.from_numpy(xywhn2xyxy(label.rows[:, 1:], width, height))
            outlines = _outlines(segmenter, picture, boxes, device)
            text = _label_rows(label.rows[:, 0].astype(int).tolist(), outlines)
        atomic_write(folder / f"{Path(file).stem}.txt", text)
    LOGGER.info(f"Wrote {len(files)} label files to {folder}")


def _segmenter(model: str | Path | Model) -> Model:
    if not isinstance(model, (str, Path)):
        return model
    from ultralytics import SAM

    return SAM(model)


def _detector(model: str | Path | Model) -> Model:
    if not isinstance(model, (str, Path)):
        return model
    from ultralytics import YOLO

    return YOLO(model)


def _text(file: str) -> str:
    return read_label_text(file) if Path(file).is_file() else ""


def _picture(file: str) -> np.ndarray[Any, Any]:
    from ultralytics.data.images import read_image

    return read_image(file)


def _outlines(
    segmenter: Model, picture: np.ndarray[Any, Any], boxes: torch.Tensor, device: str | None
) -> list[np.ndarray[Any, Any]]:
    """One (P, 2) outline per box, as fractions."""
    result = segmenter(picture, bboxes=boxes, verbose=False, save=False, device=device)[0]
    return list(result.masks.xyn)


def _label_rows(
    classes: Iterable[int], outlines: Iterable[np.ndarray[Any, Any]], exact: bool = False
) -> str:
    """Lines of a label file; objects of fewer than three points are left out."""
    lines = []
    for number, outline in zip(classes, outlines, strict=True):
        if len(outline) >= LEAST_POINTS:
            values = outline.reshape(-1).tolist()
            texts = [str(value) if exact else f"{value:g}" for value in values]
            lines.append(f"{number} {' '.join(texts)}\n")
    return "".join(lines)
