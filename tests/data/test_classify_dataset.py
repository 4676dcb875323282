"""The classification data set: samples against torchvision, caches, class numbers, damaged files."""

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
from PIL import Image
from torch import Tensor
from torch.testing import assert_close
from torchvision import transforms as T

from tests.pictures import paint_classes
from ultralytics.cfg import get_cfg
from ultralytics.data import ClassificationDataset, build_dataloader
from ultralytics.data.augment import classify_augmentations, classify_transforms
from ultralytics.data.augment.classify import as_picture
from ultralytics.data.augment.classify_batch import BatchPipeline
from ultralytics.data.samplers import SampleIndex
from ultralytics.errors import ConfigValueError, DatasetError, DatasetNotFound

SIDE = 32
Make = Callable[..., ClassificationDataset]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures of 40 x 48 in two classes."""
    return paint_classes(tmp_path_factory.mktemp("classes") / "train", {"red": 4, "blue": 3})


@pytest.fixture
def make(folder: Path) -> Make:
    """A data set of the folder; keywords that are settings go there."""

    def build(
        root: Path = folder,
        augment: bool = False,
        prefix: str = "",
        names: Any = None,
        channels: int = 3,
        **settings: Any,
    ) -> ClassificationDataset:
        args = get_cfg(overrides={"task": "classify", "imgsz": SIDE, **settings})
        return ClassificationDataset(root, args, augment, prefix, names, channels)

    return build


def _reference(size: int, **settings: Any) -> T.Compose:
    """The documented training pipeline written with torchvision alone."""
    steps = [T.RandomResizedCrop(size, scale=settings["area"])]
    steps += [T.RandomHorizontalFlip(settings["hflip"]), T.RandomVerticalFlip(settings["vflip"])]
    steps.append(settings["policy"])
    steps += [T.ToTensor(), T.RandomErasing(settings["erasing"])]
    return T.Compose(steps)


BILINEAR = T.InterpolationMode.BILINEAR
POLICIES = {
    "randaugment": T.RandAugment(interpolation=BILINEAR),
    "autoaugment": T.AutoAugment(interpolation=BILINEAR),
    "augmix": T.AugMix(interpolation=BILINEAR),
    None: T.ColorJitter(0.4, 0.4, 0.7, 0.015),
}


# ------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("policy", list(POLICIES))
def test_training_samples_are_those_of_torchvision(policy: str | None, make: Make) -> None:
    data = make(augment=True, auto_augment=policy, flipud=0.3, erasing=0.6, scale=0.7)
    pipeline = _reference(
        SIDE, area=(1 - 0.7, 1.0), hflip=0.5, vflip=0.3, policy=POLICIES[policy], erasing=0.6
    )
    indexes = [SampleIndex(i % len(data), seed=i) for i in range(12)]
    batch = data.__getitems__(indexes)
    assert data._pipeline() is not None  # the short way was taken
    for index, sample in zip(indexes, batch, strict=True):
        picture = Image.open(data.samples[index][0]).convert("RGB")
        torch.manual_seed(index.seed)
        expected = pipeline(picture)
        assert torch.equal(sample["img"], expected)
        assert torch.equal(data[index]["img"], expected)


@pytest.mark.parametrize("size", [32, 50])
def test_validation_samples_are_those_of_torchvision(size: int, make: Make) -> None:
    data = make(imgsz=size)
    pipeline = T.Compose([T.Resize(size), T.CenterCrop(size), T.ToTensor()])
    batch = data.collate_fn(data.__getitems__(list(range(len(data)))))
    for i, sample in enumerate(batch["img"]):
        expected = pipeline(Image.open(data.samples[i][0]).convert("RGB"))
        assert torch.equal(sample, expected)
        assert torch.equal(data[i]["img"], expected)


def test_a_batch(make: Make) -> None:
    data = make()
    loader = build_dataloader(data, 4, workers=0, shuffle=False)
    first = next(iter(loader))
    assert first["img"].shape == (4, 3, SIDE, SIDE)
    assert first["img"].dtype == torch.float32
    assert first["cls"].tolist() == [0, 0, 0, 1]
    assert first["cls"].dtype == torch.int64
    assert [Path(f).parent.name for f in first["im_file"]] == ["blue"] * 3 + ["red"]


def test_seeds_make_samples_and_leave_the_generators_alone(make: Make) -> None:
    data = make(augment=True)
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    index = SampleIndex(2, epoch=1, seed=77)
    assert torch.equal(data[index]["img"], data[index]["img"])
    assert not torch.equal(data[index]["img"], data[SampleIndex(2, seed=78)]["img"])
    assert (torch.rand(1), random.random(), np.random.rand()) == expected


def test_workers_give_the_same_batches(make: Make) -> None:
    batches = []
    for workers in (0, 2):
        torch.manual_seed(0)
        loader = build_dataloader(make(augment=True), 4, workers=workers)
        batches.append([(b["img"].clone(), b["cls"]) for b in loader])
        loader.close()
    for (a, c), (b, d) in zip(*batches, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(c, d)


def test_own_transforms_and_samples_are_used(make: Make) -> None:
    class Flat(ClassificationDataset):
        def __getitem__(self, i: int) -> dict[str, Any]:
            return {"img": torch.full((3, 2, 2), float(i)), "cls": self.samples[i][1]}

    data = make(augment=True)
    data.torch_transforms = T.Compose([T.Resize((4, 5)), T.ToTensor()])
    assert next(iter(build_dataloader(data, 7, 0)))["img"].shape == (7, 3, 4, 5)
    args = get_cfg(overrides={"task": "classify", "imgsz": SIDE})
    flat = Flat(data.root, args=args)
    batch = next(iter(build_dataloader(flat, 7, 0, shuffle=False)))
    assert batch["img"][:, 0, 0, 0].tolist() == list(range(7))
    assert "im_file" not in batch


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.2, 0.2, 0.2)},
    ],
)
def test_other_pipelines_go_the_long_way(change: dict[str, Any]) -> None:
    assert BatchPipeline.of(classify_augmentations(SIDE), SIDE, 3) is not None
    assert BatchPipeline.of(classify_augmentations(SIDE, **change), SIDE, 3) is None
    assert BatchPipeline.of(classify_transforms(SIDE, **change), SIDE, 3) is None
    assert BatchPipeline.of(classify_transforms((SIDE, 40)), SIDE, 3) is None
    assert BatchPipeline.of(T.Compose([T.Resize(3), T.PILToTensor()]), SIDE, 3) is None


# --------------------------------------------------------------------------------------- channels


def test_gray_files_become_three_channels_and_colour_files_one(tmp_path: Path, make: Make) -> None:
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    colour = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    (tmp_path / "train" / "a").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "train" / "a" / "0.png"), gray)
    cv2.imwrite(str(tmp_path / "train" / "a" / "1.png"), colour)
    cv2.imwrite(str(tmp_path / "train" / "a" / "2.png"), np.dstack([colour, gray]))  # alpha
    three, one = make(tmp_path / "train"), make(tmp_path / "train", channels=1)
    for plane in three[0]["img"]:
        assert_close(plane, torch.from_numpy(gray) / 255, rtol=0, atol=0)
    for i in (1, 2):
        rgb = torch.from_numpy(colour[..., ::-1].copy()).permute(2, 0, 1)
        assert_close(three[i]["img"], rgb / 255, rtol=0, atol=0)
    assert one[0]["img"].shape == (1, SIDE, SIDE)
    assert_close(one[0]["img"][0], torch.from_numpy(gray) / 255, rtol=0, atol=0)
    batch = make(tmp_path / "train", channels=1, augment=True).__getitems__([0, 1])
    assert batch[1]["img"].shape == (1, SIDE, SIDE)


def test_pictures_of_many_channels_are_cropped_and_flipped_only(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    planes = np.random.default_rng(0).integers(0, 256, (5, 40, 40), dtype=np.uint8)
    (tmp_path / "train" / "a").mkdir(parents=True)
    pages = [Image.fromarray(plane) for plane in planes]
    file = tmp_path / "train" / "a" / "0.tiff"
    cv2.imwritemulti(str(file), [np.asarray(p) for p in pages])
    data = make(tmp_path / "train", channels=5, imgsz=40)
    assert_close(data[0]["img"], torch.from_numpy(planes) / 255, rtol=0, atol=0)
    training = make(tmp_path / "train", channels=5, augment=True, erasing=0.0, scale=0.0, fliplr=1)
    assert "without colour changes" in caplog.text
    expected: Tensor = T.Resize((SIDE, SIDE))(torch.from_numpy(planes[:, :, ::-1].copy())) / 255
    assert_close(training[0]["img"], expected, rtol=0, atol=1 / 255)


# ------------------------------------------------------------------------------------ class numbers


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, [0, 1]),
        ({0: "red", 1: "green", 2: "blue"}, [2, 0]),
        (["red", "green", "blue"], [2, 0]),
        ({0: "0", 1: "1"}, [0, 1]),
        ({0: "red", 1: "green"}, [None, 0]),
        ({0: "sky"}, [0, None]),
    ],
)
def test_class_numbers(names: Any, expected: list[int | None], make: Make) -> None:
    data = make(names=names)
    number_of = {Path(file).parent.name: c for file, c, *_ in data.samples}
    assert [number_of.get(name) for name in ("blue", "red")] == expected


def test_a_single_class(make: Make) -> None:
    assert {c for _, c, *_ in make(single_cls=True, names={0: "item"}).samples} == {0}


def test_unknown_folders_are_named(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    make(names={0: "red"})
    assert "folders blue are no known class" in caplog.text


def test_folders_of_a_converted_set_are_numbers(tmp_path: Path, make: Make) -> None:
    paint_classes(tmp_path / "val", {"red": 2})
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "000001")
    (tmp_path / ".ndjson.yaml").write_text("names: {0: sky, 1: sea}\n")
    data = make(tmp_path / "val", names={0: "sky", 1: "sea"}, fraction=0.5)
    assert [c for _, c, *_ in data.samples] == [1, 1]


# ------------------------------------------------------------------------- files, fractions, caches


def test_damaged_files_are_reported_and_left_out(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    root = paint_classes(tmp_path / "train", {"red": 3, "blue": 1})
    (root / "red" / "text.jpg").write_text("not a picture")
    (root / "red" / "empty.png").touch()
    whole = (root / "red" / "00.png").read_bytes()
    (root / "red" / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (4, 4)).save(root / "red" / "tiny.png")
    data = make(root)
    assert len(data) == 4
    for name in ("text.jpg", "empty.png", "cut.png", "tiny.png"):
        assert f"{root / 'red' / name}: " in caplog.text
    caplog.clear()
    assert len(make(root)) == 4  # from the scan that was kept
    assert "text.jpg" in caplog.text


def test_a_set_without_a_usable_image(tmp_path: Path, make: Make) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(DatasetNotFound, match="no images found"):
        make(tmp_path / "train")
    (tmp_path / "train" / "a" / "x.png").write_text("no")
    with pytest.raises(DatasetError, match=r"no usable image.*\n.*x\.png"):
        make(tmp_path / "train")


def test_a_repaired_file_is_read_again(tmp_path: Path, make: Make) -> None:
    root = paint_classes(tmp_path / "train", {"red": 2})
    good = (root / "red" / "00.png").read_bytes()
    (root / "red" / "01.png").write_bytes(b"broken")
    assert len(make(root)) == 1
    (root / "red" / "01.png").write_bytes(good)
    assert len(make(root)) == 2


@pytest.mark.parametrize("content", [b"", b"YOLO-DATA-1 1.0.12 00\n", pickle.dumps({"version": 1})])
def test_a_foreign_cache_is_replaced(content: bytes, tmp_path: Path, make: Make) -> None:
    root = paint_classes(tmp_path / "train", {"red": 2})
    (tmp_path / "train.cache").write_bytes(content)
    assert len(make(root)) == 2
    assert (tmp_path / "train.cache").read_bytes() != content


@pytest.mark.parametrize(
    ("fraction", "prefix", "expected"),
    [(0.5, "train", 4), (3, "train", 3), (0.5, "val", 7), ([1.0, 0.3], "val", 2)],
)
def test_fractions(fraction: Any, prefix: str, expected: int, make: Make) -> None:
    data = make(prefix=prefix, augment=prefix == "train", fraction=fraction)
    assert len(data) == expected
    assert {c for _, c, *_ in data.samples} == {0, 1}


@pytest.mark.parametrize("cache", ["ram", "disk", True])
def test_caches_hold_the_same_pixels(
    cache: str | bool, tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = paint_classes(tmp_path / "train", {"red": 3, "blue": 2})
    plain, cached = make(root), make(root, cache=cache)
    assert cached.cache == ("disk" if cache == "disk" else "ram")
    expected = [plain[i]["img"] for i in range(5)]
    monkeypatch.setattr("ultralytics.data.dataset.classify.read_image", None)  # must not be needed
    assert all(torch.equal(cached[i]["img"], one) for i, one in enumerate(expected))
    again = pickle.loads(pickle.dumps(cached))
    assert torch.equal(again[4]["img"], expected[4])


def test_a_cache_that_does_not_fit_is_left_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultralytics.data.dataset.classify.memory_allows", lambda *_: False)
    data = make(cache="ram")
    assert data.cache is None
    assert data[0]["img"].shape == (3, SIDE, SIDE)


def test_edited_samples_are_used_with_a_cache(make: Make) -> None:
    data = make(cache="ram")
    last = data[6]["img"]
    data.samples = data.samples[::-1]
    assert torch.equal(data[0]["img"], last)


@pytest.mark.parametrize("scale", [(0.2, 0.9), 0.25])
def test_scale_is_a_range_or_a_loss(scale: Any, make: Make) -> None:
    crop = make(augment=True, scale=scale).torch_transforms.transforms[0]
    assert tuple(crop.scale) == ((0.2, 0.9) if isinstance(scale, tuple) else (0.75, 1.0))


def test_gains_above_one_are_no_share_of_a_picture(make: Make) -> None:
    with pytest.raises(ConfigValueError, match="two shares of the picture"):
        make(augment=True, scale=(0.5, 1.5))


def test_pictures_from_arrays() -> None:
    bgr = np.zeros((2, 3, 3), np.uint8)
    bgr[..., 0] = 200
    assert as_picture(bgr).getpixel((0, 0)) == (0, 0, 200)
    assert as_picture(bgr[..., :1]).mode == "L"
    assert as_picture(np.zeros((2, 3, 4), np.uint8)).shape == (4, 2, 3)


def test_folders_called_by_wordnet_id_meet_classes_in_words(tmp_path: Path, make: Make) -> None:
    root = paint_classes(tmp_path / "val", {"red": 1, "blue": 1})
    (root / "red").rename(root / "n01440764")
    (root / "blue").rename(root / "n02110958")
    for names in ({0: "goldfish", 1: "pug", 2: "tench"}, {0: "n01443537", 1: "n02110958"}):
        data = make(root, names=names)
        found = {Path(file).parent.name: c for file, c, *_ in data.samples}
        expected = {"n01440764": 2, "n02110958": 1} if len(names) == 3 else {"n02110958": 1}
        assert found == expected
