"""Validation of masks: against plain dense arithmetic, against pycocotools, and what is written."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import NotAvailable
from ultralytics.models.yolo.segment import SegmentationValidator

from .conftest import COUNT, SIZES_HW, ellipses

SIDE = 160
Make = Callable[..., SegmentationValidator]


@pytest.fixture
def validator(ellipse_set: Path, tmp_path: Path) -> Make:
    def make(
        kind: type[SegmentationValidator] = SegmentationValidator, **settings: Any
    ) -> SegmentationValidator:
        args = {
            "data": str(ellipse_set),
            "imgsz": SIDE,
            "batch": 3,
            "device": "cpu",
            "workers": 0,
            "plots": False,
            "mode": "val",
            "nms": False,
        }
        return kind(args=args | settings, save_dir=tmp_path / "run")

    return make


@pytest.mark.parametrize("files", [False, True])
@pytest.mark.parametrize("rect", [False, True])
def test_a_reader_of_masks_finds_everything(
    validator: Make, mask_reader: Any, files: bool, rect: bool
) -> None:
    one = validator(save_json=files, save_txt=files, rect=rect)
    assert one.args.task == "segment"
    stats = one(model=mask_reader())
    assert stats is not None
    metrics = one.metrics
    keys = [
        f"metrics/{name}({letter})"
        for letter in "BM"
        for name in ("precision", "recall", "mAP50", "mAP50-95")
    ]
    assert list(metrics.results_dict) == [*keys, "fitness"]
    assert set(stats) >= {*keys, "fitness"}
    assert metrics.seg.map50 == metrics.seg.map75 == pytest.approx(0.995)
    assert metrics.seg.map > 0.85
    assert len(metrics.seg.maps) == 2
    assert metrics.fitness == pytest.approx(metrics.box.map + metrics.seg.map)
    assert metrics.nt_per_class.sum() == COUNT
    assert (metrics.coco_seg.ap50, metrics.coco_seg.ap75) == (1, 1)
    assert metrics.coco_seg.ap > 0.85
    assert "Mask(P" in one.get_desc()


class Recorder(SegmentationValidator):
    """Keeps what was compared, and the matches."""

    def _process_batch(self, preds: Any, batch: Any) -> dict[str, Any]:
        found = super()._process_batch(preds, batch)
        if not hasattr(self, "cases"):
            self.cases: list[Any] = []
        self.cases.append((preds, batch, found["tp_m"]))
        return found


def dense_matches(preds: Any, batch: Any, size_hw: tuple[int, int]) -> list[list[bool]]:
    """Whole masks at a size, their overlap as a matrix product, and greedy matching pair by pair."""
    height, width = batch["imgsz"]
    logits = torch.einsum("nc,chw->nhw", preds["coefficients"], preds["proto"])
    masks = F.interpolate(logits[None], size_hw, mode="bilinear")[0] > 0
    scale = torch.tensor([size_hw[1] / width, size_hw[0] / height] * 2)
    ys, xs = torch.meshgrid(torch.arange(size_hw[0]), torch.arange(size_hw[1]), indexing="ij")
    for mask, (x1, y1, x2, y2) in zip(masks, preds["bboxes"] * scale, strict=True):
        mask &= (xs >= x1) & (xs < x2) & (ys >= y1) & (ys < y2)
    targets = torch.as_tensor(np.asarray(batch["masks"])).float()
    targets = (F.interpolate(targets[None], size_hw, mode="bilinear")[0] > 0.5).float()
    a, b = targets.flatten(1).double(), masks.flatten(1).double()
    shared = a @ b.T
    overlap = shared / (a.sum(1)[:, None] + b.sum(1) - shared)
    rows = []
    taken: set[tuple[int, int]] = set()
    for n, cls in enumerate(preds["cls"].tolist()):
        row = []
        for t, limit in enumerate(np.arange(0.5, 1, 0.05)):
            free = [
                (float(overlap[m, n]), -m)
                for m, target in enumerate(batch["cls"].tolist())
                if target == cls and (t, m) not in taken
            ]
            value, place = max(free, default=(0.0, 0))
            row.append(value >= limit)
            if value >= limit:
                taken.add((t, -place))
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ({}, False),
        ({"save_json": True}, True),
        ({"save_txt": True, "overlap_mask": False, "rect": True}, True),
        ({"mask_ratio": 2}, False),
    ],
)
def test_masks_are_matched_as_whole_maps_would_be(
    validator: Make, mask_reader: Any, settings: dict[str, Any], whole: bool
) -> None:
    one = validator(Recorder, **settings)
    one(model=mask_reader(shaken=True))
    cases = [case for case in one.cases if len(case[0]["cls"]) and len(case[1]["cls"])]
    assert len(cases) == len(SIZES_HW) - 1
    total = 0
    for preds, batch, got in cases:
        size = batch["imgsz"] if whole else preds["proto"].shape[1:]
        assert got.tolist() == dense_matches(preds, batch, tuple(size))
        total += int(got.sum())
    assert 0 < total < sum(got.size for *_, got in cases) / 2


def annotations_of(index: int) -> list[dict[str, Any]]:
    coder = pytest.importorskip("pycocotools.mask")
    rows = []
    for cls, outline in ellipses(index):
        height, width = SIZES_HW[index]
        # the label file holds eight decimals of a fraction
        points = np.float32(np.round(outline / (width, height), 8)).astype(float) * (width, height)
        rle = coder.frPyObjects([points.reshape(-1).tolist()], height, width)[0]
        rows.append(
            {
                "id": 2 * index + len(rows) + 1,
                "image_id": index,
                "category_id": cls + 1,
                "segmentation": rle,
                "area": float(coder.area(rle)),
                "iscrowd": 0,
            }
        )
    return rows


@pytest.fixture
def truth() -> dict[str, Any]:
    return {
        "images": [{"id": i, "height": h, "width": w} for i, (h, w) in enumerate(SIZES_HW)],
        "annotations": [row for i in range(len(SIZES_HW)) for row in annotations_of(i)],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}],
    }


def judged_by_pycocotools(truth: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = coco.COCO()
        annotations.dataset = truth
        annotations.createIndex()
        evaluation = cocoeval.COCOeval(annotations, annotations.loadRes(rows), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats)


@pytest.mark.parametrize("save_json", [False, True])
def test_coco_numbers_are_those_of_pycocotools(
    validator: Make, mask_reader: Any, truth: dict[str, Any], save_json: bool, tmp_path: Path
) -> None:
    files = validator(save_json=True)
    stats = files(model=mask_reader(shaken=True))
    rows = json.loads((tmp_path / "run" / "predictions.json").read_text())
    assert set(rows[0]) == {
        "image_id", "file_name", "category_id", "bbox", "score", "segmentation",
    }  # fmt: skip
    assert stats is not None
    assert stats["metrics/mAP_large(M)"] == files.metrics.coco_seg.ap_large
    one = validator(save_json=save_json)
    one(model=mask_reader(shaken=True))
    bare = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    expected = judged_by_pycocotools(truth, bare)
    assert one.metrics.coco_seg.stats == pytest.approx(expected, abs=1e-9)
    assert 0.3 < expected[0] < 0.95


def test_an_annotation_file_decides(
    validator: Make, mask_reader: Any, truth: dict[str, Any], tmp_path: Path
) -> None:
    one = validator(save_json=True)
    stats = one(model=mask_reader(shaken=True))
    one.is_coco = True
    stats = one.coco_evaluate(stats, one.jdict, truth, "segm", "Mask")
    expected = judged_by_pycocotools(truth, one.jdict)
    assert one.metrics.coco_seg.stats == pytest.approx(expected, abs=1e-9)
    assert stats["metrics/mAP50-95(M)"] == pytest.approx(expected[0], abs=1e-9)
    assert stats["fitness"] == pytest.approx(0.9 * expected[0] + 0.1 * expected[1], abs=1e-9)
    with pytest.raises(NotAvailable, match="keypoints"):
        one.coco_evaluate(stats, one.jdict, truth, "keypoints")


def test_masks_of_rows_lie_on_the_objects(
    validator: Make, mask_reader: Any, truth: dict[str, Any]
) -> None:
    coder = pytest.importorskip("pycocotools.mask")
    one = validator(save_json=True, rect=True)
    one(model=mask_reader())
    assert len(one.jdict) == COUNT
    for target in truth["annotations"]:
        own = [
            row["segmentation"]
            for row in one.jdict
            if row["image_id"] == target["image_id"] and row["category_id"] == target["category_id"]
        ]
        overlap = coder.iou(own, [target["segmentation"]], [0])
        assert overlap.max() > 0.93


def objects_of(data: Path) -> list[list[tuple[int, Any]]]:
    """Class and filled outline of the objects of each picture of a set."""
    description = check_det_dataset(str(data))
    from ultralytics.cfg import get_cfg

    cfg = get_cfg(overrides={"task": "segment", "imgsz": SIDE})
    dataset = build_yolo_dataset(cfg, description["val"], 1, description, mode="val")
    found = []
    for label in dataset.labels:
        height, width = label["shape"]
        listed = []
        for cls, outline in zip(label["cls"].reshape(-1), label["segments"], strict=True):
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [np.round(outline * (width, height)).astype(np.int32)], 1)
            listed.append((int(cls), mask))
        found.append(listed)
    return found


def test_written_labels_give_back_the_objects(
    validator: Make, mask_reader: Any, ellipse_set: Path, tmp_path: Path
) -> None:
    validator(save_txt=True)(model=mask_reader())
    again = tmp_path / "again"
    (again / "images").mkdir(parents=True)
    (again / "images" / "val").symlink_to(ellipse_set.parent / "images" / "val")
    (again / "labels").mkdir()
    (tmp_path / "run" / "labels").rename(again / "labels" / "val")
    (again / "set.yaml").write_text(ellipse_set.read_text())
    before, after = objects_of(ellipse_set), objects_of(again / "set.yaml")
    assert [len(x) for x in before] == [len(x) for x in after]
    compared = 0
    for old, new in zip(before, after, strict=True):
        for cls, mask in old:
            overlaps = [(m & mask).sum() / (m | mask).sum() for c, m in new if c == cls]
            assert max(overlaps) > 0.93
            compared += 1
    assert compared == COUNT


@pytest.mark.slow
def test_pictures_are_drawn(validator: Make, mask_reader: Any, tmp_path: Path) -> None:
    one = validator(plots=True)
    one(model=mask_reader())
    drawn = {file.name for file in (tmp_path / "run").iterdir()}
    assert {
        f"{kind}{curve}_curve.png" for kind in ("Box", "Mask") for curve in ("PR", "F1", "P", "R")
    } < drawn
    assert {"confusion_matrix.png", "val_batch0_labels.jpg", "val_batch0_pred.jpg"} < drawn
    labels, pred = (
        cv2.imread(str(tmp_path / "run" / f"val_batch0_{name}.jpg")) for name in ("labels", "pred")
    )
    # targets and predictions are the same, so the pictures differ by captions alone
    assert (np.abs(labels.astype(int) - pred).max(2) > 60).mean() < 0.06
    blended = np.abs(pred.astype(int) - (255, 0, 4)).sum(
        2
    )  # BGR of the first palette colour is FF2A04
    assert blended.min() < 300


def test_a_data_set_without_label_records_has_no_coco_numbers_of_masks(
    validator: Make, mask_reader: Any
) -> None:
    class Bare(SegmentationValidator):
        def build_dataset(self, *args: Any, **kwargs: Any) -> Any:
            dataset = super().build_dataset(*args, **kwargs)
            samples = [dataset[i] for i in range(len(dataset))]

            class Samples(list[Any]):
                im_files = dataset.im_files
                collate_fn = staticmethod(dataset.collate_fn)

            return Samples(samples)

        @staticmethod
        def _check_max_det(args: Any, datasets: Any) -> None:
            """Counts label records."""

    one = validator(Bare)
    one(model=mask_reader())
    assert one.metrics.coco_seg is None
    assert one.metrics.seg.map50 == pytest.approx(0.995)
    assert one.metrics.coco.ap50 == 1


def test_one_class_mode_matches_any_class(validator: Make, mask_reader: Any) -> None:
    one = validator(single_cls=True)
    one(model=mask_reader())
    assert one.metrics.seg.map50 == pytest.approx(0.995)
    assert one.metrics.coco_seg.ap50 == 1
    assert one.metrics.nt_per_class.tolist() == [COUNT, 0]


def _rank(rank: int, file: str, folder: str, out: str) -> None:
    """Half of a validation in its own process."""
    import torch.distributed as dist

    from tests.models.segment.conftest import MaskReader
    from ultralytics.models.yolo.segment import SegmentationValidator

    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)

    class Half(SegmentationValidator):
        def update_metrics(self, preds: Any, batch: Any) -> None:
            if self.batch_i % 2 == rank:
                super().update_metrics(preds, batch)

    args = {"data": file, "imgsz": SIDE, "batch": 2, "device": "cpu", "workers": 0, "nms": False}
    one = Half(args={**args, "plots": False, "mode": "val"}, save_dir=Path(folder) / str(rank))
    stats = one(model=MaskReader(shaken=True))
    if rank == 0:
        Path(out).write_text(json.dumps([stats, one.seen]))
    dist.destroy_process_group()


@pytest.mark.slow
def test_ranks_together_measure_what_one_measures(
    validator: Make,
    mask_reader: Any,
    ellipse_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "stats.json"
    context = torch.multiprocessing.get_context("spawn")
    ranks = []
    for rank in range(2):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(rank))
        arguments = (rank, str(ellipse_set), str(tmp_path), str(out))
        ranks.append(context.Process(target=_rank, args=arguments))
        ranks[-1].start()
    for process in ranks:
        process.join(120)
    assert [process.exitcode for process in ranks] == [0, 0]
    stats, seen = json.loads(out.read_text())
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name)
    whole = validator(batch=2)(model=mask_reader(shaken=True))
    assert stats == pytest.approx(whole)
    assert seen == len(SIZES_HW)
