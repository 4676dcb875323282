"""Outlines by prompting, with a stand-in for SAM that fills the box it is given; and pictures of many bands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import torch

from tests.data.conftest import write_image, write_label
from ultralytics.data.annotator import auto_annotate
from ultralytics.data.converter import convert_to_multispectral, yolo_bbox2segment
from ultralytics.data.utils import visualize_image_annotations
from ultralytics.engine.results import Results
from ultralytics.errors import DatasetError, DatasetNotFound, NotAvailable


def fill_boxes(picture: np.ndarray, bboxes: torch.Tensor, **_: Any) -> list[Results]:
    masks = torch.zeros(len(bboxes), *picture.shape[:2], dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, bboxes.round().int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    return [Results(picture, "", {0: "a"}, masks=masks)]


def find_square(source: Path, **options: Any) -> list[Results]:
    """A stand-in for a detector: one box in every picture but the first."""
    assert options["stream"]
    assert options["conf"] == 0.4
    files = sorted(source.iterdir())
    boxes = torch.tensor([[6.0, 4, 31, 21, 0.9, 3]])
    return [
        Results(cv2.imread(str(f)), str(f), {3: "x"}, boxes=boxes[: bool(i)])
        for i, f in enumerate(files)
    ]


def test_boxes_become_outlines(tmp_path: Path) -> None:
    for name, text in (("a", "2 0.3 0.4 0.4 0.4"), ("b", "")):
        write_label(write_image(tmp_path / "images" / f"{name}.png"), text)
    write_image(tmp_path / "images" / "c.png")
    yolo_bbox2segment(tmp_path / "images", sam_model=fill_boxes)
    folder = tmp_path / "labels-segment"
    assert sorted(f.name for f in folder.iterdir()) == ["a.txt", "b.txt", "c.txt"]
    assert (folder / "b.txt").read_text() == (folder / "c.txt").read_text() == ""
    cls, *values = (folder / "a.txt").read_text().split()
    outline = np.array(values, float).reshape(-1, 2) * (60, 40)  # the pixels 6..29 and 8..23
    assert cls == "2"
    assert outline.min(0) == pytest.approx([6, 8], abs=1e-3)
    assert outline.max(0) == pytest.approx([29, 23], abs=1e-3)


def test_outlines_stay(tmp_path: Path) -> None:
    write_label(write_image(tmp_path / "images" / "a.png"), "0 0.1 0.1 0.9 0.1 0.9 0.9")
    yolo_bbox2segment(tmp_path / "images", sam_model=fill_boxes)
    assert not (tmp_path / "labels-segment").exists()


def test_pictures_are_annotated(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / "new" / f"{name}.png")
    auto_annotate(tmp_path / "new", find_square, fill_boxes, conf=0.4)
    (file,) = (tmp_path / "new_auto_annotate_labels").iterdir()
    assert file.name == "b.txt"
    cls, *values = file.read_text().split()
    assert cls == "3"
    assert len(values) == 8


def test_sam_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_label(write_image(tmp_path / "images" / "a.png"), "0 0.5 0.5 0.2 0.2")
    with pytest.raises(NotAvailable, match="SAM"):
        auto_annotate(tmp_path / "images", find_square)
    with pytest.raises(NotAvailable, match="SAM"):
        yolo_bbox2segment(tmp_path / "images")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["images", "labels"]


def test_bands(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 6, 3), (30, 60, 90), np.uint8))
    convert_to_multispectral(tmp_path, replace=True)
    assert [f.name for f in tmp_path.iterdir()] == ["a.tiff"]
    done, pages = cv2.imreadmulti(str(tmp_path / "a.tiff"), flags=cv2.IMREAD_UNCHANGED)
    assert done
    assert [int(page[0, 0]) for page in pages] == [8, 32, 56, 65, 70, 76, 82, 88, 94, 100]
    with pytest.raises(DatasetNotFound):
        convert_to_multispectral(tmp_path)  # nothing but TIFFs


def test_two_pictures_of_one_name(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        write_image(tmp_path / f"a.{suffix}")
    with pytest.raises(DatasetError, match="rename"):
        convert_to_multispectral(tmp_path)
    assert not list(tmp_path.glob("*.tiff"))


def test_labels_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("agg")
    from matplotlib import pyplot

    image = write_image(tmp_path / "images" / "a.png")
    label = write_label(image, "1 0.5 0.5 0.2 0.4")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    visualize_image_annotations(image, label, {1: "thing"})
    axes = pyplot.gca()
    box = axes.patches[0]
    assert (*box.get_xy(), box.get_width(), box.get_height()) == pytest.approx((24, 12, 12, 16))
    assert axes.texts[0].get_text() == "thing"
    assert axes.texts[0].get_color() == "black"  # on a bright colour
    pyplot.close("all")
