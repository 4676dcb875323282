"""Verification of single images and label texts: the tables of chapter 30, 2.4 and 2.5."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ultralytics.data.utils import check_image, exif_size, verify_image, verify_image_label
from ultralytics.data.verify import LabelRule, parse_rows, salvage_rows
from ultralytics.utils.patches import imread

RULE = LabelRule(3)
GOOD = "0 .5 .5 .2 .2"


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0 1.01 .5 .2 .2", [1.01, 0.5, 0.2, 0.2]),
        ("0 -0.005 .5 .2 .2", [-0.005, 0.5, 0.2, 0.2]),
        ("0 .5 .5 0 .2", [0.5, 0.5, 0, 0.2]),
        ("1e0 .5 .5 .2 .2", [0.5, 0.5, 0.2, 0.2]),
        ("0 .5 .5 .2 .2 .9 .9", [0.55, 0.55, 0.7, 0.7]),
        ("0 .1 .1 .9 .1 .9 1.02 .1 1.02", [0.5, 0.56, 0.8, 0.92]),
    ],
)
def test_accepted_rows(text: str, box: list[float]) -> None:
    parsed = parse_rows(text, RULE)
    assert parsed.rows.dtype == np.float32
    np.testing.assert_allclose(parsed.rows[0, 1:], box, rtol=1e-6)
    assert np.array_equal(salvage_rows(text, RULE).rows, parsed.rows)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 1.011 .5 .2 .2", "out of bounds"),
        ("0 -0.02 .5 .2 .2", "negative"),
        ("0 .5 .5 -0.001 .2", "negative"),
        ("-1 .5 .5 .2 .2", "negative"),
        ("3 .5 .5 .2 .2", r"class 3 is not in 0\.\.2"),
        ("1.5 .5 .5 .2 .2", "not a whole number"),
        ("0 nan .5 .2 .2", "out of bounds"),
        ("0 inf .5 .2 .2", "out of bounds"),
        ("a .5 .5 .2 .2", "could not convert"),
        ("0,.5,.5,.2,.2", "5 columns"),
        ("0 .5 .5 .2 .2 # car", "could not convert"),
        ("0 .5 .5 .2", "5 columns, 4 found"),
        ("0 .5 .5 .2 .2 .9", "5 columns, 6 found"),
        ("0 .5 .5 .2 .2 .9 .9 .1", "8 columns"),
        ("0 .1 .1 .3 .1 .3 .4\n1 .5 .5 .2 .3", "mixed"),
    ],
)
def test_rejected_files(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rows(text, RULE)
    with pytest.raises(ValueError, match=reason):
        salvage_rows(text, RULE)


def test_one_class_for_all_ignores_class_ids() -> None:
    assert parse_rows("3 .5 .5 .2 .2", LabelRule(1, single_class=True)).rows[0, 0] == 3


def test_polygons_with_the_same_box_are_different() -> None:
    text = "0 0 0 1 0 1 1 0 1\n0 0 0 1 0 1 1 0 1\n0 0 0 1 0 0.5 1 0 1"
    parsed = parse_rows(text, RULE)
    assert (len(parsed.rows), len(parsed.polygons), parsed.duplicates) == (2, 2, 1)


def test_duplicates_are_removed() -> None:
    text = "\n".join(["2 .5 .5 .2 .2", GOOD, "2 .5 .5 .2 .2"])
    strict, lenient = parse_rows(text, RULE), salvage_rows(text, RULE)
    assert strict.rows[:, 0].tolist() == [0, 2]
    assert lenient.rows[:, 0].tolist() == [2, 0]
    assert strict.duplicates == lenient.duplicates == 1


def test_a_bad_row_is_dropped_and_named() -> None:
    kept = salvage_rows(f"{GOOD}\n\n9 .5 .5 .2 .2\n1 .4 .5 .2 .2\n1 2 .5 .2 .2\n1 .5\n", RULE)
    assert kept.rows[:, 0].tolist() == [0, 1]
    assert [line for line, _ in kept.bad] == [3, 5, 6]
    assert "class 9" in kept.bad[0][1]


def test_pose_rows() -> None:
    rule = LabelRule(2, keypoint=True, kpt_shape=(2, 3))
    parsed = parse_rows("0 .5 1.2 .2 .3 .4 .4 2 .6 .6 1", rule)
    assert parsed.keypoints is not None
    np.testing.assert_allclose(parsed.keypoints[0], [[0.4, 0.4, 2], [0.6, 0.6, 1]], rtol=1e-6)
    with pytest.raises(ValueError, match="out of bounds"):
        parse_rows("0 .5 .5 .2 .3 1.02 .4 2 .6 .6 1", rule)
    with pytest.raises(ValueError, match="11 columns"):
        parse_rows("0 .5 .5 .2 .3 .4 .4 2", rule)
    assert parse_rows("", rule).keypoints.shape == (0, 2, 3)


def test_visibility_of_flat_keypoints_is_derived() -> None:
    parsed = parse_rows("0 .5 .5 .2 .3 -0.005 .4 .6 .6", LabelRule(1, True, (2, 2)))
    assert parsed.keypoints[0, :, 2].tolist() == [0, 1]


def test_pose_labels_of_another_task_lose_their_keypoints() -> None:
    parsed = parse_rows("0 .5 .5 .2 .3 .4 .4 2 .6 .6 1", LabelRule(1, False, (2, 3)))
    assert parsed.rows.shape == (1, 5)
    assert parsed.polygons == []


def make_image(path: Path, size_wh: tuple[int, int] = (60, 40), **options: object) -> Path:
    Image.new("RGB", size_wh, (90, 20, 200)).save(path, **options)
    return path


def test_size_of_an_image(tmp_path: Path) -> None:
    assert check_image(make_image(tmp_path / "a.jpg")) == ("", (40, 60))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_orientation_swaps_the_sides(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = make_image(tmp_path / f"a.{suffix}", exif=exif)
    with Image.open(file) as picture:
        assert exif_size(picture) == (40, 60) or suffix == "tiff"  # Pillow turns TIFF itself
    decoded = imread(file)
    assert decoded is not None
    assert check_image(file)[1] == decoded.shape[:2]
    # old OpenCV does not turn WebP
    assert decoded.shape[:2] == (60, 40) or suffix == "webp"


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    make_image(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert check_image(tmp_path / "a.jpg")[1] == (40, 60)
    make_image(tmp_path / "b.gif").rename(tmp_path / "b.jpg")
    with pytest.raises(AssertionError, match="gif"):
        check_image(tmp_path / "b.jpg")


def test_tiny_images_are_refused(tmp_path: Path) -> None:
    assert check_image(make_image(tmp_path / "ok.png", (10, 10)))[1] == (10, 10)
    with pytest.raises(AssertionError, match="9x20 pixels"):
        check_image(make_image(tmp_path / "a.png", (9, 20)))


def test_junk_after_a_jpeg_is_noted_and_the_file_left_alone(tmp_path: Path) -> None:
    file = make_image(tmp_path / "a.jpg")
    file.write_bytes(file.read_bytes() + b"junk")
    before = file.read_bytes()
    message, size = check_image(file)
    assert "end marker" in message
    assert size == (40, 60)
    assert file.read_bytes() == before


def test_a_cut_jpeg_is_corrupt(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), noise)
    file.write_bytes(file.read_bytes()[:1500])
    with pytest.raises(OSError, match="truncated"):
        check_image(file)
    sample, found, corrupt, message = verify_image(((str(file), 1), ""))
    assert (sample, found, corrupt) == ((str(file), 1), 0, 1)
    assert "corrupt" in message


def test_strict_verification_of_a_pair(tmp_path: Path) -> None:
    image, label = make_image(tmp_path / "a.jpg"), tmp_path / "a.txt"
    call = lambda: verify_image_label((str(image), str(label), "", False, 3, 0, 0, False))
    assert call()[5:9] == [1, 0, 0, 0]
    label.write_text("")
    assert call()[5:9] == [0, 1, 1, 0]
    label.write_text(f"{GOOD}\n9 .5 .5 .2 .2")
    bad = call()
    assert bad[:5] == [None] * 5
    assert bad[5:9] == [0, 1, 0, 1]
    assert "class 9" in bad[9]
    label.write_text(f"\ufeff{GOOD}\n{GOOD}\n", encoding="utf-8")
    good = call()
    assert good[0] == str(image)
    assert good[1].tolist() == [[0, 0.5, 0.5, np.float32(0.2), np.float32(0.2)]]
    assert good[2] == (40, 60)
    assert "1 duplicate" in good[9]
