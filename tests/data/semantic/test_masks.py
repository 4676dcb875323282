"""Mask files: finding, reading, mapping, verifying."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ultralytics.data.mask_scan import scan_masks
from ultralytics.data.masks import (
    allowed_values,
    find_masks,
    inverse_table,
    mapping_table,
    mask_mode,
    read_mask,
    resize_map,
)
from ultralytics.data.problems import DescriptionTypeError, DescriptionValueError
from ultralytics.errors import DatasetError, DatasetNotFound


@pytest.mark.parametrize(
    ("image", "masks_dir", "expected"),
    [
        ("/d/images/train/a.jpg", "masks", "/d/masks/train/a.png"),
        ("/images/x/images/a.b.jpg", "ids", "/images/x/ids/a.b.png"),
        ("/d/train/image/a.png", None, "/d/train/annotation/a.png"),
        ("/d/train/images/a.jpg", None, "/d/train/annotations/a.png"),
        ("/my_images/image/a.png", None, "/my_images/annotation/a.png"),
        ("/d/pictures/a.jpg", "masks", "/d/pictures/a.png"),
    ],
)
def test_only_the_last_folder_of_images_is_replaced(
    image: str, masks_dir: str | None, expected: str
) -> None:
    image, expected = image.replace("/", os.sep), expected.replace("/", os.sep)
    assert find_masks([image], masks_dir) == [expected]


def test_a_mask_may_have_another_suffix(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    wanted = tmp_path / "masks" / "a.tif"
    cv2.imwrite(str(wanted), np.zeros((12, 12), np.uint8))
    assert find_masks([str(tmp_path / "images" / "a.jpg")], "masks") == [str(wanted)]


def save(path: Path, ids: np.ndarray, mode: str) -> str:
    if mode == "P":
        picture = Image.fromarray(ids)
        picture.putpalette([v for i in range(256) for v in (i, 255 - i, 7)])
    elif mode == "P gray":
        picture = Image.fromarray((ids // 10).astype(np.uint8))
        picture.putpalette([v for i in range(256) for v in (i * 10 % 256,) * 3])
    elif mode == "1":
        picture = Image.fromarray(ids > 0)
    elif mode == "I;16":
        picture = Image.fromarray(ids.astype(np.uint16))
    else:
        picture = Image.fromarray(ids)
    picture.save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["L", "P", "P gray", "1", "I;16"])
def test_ids_of_every_mode(tmp_path: Path, mode: str) -> None:
    ids = np.array([[0, 10, 20], [250, 0, 30]], np.uint8)
    file = save(tmp_path / "m.png", ids, mode)
    expected = (ids > 0).astype(np.uint8) if mode == "1" else ids
    found = read_mask(file, mask_mode(file))
    assert found.shape == (2, 3)
    assert (found == expected).all()


def test_sixteen_bit_ids_are_kept(tmp_path: Path) -> None:
    file = save(tmp_path / "m.png", np.array([[3, 700]], np.uint16), "I;16")
    assert read_mask(file, mask_mode(file)).tolist() == [[3, 700]]


def test_reading_a_lost_mask_names_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"gone\.png does not exist"):
        read_mask(str(tmp_path / "gone.png"))


def test_mapping_both_ways() -> None:
    table = mapping_table({7: 0, "8": "1", 9: None, 10: "ignore_label", -1: None, 300: 2})
    assert [int(table[i]) for i in (7, 8, 9, 10, 11)] == [0, 1, 255, 255, 11]
    back = inverse_table({7: 0, 8: 1})
    assert [int(back[i]) for i in (0, 1, 2)] == [7, 8, 2]


@pytest.mark.parametrize(
    ("mapping", "kind", "words"),
    [
        ([1, 2], DescriptionTypeError, "list"),
        ({1: 256}, DescriptionValueError, "1 -> 256 is outside 0 to 255"),
        ({1: -2}, DescriptionValueError, "outside"),
        ({1: "road"}, DescriptionValueError, "'road' is no whole number"),
        ({1: 2.5}, DescriptionValueError, "no whole number"),
        ({"x": 1}, DescriptionValueError, "'x'"),
    ],
)
def test_bad_mappings(mapping: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        mapping_table(mapping)


@pytest.mark.parametrize(
    ("nc", "mapping", "good", "bad"),
    [
        (3, None, (0, 1, 2, 255), (3, 254)),
        (1, None, (0, 1, 255), (2,)),
        (2, {200: 1, 5: None}, (0, 1, 5, 200), (2, 199)),
    ],
)
def test_allowed_values(nc: int, mapping: Any, good: tuple[int, ...], bad: tuple[int, ...]) -> None:
    allowed = allowed_values(mapping_table(mapping), nc)
    assert allowed[list(good)].all()
    assert not allowed[list(bad)].any()


def test_good_pairs_are_counted_and_kept_for_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask = str(tmp_path / "a.png"), str(tmp_path / "m.png")
    ids = np.zeros((20, 30), np.uint8)
    ids[:5] = 2
    ids[5] = 255
    cv2.imwrite(image, np.zeros((20, 30, 3), np.uint8))
    cv2.imwrite(mask, ids)
    cache = tmp_path / "set.cache"
    fact = scan_masks([image], [mask], cache).facts[0]
    assert fact.shape == (20, 30)
    assert dict(zip(fact.ids, fact.pixels, strict=True)) == {0: 14 * 30, 2: 5 * 30, 255: 30}
    assert fact.counts(mapping_table({2: 1}))[:3].tolist() == [14 * 30, 5 * 30, 0]
    monkeypatch.setattr("ultralytics.data.mask_scan._verify", None)  # would fail if called
    assert scan_masks([image], [mask], cache).facts == [fact]


def test_a_changed_mask_is_looked_at_again(tmp_path: Path) -> None:
    image, mask = str(tmp_path / "a.png"), str(tmp_path / "m.png")
    cv2.imwrite(image, np.zeros((20, 30, 3), np.uint8))
    cv2.imwrite(mask, np.zeros((20, 30), np.uint8))
    cache = tmp_path / "set.cache"
    scan_masks([image], [mask], cache)
    cv2.imwrite(mask, np.ones((20, 30), np.uint8))
    os.utime(mask, ns=(1, 1))
    assert scan_masks([image], [mask], cache).facts[0].ids == (1,)
    cache.write_bytes(b"damaged")
    assert scan_masks([image], [mask], cache).facts[0].ids == (1,)


Build = Callable[..., Any]


def hostile(i: int, ids: np.ndarray) -> np.ndarray | None:
    if i == 0:
        return ids
    if i == 1:
        return ids[:-3]
    if i == 2:
        return np.stack([ids * 90, ids * 20, ids], axis=2)
    if i == 3:
        bad = ids.copy()
        bad[4, 4:9] = 17
        return bad
    if i == 4:
        return ids.astype(np.uint16) + np.uint16(700)
    return None


def test_each_hostile_mask_is_named_and_dropped(
    write_ids: Callable[..., Path], build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_ids(count=6, change=hostile)
    with caplog.at_level("WARNING"):
        dataset = build(path)
    assert [Path(f).name for f in dataset.im_files] == ["0.png"]
    text = caplog.text
    assert "1.png: the mask is 34 x 53 (h x w), its image 37 x 53" in text
    assert "2.png: the mask is a colour picture (RGB)" in text
    assert "'colors'" in text
    assert "3.png: the mask has value 17 (5 pixels); allowed are 0 to 2, and 255" in text
    assert "4.png: the mask has value above 255" in text
    assert "5.png: the mask of this image does not exist" in text


def test_nothing_usable_is_an_error_with_the_reasons(
    write_ids: Callable[..., Path], build: Build
) -> None:
    path = write_ids(count=2, change=lambda i, ids: ids + 60)
    with pytest.raises(DatasetError, match="value 60"):
        build(path)


def test_gray_colour_pictures_are_ids(write_ids: Callable[..., Path], build: Build) -> None:
    path = write_ids(change=lambda i, ids: np.repeat(ids[..., None], 3, axis=2))
    dataset = build(path)
    assert len(dataset) == 4
    assert {record["mode"] for record in dataset.labels} == {"RGB"}
    assert dataset[0]["semantic_mask"].unique().tolist()[:3] == [0, 1, 2]


def test_a_damaged_mask_is_named(
    write_ids: Callable[..., Path], build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_ids()
    broken = path.parent / "masks" / "val" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with caplog.at_level("WARNING"):
        assert len(build(path)) == 3
    assert f"{broken}: the mask cannot be read" in caplog.text


@pytest.mark.parametrize("size", [(80, 90), (45, 51), (60, 75), (33, 128)])
def test_centred_resizing_follows_the_image(size: tuple[int, int]) -> None:
    ids = np.zeros((60, 75), np.uint8)
    cv2.circle(ids, (37, 29), 20, 1, -1)
    expected = cv2.resize(ids.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    found = resize_map(ids, size) > 0
    cornered = resize_map(ids, size, centred=False) > 0
    iou = lambda one: (one & expected).sum() / (one | expected).sum()
    assert iou(found) > 0.97
    assert iou(found) >= iou(cornered)
    centre = lambda mask: np.stack(np.nonzero(mask)).mean(axis=1)
    assert np.abs(centre(found) - centre(expected)).max() < 0.25
