"""Validation of poses: similarities by arithmetic, the COCO numbers against pycocotools, files and refusals."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import DatasetError
from ultralytics.geometry.letterbox import scale_boxes
from ultralytics.models.yolo.pose import PoseValidator

Make = Callable[..., PoseValidator]
SIDE = 128


@pytest.fixture
def validator(dotted: Path, tmp_path: Path) -> Make:
    def make(kind: type[PoseValidator] = PoseValidator, **settings: Any) -> PoseValidator:
        args = {
            "data": str(dotted),
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


def test_a_reader_of_dots_is_perfect(validator: Make, reader: Any) -> None:
    one = validator()
    stats = one(model=reader())
    assert stats is not None
    assert stats["metrics/mAP50-95(P)"] == pytest.approx(0.995)
    assert stats["metrics/mAP50(B)"] == pytest.approx(0.995)
    assert stats["fitness"] == pytest.approx(
        stats["metrics/mAP50-95(P)"] + stats["metrics/mAP50-95(B)"]
    )
    assert one.metrics.pose.map == pytest.approx(0.995)
    assert one.metrics.coco_pose.ap == pytest.approx(1)
    assert one.metrics.coco.ap50 == pytest.approx(1)
    assert [*stats][4:8] == [
        f"metrics/{m}(P)" for m in ("precision", "recall", "mAP50", "mAP50-95")
    ]


def test_similarity_follows_the_formula(validator: Make, make_dotted: Any, reader: Any) -> None:
    sigma, shift = 0.05, 4.0
    data = make_dotted(
        sizes=[(SIDE, SIDE)] * 4, extra=f"kpt_oks_sigmas: [{sigma}, {sigma}, {sigma}]\n"
    )
    one = validator(data=str(data), save_json=True)
    stats = one(model=reader(shift=shift))
    assert stats is not None
    similarities = []
    for file in sorted((data.parent / "labels" / "val").glob("*.txt")):
        _, _, _, w, h, *_ = (float(word) for word in file.read_text().split())
        area = 0.53 * w * h * SIDE * SIDE
        similarities.append(math.exp(-2 * shift**2 / (2 * (2 * sigma) ** 2 * area)))
    limits = np.arange(10) * 0.05 + 0.5
    assert 0.5 < min(similarities) < max(similarities) < 0.95
    recalls = [np.mean(np.array(similarities) > limit) for limit in limits]
    counted = one.metrics.pose.all_ap[0]
    assert [ap > 0 for ap in counted] == [recall > 0 for recall in recalls]
    assert counted[0] == pytest.approx(0.995)
    full = [i for i, recall in enumerate(recalls) if recall in (0, 1)]
    assert [counted[i] for i in full] == pytest.approx([0.995 * recalls[i] for i in full])


class Noisy(PoseValidator):
    """Predicts labels with noise, and keeps what it hands to the COCO evaluation as COCO files."""

    rng: np.random.Generator

    def init_metrics(self, model: Any) -> None:
        super().init_metrics(model)
        self.rows: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.images = 0

    def preprocess(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.batch = batch
        return super().preprocess(batch)

    def postprocess(self, preds: Any) -> list[dict[str, torch.Tensor]]:
        found = []
        for si in range(len(self.batch["img"])):
            target = self._prepare_batch(si, self.batch)
            n = len(target["cls"])
            pick = torch.as_tensor(self.rng.integers(0, max(n, 1), 3 * n))
            boxes = target["bboxes"][pick]
            points = target["keypoints"][pick]
            size = (boxes[:, 2:] - boxes[:, :2]).mean(dim=1)
            spread = torch.as_tensor(self.rng.choice([0.02, 0.06, 0.2], 3 * n)).float() * size
            noise = torch.as_tensor(self.rng.normal(size=points[..., :2].shape)).float()
            points[..., :2] += noise * spread[:, None, None]
            points[..., 2] = torch.as_tensor(self.rng.random(points.shape[:2])).float()
            boxes = (
                boxes + torch.as_tensor(self.rng.normal(size=boxes.shape)).float() * spread[:, None]
            )
            conf = torch.as_tensor(self.rng.random(3 * n)).float().sort(descending=True)[0]
            found.append(
                {"bboxes": boxes, "conf": conf, "cls": target["cls"][pick], "keypoints": points}
            )
        return found

    def _add_to_coco(self, scaled: Any, pbatch: Any) -> None:
        super()._add_to_coco(scaled, pbatch)
        image = self.images
        self.images += 1
        known = self._on_original(pbatch["keypoints"], pbatch).double().numpy()
        rows = self._json_rows(scaled, pbatch)
        for row, score in zip(rows, scaled["conf"].double().tolist(), strict=True):
            self.rows.append({**row, "image_id": image, "score": score})
            del self.rows[-1]["bbox"]
        geometry = (pbatch["imgsz"], pbatch["bboxes"].clone(), pbatch["ori_shape"])
        boxes = scale_boxes(*geometry, ratio_pad=pbatch["ratio_pad"]).double().tolist()
        classes = pbatch["cls"].tolist()
        for (x1, y1, x2, y2), points, cls in zip(boxes, known, classes, strict=True):
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image,
                    "category_id": int(cls) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": 0.53 * (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "keypoints": points.ravel().tolist(),
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                }
            )


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random labels of 17 keypoints in two classes, some objects without a labelled point."""
    folder = tmp_path_factory.mktemp("crowded")
    rng = np.random.default_rng(7)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for i in range(12):
        height, width = (int(v) for v in rng.integers(90, 400, 2))
        cv2.imwrite(str(folder / f"images/{i:02d}.png"), np.full((height, width, 3), 80, np.uint8))
        lines = []
        for _ in range(int(rng.integers(0, 5))):
            size = rng.uniform(0.15, 0.7, 2)
            middle = rng.uniform(size / 2, 1 - size / 2)
            points = middle + (rng.random((17, 2)) - 0.5) * size
            flags = rng.integers(0, 3, 17) * (rng.random() < 0.8)
            points *= (flags > 0)[:, None]
            values = [*middle, *size, *np.column_stack((points, flags)).ravel()]
            lines.append(f"{rng.integers(0, 2)} " + " ".join(f"{v:.6g}" for v in values))
        (folder / f"labels/{i:02d}.txt").write_text("\n".join(lines))
    file = folder / "set.yaml"
    file.write_text("train: images\nval: images\nnames: [a, b]\nkpt_shape: [17, 3]\n")
    return file


@pytest.mark.parametrize("seed", range(3))
def test_the_ten_numbers_are_those_of_pycocotools(
    seed: int, validator: Make, crowded: Path, reader: Any
) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    cocoeval_module = pytest.importorskip("pycocotools.cocoeval")
    Noisy.rng = np.random.default_rng(seed)
    one: Any = validator(Noisy, data=str(crowded), imgsz=256)
    model = reader()
    model.names, model.kpt_shape = {0: "a", 1: "b"}, [17, 3]
    model.forward = lambda im, **_: torch.zeros(len(im), 1, 57)
    one(model=model)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_module.COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(one.images)],
            "annotations": one.annotations,
            "categories": [{"id": 1}, {"id": 2}],
        }
        truth.createIndex()
        judge = cocoeval_module.COCOeval(truth, truth.loadRes(one.rows), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert 0.1 < judge.stats[0] < 0.9
    assert one.metrics.coco_pose.stats == pytest.approx(list(judge.stats), abs=1e-9)


@pytest.mark.slow
def test_files_of_a_validation(validator: Make, reader: Any, tmp_path: Path) -> None:
    one = validator(plots=True, save_json=True, save_txt=True)
    stats = one(model=reader())
    assert stats is not None
    run = tmp_path / "run"
    kinds = [
        f"{title}{curve}_curve.png" for title in ("Box", "Pose") for curve in ("PR", "F1", "P", "R")
    ]
    batches = [f"val_batch{i}_{kind}.jpg" for i in (0, 1) for kind in ("labels", "pred")]
    assert {*kinds, *batches, "confusion_matrix.png", "predictions.json"} <= {
        p.name for p in run.iterdir()
    }
    sizes = [f"metrics/mAP_{size}(P)" for size in ("medium", "large")]
    assert [stats[key] for key in sizes] == [
        one.metrics.coco_pose.ap_medium,
        one.metrics.coco_pose.ap_large,
    ]


def test_result_rows_are_in_pixels_of_the_original(
    validator: Make, reader: Any, tmp_path: Path
) -> None:
    one = validator(save_json=True)
    one(model=reader())
    run = tmp_path / "run"
    rows = json.loads((run / "predictions.json").read_text())
    assert len(rows) == 6
    for row in rows:
        assert set(row) == {"image_id", "file_name", "category_id", "bbox", "score", "keypoints"}
        line = (Path(one.data["path"]) / "labels" / "val" / f"{row['image_id']}.txt").read_text()
        shape = cv2.imread(str(Path(one.data["path"]) / "images" / "val" / row["file_name"])).shape
        known = np.array(line.split()[5:], float).reshape(3, 3)[:, :2] * shape[1::-1]
        found = np.reshape(row["keypoints"], (3, 3))
        assert np.abs(found[:, :2] - known).max() < 0.25
        assert found[:, 2] == pytest.approx(0.97)


def test_label_files_give_back_the_same_objects(
    validator: Make, reader: Any, tmp_path: Path, dotted: Path
) -> None:
    one = validator(save_txt=True)
    one(model=reader())
    written = tmp_path / "again" / "labels" / "val"
    written.parent.mkdir(parents=True)
    (tmp_path / "run" / "labels").rename(written)
    (tmp_path / "again" / "images").symlink_to(dotted.parent / "images")
    (tmp_path / "again" / "set.yaml").write_text(dotted.read_text())
    old, new = (
        build_yolo_dataset(one.args, data["val"], 1, data, mode="val")
        for data in (check_det_dataset(f) for f in (dotted, tmp_path / "again" / "set.yaml"))
    )
    assert len(new) == len(old) == 6
    for known, read in zip(old.labels, new.labels, strict=True):
        assert read["cls"].tolist() == known["cls"].tolist()
        height, width = known["shape"]
        places = np.abs(read["keypoints"] - known["keypoints"])[..., :2] * (width, height)
        assert places.max() < 0.25
        assert (read["keypoints"][..., 2] > 0).all()
        sides = np.abs(read["bboxes"] - known["bboxes"]) * (width, height, width, height)
        assert sides.max() < 3  # the reader sees whole pixels of the network input


class Capturing(PoseValidator):
    """Keeps what it would draw."""

    def _draw_batch(self, batch: Any, labels: Any, name: str) -> None:
        kept = {key: labels[key].clone() for key in ("keypoints", "batch_idx")}
        vars(self).setdefault("drawn", {})[name] = {**kept, "size_hw": batch["img"].shape[2:]}

    def get_stats(self) -> dict[str, Any]:
        self._draws = False
        return super().get_stats()


def test_predictions_are_drawn_where_the_targets_are(validator: Make, reader: Any) -> None:
    one: Any = validator(Capturing, plots=True)
    one(model=reader())
    targets, found = (one.drawn[f"val_batch0_{kind}.jpg"] for kind in ("labels", "pred"))
    assert targets["batch_idx"].tolist() == found["batch_idx"].tolist() == [0, 1, 2]
    height, width = found["size_hw"]
    places = targets["keypoints"][..., :2] * torch.tensor([width, height])
    assert (found["keypoints"][..., :2] - places).abs().max() < 0.25


def test_keypoints_of_data_and_network_must_agree(validator: Make, reader: Any) -> None:
    model = reader()
    model.kpt_shape = [17, 3]
    with pytest.raises(DatasetError, match=r"shape \[3, 3\], the network of shape \[17, 3\]"):
        validator()(model=model)


@pytest.mark.parametrize(
    ("extra", "kind", "words"),
    [
        ("kpt_oks_sigmas: [0.1]\n", ValueError, "kpt_oks_sigmas must be 3 positive numbers"),
        ("kpt_names: {0: [a, b]}\n", ValueError, "lists of 3 names"),
        ("flip_idx: [1, 2, 0]\n", ValueError, "in pairs"),
        ("kpt_shape: [3, 4]\n", ValueError, "kpt_shape"),
        ("kpt_shape:\n", KeyError, "no kpt_shape"),
    ],
)
def test_unusable_descriptions_are_refused(
    extra: str, kind: type[Exception], words: str, validator: Make, dotted: Path, reader: Any
) -> None:
    key = extra.split(":")[0]
    lines = [line for line in dotted.read_text().splitlines() if not line.startswith(key)]
    file = dotted.with_name(f"bad-{abs(hash(extra))}.yaml")
    file.write_text("\n".join([*lines, extra]))
    with pytest.raises(kind, match=words) as caught:
        validator(data=str(file))(model=reader())
    assert isinstance(caught.value, DatasetError)


def test_one_class_for_all(validator: Make, reader: Any, make_dotted: Any) -> None:
    data = make_dotted(names="[thing, other]")
    for file in (data.parent / "labels" / "val").glob("*.txt"):
        file.write_text("1" + file.read_text()[1:])
    model = reader()
    model.names = {0: "thing", 1: "other"}
    plain = validator(data=str(data))(model=model)
    alike = validator(data=str(data), single_cls=True)(model=model)
    assert plain is not None
    assert alike is not None
    assert plain["metrics/mAP50(P)"] == 0
    assert alike["metrics/mAP50(P)"] == pytest.approx(0.995)
