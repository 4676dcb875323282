"""YOLODataset: files, labels, pixels, caches, rectangles, samples."""

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.data.conftest import MakeSet, write_image
from ultralytics.cfg import get_cfg
from ultralytics.data import YOLOConcatDataset, YOLODataset, build_yolo_dataset
from ultralytics.data.base import BaseDataset, batch_shapes
from ultralytics.data.images import resized_hw
from ultralytics.data.samplers import SampleIndex
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import DatasetError, DatasetNotFound

MakeDataset = Callable[..., YOLODataset]


@pytest.fixture
def make_dataset(make_set: MakeSet) -> MakeDataset:
    """Write a set (once) and build a data set on it; keywords are settings."""
    described: list[Path] = []

    def make(
        mode: str = "val", rect: bool = False, batch: int = 2, sizes: Any = None, **settings: Any
    ) -> YOLODataset:
        if not described:
            described.append(make_set(*([sizes] if sizes else [])))
        data = check_det_dataset(described[0])
        cfg = get_cfg(overrides={"task": "detect", "imgsz": 64, **settings})
        return build_yolo_dataset(cfg, data[mode], batch, data, mode=mode, rect=rect)

    return make


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in ("img", "cls", "bboxes"))


# ---------------------------------------------------------------------------------------- files


def test_images_of_folders_and_lists(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset()
    write_image(tmp_path / "images" / "val" / ".hidden.png")
    write_image(tmp_path / "images" / "val" / "deep" / "er" / "X.JPG")
    (tmp_path / "images" / "val" / "note.txt").write_text("no image")
    names = [Path(file).name for file in dataset.get_img_files(str(tmp_path / "images" / "val"))]
    assert names == ["X.JPG", *(f"im{i}.png" for i in range(6))]
    listing = tmp_path / "images" / "list.txt"
    listing.write_text(
        f"\ufeff./val/im1.png\n{tmp_path}/images/val/im0.png\n./val/note.txt\n\n", encoding="utf-8"
    )
    found = dataset.get_img_files([str(listing)])
    assert found == [f"{tmp_path}/images/val/im{i}.png" for i in range(2)]


def test_an_empty_or_missing_folder(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images found in .*empty"):
        dataset.get_img_files(str(tmp_path / "empty"))
    with pytest.raises(DatasetNotFound, match="nowhere does not exist"):
        dataset.get_img_files(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 6), (0.5, 3), (0.01, 1), (4, 4), (99, 6)])
def test_fraction_keeps_the_first_images(
    make_dataset: MakeDataset, fraction: float, count: int
) -> None:
    dataset = make_dataset("train", fraction=fraction)
    assert [Path(file).stem for file in dataset.im_files] == [f"im{i}" for i in range(count)]
    assert len(dataset) == dataset.ni == count


# --------------------------------------------------------------------------------------- labels


def test_labels_and_attributes(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    assert [len(label["cls"]) for label in dataset.labels] == [0, 1, 2, 0, 1, 2]
    assert [Path(file).name for file in dataset.label_files] == [f"im{i}.txt" for i in range(6)]
    assert (dataset.use_segments, dataset.use_keypoints, dataset.use_obb) == (False, False, False)
    assert dataset.labels[1]["shape"] == (40, 60)


def test_classes_and_single_class(make_dataset: MakeDataset) -> None:
    kept = make_dataset(classes=[1])
    assert len(kept) == 6
    assert kept.store.block[:, 0].tolist() == [1, 1, 1]
    merged = make_dataset(classes=[1], single_cls=True)
    assert merged.store.block[:, 0].tolist() == [0, 0, 0]


def test_edited_labels_reach_the_samples(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    dataset.labels[1]["bboxes"] = np.array([[0.5, 0.5, 1, 1]], np.float32)
    np.testing.assert_allclose(
        dataset[1]["bboxes"][0], [0.5, 0.5, 60 / 64 * 64 / 60, 40 / 64 * 43 / 40], rtol=0.02
    )
    dataset.labels = [{**label, "cls": label["cls"] + 1} for label in dataset.labels]
    assert dataset[5]["cls"].ravel().tolist() == [2, 2]


def test_no_label_file_at_all(
    make_dataset: MakeDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_dataset()
    for split in ("train", "val"):
        for file in (tmp_path / "labels" / split).iterdir():
            file.unlink()
    with pytest.raises(ValueError, match=r"no label files found in .*labels/train"):
        make_dataset("train")
    assert len(make_dataset("val")) == 6
    assert "no label files found" in caplog.text


def test_no_usable_image(make_dataset: MakeDataset, tmp_path: Path) -> None:
    make_dataset()
    for file in (tmp_path / "images" / "val").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(
        DatasetError, match=r"no usable image in .*val:\n.*im0.png: not a readable image"
    ):
        make_dataset()


def test_boxes_for_a_task_that_needs_polygons(make_dataset: MakeDataset) -> None:
    with pytest.raises(ValueError, match="needs a polygon for every object"):
        make_dataset(task="segment")


def test_incomplete_polygons_are_not_used(make_dataset: MakeDataset, tmp_path: Path) -> None:
    make_dataset()
    (tmp_path / "labels/val/im0.txt").write_text("0 .1 .1 .5 .1 .5 .5")
    dataset = make_dataset()
    assert dataset.store.polygon_count == 0
    assert dataset.store.objects == 7


# --------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize(
    ("hw", "options", "expected"),
    [
        ((333, 500), {}, (427, 640)),
        ((480, 640), {}, (480, 640)),
        ((100, 50), {}, (640, 320)),
        ((100, 50), {"rect_mode": False}, (640, 640)),
        ((100, 50), {"resize_short": True}, (1280, 640)),
    ],
)
def test_loaded_size(
    hw: tuple[int, int], options: dict[str, bool], expected: tuple[int, int]
) -> None:
    assert resized_hw(*hw, 640, **options) == expected


def test_load_image(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    image, original, size = dataset.load_image(3)
    assert (original, size) == ((40, 60), (43, 64))
    plain = cv2.imread(dataset.im_files[3])
    assert np.array_equal(image, cv2.resize(plain, (64, 43), interpolation=cv2.INTER_LINEAR))


def test_an_image_that_disappears(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    Path(dataset.im_files[2]).unlink()
    with pytest.raises(FileNotFoundError, match=r"im2.png does not exist any more; restore it"):
        dataset[2]
    Path(dataset.im_files[1]).write_bytes(b"x")
    with pytest.raises(DatasetNotFound, match=r"im1.png cannot be decoded"):
        dataset[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_number_of_channels(make_dataset: MakeDataset, tmp_path: Path, channels: int) -> None:
    make_dataset()
    with (tmp_path / "set.yaml").open("a") as file:
        file.write(f"channels: {channels}\n")
    dataset = make_dataset(cache="ram")
    assert dataset.load_image(0)[0].shape == (43, 64, channels)
    assert dataset[0]["img"].shape == (channels, 64, 64)


def test_the_buffer_holds_recent_images(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("train", batch=1, sizes=[(40, 60)] * 12)
    assert dataset.max_buffer_length == 8
    for i in range(12):
        dataset.load_image(i)
    assert dataset.buffer == list(range(5, 12))
    before = dataset.load_image(11)[0]
    assert dataset.load_image(11)[0] is before
    assert dataset.buffer == list(range(5, 12))
    dataset.load_image(0)
    assert dataset.buffer == [*range(6, 12), 0]


@pytest.mark.parametrize("cache", ["ram", "disk", True])
def test_caches_give_the_same_pixels(make_dataset: MakeDataset, cache: str | bool) -> None:
    sizes = [(40, 60), (64, 64), (30, 90), (100, 20)]
    plain = make_dataset(sizes=sizes)
    cached = make_dataset(cache=cache)
    assert cached.cache == ("disk" if cache == "disk" else "ram")
    for i in range(4):
        a, b = plain.load_image(i), cached.load_image(i)
        assert np.array_equal(a[0], b[0])
        assert a[1:] == b[1:]
        assert equal(plain[i], cached[i])


def test_ram_cache_needs_no_files(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(cache="ram")
    expected = dataset.load_image(0)[0].copy()
    for file in dataset.im_files:
        Path(file).unlink()
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again.load_image(0)[0], expected)


def test_damaged_and_outdated_disk_cache(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset(cache="disk")
    files = sorted((tmp_path / "images" / "val.pixels").iterdir())
    assert len(files) == 6
    files[0].write_bytes(files[0].read_bytes()[:100])
    np.save(files[1], np.array({"x": 1}, dtype=object), allow_pickle=True)
    write_image(Path(dataset.im_files[2]), (20, 64), 200)
    plain = make_dataset()
    for i in range(3):
        assert np.array_equal(dataset.load_image(i)[0], plain.load_image(i)[0])
    assert dataset.load_image(2)[1] == (20, 64)
    assert sorted(p.suffix for p in (tmp_path / "images" / "val").iterdir()) == [".png"] * 6


def test_an_unknown_cache(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    with pytest.raises(ValueError, match="cache='tape'"):
        YOLODataset(img_path=dataset.img_path, data=dataset.data, cache="tape")


def test_no_room_for_the_ram_cache(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(BaseDataset, "check_cache_ram", lambda self, safety_margin=1.0: False)
    dataset = make_dataset(cache="ram")
    assert dataset.cache is None
    assert dataset[0]["img"].shape == (3, 64, 64)


# ----------------------------------------------------------------------------------- rectangles

RECT_SIZES = [(480, 640), (640, 480), (427, 640), (375, 500), (640, 640), (500, 333)]


@pytest.mark.parametrize(
    ("pad", "expected"),
    [(0.0, [[480, 640], [640, 640], [640, 480]]), (0.5, [[512, 672], [672, 672], [672, 512]])],
)
def test_rectangles_of_the_documented_example(
    make_dataset: MakeDataset, pad: float, expected: list[list[int]]
) -> None:
    dataset = make_dataset(rect=True, sizes=RECT_SIZES, imgsz=640)
    order = [label["shape"] for label in dataset.labels]
    assert order == [(427, 640), (480, 640), (375, 500), (640, 640), (640, 480), (500, 333)]
    assert [Path(f).stem for f in dataset.label_files] == [Path(f).stem for f in dataset.im_files]
    ratio = np.array([h / w for h, w in order])
    assert batch_shapes(ratio, dataset.batch, 640, 32, pad).tolist() == expected
    assert dataset.batch.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.batch_shapes.tolist() == [[512, 672], [672, 672], [672, 512]]
    assert dataset[0]["img"].shape == (3, 512, 672)


def test_rect_training_does_not_mix(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("train", rect=True, mosaic=1.0)
    assert dataset.hyp.mosaic == 1.0
    assert dataset[0]["img"].shape[1:] == tuple(dataset.batch_shapes[0])


# -------------------------------------------------------------------------------------- samples


def test_a_validation_sample(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    sample = dataset[2]
    assert sample["img"].shape == (3, 64, 64)
    assert sample["img"].dtype == torch.uint8
    assert (sample["ori_shape"], tuple(sample["resized_shape"])) == ((40, 60), (64, 64))
    assert sample["cls"].shape == (2, 1)
    batch = dataset.collate_fn([dataset[i] for i in range(3)])
    assert batch["img"].shape == (3, 3, 64, 64)
    assert batch["batch_idx"].tolist() == [1, 2, 2]


def test_raw_sample_keys(make_dataset: MakeDataset) -> None:
    sample = make_dataset(rect=True).get_image_and_label(1)
    assert set(sample) == {
        *(
            "im_file",
            "cls",
            "img",
            "ori_shape",
            "resized_shape",
            "ratio_pad",
            "rect_shape",
            "instances",
        ),
    }
    assert sample["ratio_pad"] == (43 / 40, 64 / 60)
    assert sample["instances"].segments.shape == (0, 1000, 2)


def test_settings_of_the_caller_stay(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("train")
    mine = get_cfg(overrides={"mosaic": 0.7, "mixup": 0.2})
    dataset.close_mosaic(mine)
    assert (mine.mosaic, mine.mixup) == (0.7, 0.2)
    assert (dataset.hyp.mosaic, dataset.hyp.mixup, dataset.hyp.cutmix, dataset.hyp.copy_paste) == (
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("mode", ["auto", "exact"])
def test_a_marked_index_fixes_its_sample(make_dataset: MakeDataset, mode: Any) -> None:
    dataset, other = make_dataset("train"), make_dataset("train")
    dataset.pixel_mode = other.pixel_mode = mode
    index = SampleIndex(4, epoch=1, seed=123, pool=(4, 2, 0))
    random.seed(1)
    np.random.seed(1)
    state = random.getstate(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first = dataset[index]
    assert random.getstate() == state[0]
    assert np.array_equal(np.random.get_state()[1], state[1])
    other[SampleIndex(1, 0, 9, (1, 3))]
    random.seed(99)
    assert equal(first, other[index])
    assert not equal(first, other[SampleIndex(4, 1, 124, (4, 2, 0))])


def test_plain_numbers_use_the_global_generators(make_dataset: MakeDataset) -> None:
    def draw(seed: int) -> dict[str, Any]:
        dataset = make_dataset("train")
        random.seed(seed)
        np.random.seed(seed)
        return dataset[4]

    assert equal(draw(0), draw(0))
    assert not equal(draw(0), draw(1))


def is_fused(dataset: YOLODataset, epoch: int = 0) -> bool:
    dataset[SampleIndex(1, epoch, 5, (1, 2))]
    return dataset._fused is not None


def test_when_the_fused_pipeline_runs(make_dataset: MakeDataset) -> None:
    assert is_fused(make_dataset("train"))
    assert not is_fused(make_dataset("val"))
    assert not is_fused(make_dataset("train", mixup=0.5))
    assert not is_fused(make_dataset("train", rect=True))
    exact = make_dataset("train")
    exact.pixel_mode = "exact"
    assert not is_fused(exact)


def test_changes_by_the_user_stop_the_fused_pipeline(make_dataset: MakeDataset) -> None:
    appended = make_dataset("train")
    assert is_fused(appended)
    appended.transforms.append(lambda sample: {**sample, "seen": True})
    assert not is_fused(appended)
    assert appended[SampleIndex(1, 0, 5, (1,))]["seen"]

    tuned = make_dataset("train")
    tuned.transforms.transforms[-2].p = 1.0
    assert not is_fused(tuned)

    patched = make_dataset("train")
    patched.get_image_and_label = lambda i: YOLODataset.get_image_and_label(patched, i)  # type: ignore[method-assign]
    assert not is_fused(patched)

    weighted = make_dataset("train")
    weighted.labels[0]["weight"] = 2
    assert not is_fused(weighted)


def test_fast_mode_also_takes_plain_numbers(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("train")
    dataset.pixel_mode = "fast"
    assert dataset[3]["img"].shape == (3, 64, 64)
    assert dataset._fused is not None
    assert dataset.buffer == [3]


def test_data_sets_one_after_the_other(make_dataset: MakeDataset) -> None:
    first, second = make_dataset("train"), make_dataset("val")
    both = YOLOConcatDataset([first, second])
    assert len(both) == 12
    assert both.augment
    assert both[8]["im_file"] == second.im_files[2]
    index = SampleIndex(4, 0, 7, (4, 11, 2))
    assert equal(both[index], make_dataset("train")[SampleIndex(4, 0, 7, (4, 2))])
    both.close_mosaic(get_cfg())
    assert first.hyp.mosaic == 0


def test_a_data_set_of_the_users_own(make_set: MakeSet) -> None:
    class Own(BaseDataset):
        def get_labels(self) -> list[dict[str, Any]]:
            boxes = np.array([[0.5, 0.5, 0.2, 0.2]], np.float32)
            return [
                {
                    "im_file": f,
                    "shape": (40, 60),
                    "cls": np.zeros((1, 1)),
                    "bboxes": boxes,
                    "mine": i,
                }
                for i, f in enumerate(self.im_files)
            ]

        def build_transforms(self, hyp: Any = None) -> Any:
            return lambda sample: {**sample, "done": True}

    folder = make_set().parent / "images" / "val"
    sample = Own(str(folder), imgsz=64, augment=False)[2]
    assert (sample["mine"], sample["done"], sample["img"].shape) == (2, True, (43, 64, 3))


@pytest.mark.parametrize(("task", "names"), [("depth", "depth")])
def test_tasks_of_later_versions(make_dataset: MakeDataset, task: str, names: str) -> None:
    with pytest.raises(NotImplementedError, match=names):
        make_dataset(task=task)


def test_a_batch_is_its_samples_side_by_side(make_dataset: MakeDataset) -> None:
    dataset = make_dataset("train")
    indexes = [SampleIndex(i, 0, 40 + i, (0, 1, 2)) for i in range(3)]
    together = dataset.__getitems__(indexes)
    assert all(equal(a, dataset[i]) for a, i in zip(together, indexes, strict=True))
    batch = dataset.collate_fn(together)
    assert batch["img"].data_ptr() == together[0]["img"].data_ptr()
    assert len(dataset.__getitems__([1, 2])) == 2


def test_an_own_getitem_is_asked_for_every_sample(make_dataset: MakeDataset) -> None:
    class Own(YOLODataset):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "own": True}

    plain = make_dataset("train")
    dataset = Own(img_path=plain.img_path, data=plain.data, imgsz=64)
    assert all(sample["own"] for sample in dataset.__getitems__([SampleIndex(1, 0, 3, (1,)), 2]))
