"""Samples with class maps: alignment under every transform, filters, caches, polygons, loaders."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.drawn import COLOURS, SIZES, drawn_map
from ultralytics.data import PolygonSemanticDataset, SemanticDataset, build_dataloader
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import NotAvailable

Build = Callable[..., Any]
Write = Callable[..., Path]
NO_COLOUR = {"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
FILL = 114


def classes_seen(image: torch.Tensor) -> np.ndarray:
    """Class each pixel of an RGB image shows; 255 for the fill, -1 between two colours."""
    pixels = image.permute(1, 2, 0).numpy().astype(int)
    colours = np.concatenate((COLOURS[:3, ::-1].astype(int), np.full((1, 3), FILL)))
    away = np.abs(pixels[:, :, None] - colours).max(-1)
    ids = np.array([0, 1, 2, 255])[away.argmin(-1)]
    return np.where(away.min(-1) <= 3, ids, -1)


def agreement(sample: dict[str, Any]) -> tuple[float, float]:
    """Share of pixels that clearly show a class and have it in the map, and share of those pixels."""
    seen, mask = classes_seen(sample["img"]), sample["semantic_mask"].numpy()
    sure = seen >= 0
    return float((seen == mask)[sure].mean()), float(sure.mean())


def test_validation_samples_are_the_files(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), imgsz=64)
    assert type(dataset) is SemanticDataset
    for i, (height, width) in enumerate(SIZES):
        if max(height, width) != 64:
            continue
        mask = dataset[i]["semantic_mask"].numpy()
        top = (64 - height) // 2
        assert (mask[top : top + height] == drawn_map(i, height, width)).all()
        assert (mask[:top] == 255).all()
    sample = dataset[0]
    assert sample["semantic_mask"].dtype == torch.int32
    assert sorted(sample) == [
        *("im_file", "img", "mask_file", "mode", "ori_shape", "ratio_pad", "semantic_mask")
    ]


GEOMETRY = {
    "flips": {"fliplr": 1.0, "flipud": 1.0},
    "affine": {"degrees": 20.0, "shear": 5.0, "scale": 0.4, "translate": 0.2},
    "perspective": {"perspective": 0.001},
    "mosaic": {"mosaic": 1.0},
    "mosaic and affine": {"mosaic": 1.0, "degrees": 10.0, "scale": 0.5, "fliplr": 0.5},
    "cutmix": {"cutmix": 1.0},
}


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("imgsz", [64, 96])
def test_image_and_map_stay_aligned(write_ids: Write, build: Build, name: str, imgsz: int) -> None:
    still = {"mosaic": 0.0, "translate": 0.0, "scale": 0.0, "fliplr": 0.0}
    settings = {**NO_COLOUR, **still, **GEOMETRY[name]}
    dataset = build(write_ids(), "train", imgsz=imgsz, **settings)
    random.seed(0)
    np.random.seed(0)
    for i in range(len(dataset)):
        dataset[i]
    results = [agreement(dataset[i]) for i in range(len(dataset)) for _ in range(3)]
    right, sure = np.mean(results, axis=0)
    assert sure > 0.6  # pixels between two levels are at borders only
    assert right > 0.997


def test_mixup_keeps_the_map_of_the_larger_share(write_ids: Write, build: Build) -> None:
    settings = {**NO_COLOUR, "mosaic": 0.0, "mixup": 1.0, "scale": 0.0, "translate": 0.0}
    sample = build(write_ids(), "train", **settings)[0]
    assert sample["semantic_mask"].shape == sample["img"].shape[1:]
    assert set(sample["semantic_mask"].unique().tolist()) <= {0, 1, 2, 255}


def test_training_loads_the_short_side(write_ids: Write, build: Build) -> None:
    path = write_ids()
    train, val = build(path, "train", imgsz=32), build(path, "val", imgsz=32)
    assert train.load_image(0)[2] == (32, 43)
    assert val.load_image(0)[2] == (24, 32)


def test_maps_in_a_cache_are_not_changed_by_transforms(write_ids: Write, build: Build) -> None:
    settings = {"mosaic": 0.0, "cutmix": 1.0, "scale": 0.0, "translate": 0.0, "degrees": 0.0}
    dataset = build(write_ids(), "train", imgsz=64, cache="ram", **settings)
    before = [dataset.get_image_and_label(i)["semantic_mask"].copy() for i in range(4)]
    for _ in range(5):
        for i in range(4):
            dataset[i]
    for i, kept in enumerate(before):
        assert (dataset.get_image_and_label(i)["semantic_mask"] == kept).all()


def test_ram_cache_gives_what_files_give(write_ids: Write, build: Build) -> None:
    path = write_ids()
    plain, cached = build(path), build(path, cache="ram")
    for i in range(4):
        assert (plain[i]["semantic_mask"] == cached[i]["semantic_mask"]).all()
        assert (plain[i]["img"] == cached[i]["img"]).all()


def test_label_mapping_is_applied_and_inverted(write_ids: Write, build: Build) -> None:
    path = write_ids(
        change=lambda i, ids: np.array([7, 9, 33], np.uint8)[ids],
        extra="label_mapping: {7: 0, 9: 2, 33: ignore_label, 4: 1}\n",
    )
    dataset = build(path, imgsz=64)
    mask = dataset[0]["semantic_mask"].numpy()[8:56]
    expected = np.array([0, 2, 255])[drawn_map(0, 48, 64)]
    assert (mask == expected).all()
    back = dataset.convert_label(np.array([[0, 2]], np.uint8), inverse=True)
    assert back.tolist() == [[7, 9]]


def test_classes_filter(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), imgsz=64, classes=[2])
    mask = dataset[0]["semantic_mask"].numpy()[8:56]
    ids = drawn_map(0, 48, 64)
    assert (mask == np.where(ids == 2, 2, 255)).all()


def test_one_class_ignores_the_filter(
    write_ids: Write, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_ids(
        classes=1, change=lambda i, ids: (drawn_map(i, *ids.shape) > 0).astype(np.uint8)
    )
    with caplog.at_level("WARNING"):
        dataset = build(path, imgsz=64, classes=[0])
    assert "no effect on a single class" in caplog.text
    assert set(dataset[0]["semantic_mask"].unique().tolist()) == {0, 1, 255}
    drawn = sum(int((drawn_map(i, *SIZES[i]) > 0).sum()) for i in range(4))
    assert dataset.pixel_counts().tolist() == [drawn]


def test_single_cls_is_refused(write_ids: Write, build: Build) -> None:
    with pytest.raises(NotAvailable, match="single_cls"):
        build(write_ids(), single_cls=True)


def test_pixels_are_counted_in_the_files(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids())
    expected = sum(
        np.bincount(drawn_map(i, *size).ravel(), minlength=3) for i, size in enumerate(SIZES)
    )
    assert dataset.pixel_counts().tolist() == expected.tolist()


def test_labels_know_their_masks_in_every_order(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), rect=True)
    for i, file in enumerate(dataset.im_files):
        record = dataset.labels[i]
        assert Path(record["mask_file"]).name == Path(file).name
        assert record["mode"] == "L"
        assert record["cls"].shape == (0, 1)
    again = pickle.loads(pickle.dumps(dataset))
    assert again.mask_files == dataset.mask_files
    assert (again[1]["semantic_mask"] == dataset[1]["semantic_mask"]).all()


def test_batches(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), "train", imgsz=64)
    loader = build_dataloader(dataset, 2, 0, shuffle=True, device="cpu")
    first = [batch["semantic_mask"].clone() for batch in loader]
    assert [tuple(mask.shape) for mask in first] == [(2, 64, 64)] * 2
    loader.set_epoch(0)
    for one, other in zip(first, loader, strict=True):
        assert (one == other["semantic_mask"]).all()


def test_closing_the_mosaic(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), "train", **NO_COLOUR)
    dataset.close_mosaic(dataset.hyp)
    sample = dataset[0]
    assert sample["semantic_mask"].shape == (64, 64)
    assert "cls" not in sample


# ---------------------------------------------------------------------------------------- polygons


def polygon_set(folder: Path, classes: int = 2) -> Path:
    """Two overlapping rectangles, the smaller one listed first."""
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        cv2.imwrite(str(folder / "images" / split / "a.png"), np.zeros((40, 80, 3), np.uint8))
        cv2.imwrite(str(folder / "images" / split / "b.png"), np.zeros((40, 80, 3), np.uint8))
        rows = (
            f"{classes - 1} 0.5 0.25 0.75 0.25 0.75 0.5 0.5 0.5\n"
            "0 0.25 0.25 0.875 0.25 0.875 0.75 0.25 0.75\n"
        )
        (folder / "labels" / split / "a.txt").write_text(rows)
    path = folder / "polygons.yaml"
    names = [f"class {i}" for i in range(classes)]
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: {names}\n")
    return path


@pytest.mark.parametrize("classes", [1, 2])
def test_polygons_are_drawn(tmp_path: Path, build: Build, classes: int) -> None:
    path = polygon_set(tmp_path, classes)
    data = check_det_dataset(str(path))
    dataset = build(path, imgsz=80, data=data)
    assert type(dataset) is PolygonSemanticDataset
    mask = dataset[0]["semantic_mask"].numpy()[20:60]
    outside, large, small = (0, 1, 1) if classes == 1 else (2, 0, 1)
    expected = np.full((40, 80), outside, np.uint8)
    cv2.rectangle(expected, (20, 10), (70, 30), large, -1)
    cv2.rectangle(expected, (40, 10), (60, 20), small, -1)
    assert (mask == expected).all()
    background = dataset[1]["semantic_mask"].numpy()[20:60]
    assert (background == outside).all()
    assert data["nc"] == (1 if classes == 1 else 3)
    assert len(dataset.pixel_counts()) == data["nc"]
    build(path, data=data)
    assert data["nc"] == (1 if classes == 1 else 3)


def test_polygons_move_with_the_image(tmp_path: Path, build: Build) -> None:
    path = polygon_set(tmp_path)
    dataset = build(path, "train", imgsz=80, mosaic=0.0, scale=0.0, translate=0.0, fliplr=1.0)
    still = build(path, "train", imgsz=80, mosaic=0.0, scale=0.0, translate=0.0, fliplr=0.0)
    assert (dataset[0]["semantic_mask"].flip(1) == still[0]["semantic_mask"]).all()


def test_polygons_and_classes_filter(tmp_path: Path, build: Build) -> None:
    dataset = build(polygon_set(tmp_path), imgsz=80, classes=[1])
    assert set(dataset[0]["semantic_mask"].unique().tolist()) == {1, 2, 255}


def test_copy_paste_moves_outlines_and_ids_together(tmp_path: Path, build: Build) -> None:
    path = polygon_set(tmp_path)
    rows = "1 0.05 0.1 0.3 0.1 0.3 0.6 0.05 0.6\n"
    (tmp_path / "labels" / "train" / "a.txt").write_text(rows)
    still = {"mosaic": 0.0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, **NO_COLOUR}
    plain = build(path, "train", imgsz=80, **still)[0]["semantic_mask"]
    pasted = build(path, "train", imgsz=80, copy_paste=1.0, **still)[0]["semantic_mask"]
    ones = int((plain == 1).sum())
    assert ones > 0
    assert int((pasted == 1).sum()) == pytest.approx(2 * ones, rel=0.1)


def test_boxes_cannot_be_drawn(tmp_path: Path, build: Build) -> None:
    path = polygon_set(tmp_path)
    (tmp_path / "labels" / "val" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(ValueError, match="semantic needs a polygon"):
        build(path)


# --------------------------------------------------------------------------------- in one piece


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)


MOVES = {
    "still": {"mosaic": 0.0, "scale": 0.0, "translate": 0.0},
    "default": {},
    "flipped": {"fliplr": 1.0, "flipud": 0.5, "mosaic": 0.5},
    "turned": {"degrees": 15.0, "shear": 4.0, "flipud": 0.5},
    "far away": {"scale": (0.2, 0.4)},
}


@pytest.mark.parametrize("name", MOVES)
def test_one_piece_gives_what_the_steps_give(write_ids: Write, build: Build, name: str) -> None:
    from ultralytics.data.augment.fast_semantic import FastSemanticPipeline

    dataset = build(write_ids(), "train", imgsz=64, cache="ram", **MOVES[name])
    pipeline = FastSemanticPipeline(dataset, 64, dataset.hyp)
    pipeline.exact = True  # no snapping to whole pixels
    for seed in range(6):
        seeded(seed)
        one = pipeline(seed % 4)
        seeded(seed)
        other = dataset.transforms(dataset.get_image_and_label(seed % 4))
        assert sorted(one) == sorted(other)
        same = (one["semantic_mask"] == other["semantic_mask"]).float().mean()
        assert same > 0.999  # ties between two pixels may fall either way
        assert one["semantic_mask"].dtype == torch.int32
        away = (one["img"].int() - other["img"].int()).abs().float()
        assert away.mean() < 0.6


def test_which_sets_use_one_piece(write_ids: Write, build: Build) -> None:
    from ultralytics.data.augment.fast_semantic import FastSemanticPipeline

    path = write_ids()
    used = lambda dataset: type(dataset._pipeline((-1, 0)))
    assert used(build(path, "train")) is FastSemanticPipeline
    assert used(build(path, "val")) is type(None)
    for setting in ({"cutmix": 0.5}, {"mixup": 0.5}, {"perspective": 0.001}):
        assert used(build(path, "train", **setting)) is type(None)
    edited = build(path, "train")
    edited.transforms.insert(0, lambda sample: sample)
    assert used(edited) is type(None)

    class Mine(SemanticDataset):
        def get_image_and_label(self, index: int) -> Any:
            return {**super().get_image_and_label(index), "mine": 1}

    plain = build(path, "train")
    mine = Mine(
        img_path=str(path.parent / "images" / "train"), imgsz=64, data=plain.data, task="semantic"
    )
    assert used(mine) is type(None)
    assert mine[0]["mine"] == 1


def test_snapped_samples_stay_aligned(write_ids: Write, build: Build) -> None:
    dataset = build(write_ids(), "train", imgsz=96, **NO_COLOUR)
    seeded(1)
    for i in range(4):
        dataset[i]
    right, sure = np.mean([agreement(dataset[i % 4]) for i in range(24)], axis=0)
    assert sure > 0.6
    assert right > 0.997


def test_polygons_in_one_piece(tmp_path: Path, build: Build) -> None:
    from ultralytics.data.augment.fast_semantic import FastSemanticPipeline

    dataset = build(polygon_set(tmp_path), "train", imgsz=64)
    assert type(dataset._pipeline((-1, 0))) is FastSemanticPipeline
    sample = dataset[0]
    assert set(sample["semantic_mask"].unique().tolist()) <= {0, 1, 2, 255}
    assert "mask_file" not in sample
