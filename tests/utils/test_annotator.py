"""Drawing tools: canvas layouts, colours, blending, crops, fonts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from ultralytics.utils.plotting import Annotator, Colors, colorize_depth, colors, save_one_box
from ultralytics.utils.plotting.crops import crop_folder
from ultralytics.utils.plotting.fonts import font_file, load_font

GREY = np.full((4, 4, 3), 100, np.uint8)
TWO_MASKS = torch.zeros(2, 4, 4)
TWO_MASKS[0, :2] = 1
TWO_MASKS[1, :, :2] = 1
BLUE, GREEN = (200, 0, 0), (0, 100, 50)


def test_palette() -> None:
    assert colors(0) == (4, 42, 255)
    assert colors(20, bgr=True) == (255, 42, 4)
    assert colors(torch.tensor(1.0)) == (11, 219, 235)
    assert colors.n == len(colors.palette) == 20
    assert Colors.hex2rgb("#042AFF") == (4, 42, 255)
    assert colors.pose_palette.shape == (20, 3)


@pytest.mark.parametrize(
    ("shape", "pixel"),
    [((4, 6), [1, 1, 1]), ((4, 6, 1), [1, 1, 1]), ((4, 6, 2), [1, 1, 0]), ((4, 6, 5), [1, 1, 1])],
)
def test_every_channel_count_becomes_three(shape: tuple[int, ...], pixel: list[int]) -> None:
    picture = Annotator(np.ones(shape, np.uint8)).result()
    assert picture.shape == (4, 6, 3)
    assert picture[0, 0].tolist() == pixel


def test_arrays_are_painted_in_place_and_must_be_contiguous() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    annotator = Annotator(picture)
    annotator.box_label([5, 5, 30, 30], "a", color=(1, 2, 3))
    assert annotator.result() is picture
    assert picture[30, 18].tolist() == [1, 2, 3]
    with pytest.raises(AssertionError, match="not contiguous"):
        Annotator(picture[:, ::-1])


def test_pil_pictures_keep_their_channel_order() -> None:
    red = Image.new("RGB", (60, 40), (255, 0, 0))
    annotator = Annotator(red)
    assert annotator.pil
    assert annotator.result()[0, 0].tolist() == [255, 0, 0]
    assert np.asarray(annotator.result(pil=True))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("pil", [False, True])
def test_a_label_stays_inside_the_picture(pil: bool) -> None:
    annotator = Annotator(np.zeros((80, 120, 3), np.uint8), pil=pil)
    annotator.box_label([90, 2, 119, 40], "label", color=(0, 255, 0))
    painted = annotator.result()
    assert painted[..., 1].any()
    assert (painted[41 if pil else 44 :, :80] == 0).all()


def test_text_colour_follows_the_background() -> None:
    annotator = Annotator(np.zeros((9, 9, 3), np.uint8))
    assert annotator.get_txt_color(colors(0, bgr=True), (1, 1, 1)) == (255, 255, 255)
    assert annotator.get_txt_color(colors(1, bgr=True), (1, 1, 1)) == (104, 31, 17)
    assert annotator.get_txt_color((90, 90, 90), (1, 1, 1)) == (1, 1, 1)


def test_overlapping_tensor_masks_show_the_brightest_colour() -> None:
    annotator = Annotator(GREY.copy())
    annotator.masks(TWO_MASKS, [BLUE, GREEN])
    assert annotator.im[0].tolist() == [[125, 75, 50], [125, 75, 50], [150, 50, 50], [150, 50, 50]]
    assert annotator.im[3].tolist() == [[50, 100, 75], [50, 100, 75], [100] * 3, [100] * 3]


def test_array_masks_cover_each_other() -> None:
    annotator = Annotator(GREY.copy())
    annotator.masks(TWO_MASKS.numpy(), [BLUE, GREEN])
    assert annotator.im[0, :, 0].tolist() == [50, 50, 150, 150]


def test_maps_are_blended() -> None:
    annotator = Annotator(GREY.copy())
    annotator.semantic_mask(np.array([[0, 1, 2, 255]] * 4))
    assert annotator.im[0].tolist() == [[178, 71, 52], [168, 160, 56], [172] * 3, [50] * 3]
    annotator = Annotator(GREY.copy())
    annotator.depth_map(np.zeros((4, 4)))
    assert (annotator.im == 40).all()


def test_keypoints_below_the_threshold_are_not_drawn() -> None:
    points = np.array([[10.0, 10, 0.9], [30, 30, 0.1]])
    annotator = Annotator(np.zeros((40, 40, 3), np.uint8))
    annotator.kpts(points, (40, 40), radius=2)
    assert annotator.im[10, 10].any()
    assert not annotator.im[30, 30].any()


@pytest.mark.parametrize("pil", [False, True])
def test_limbs_of_a_person(pil: bool) -> None:
    points = torch.stack((torch.linspace(5, 90, 17), torch.linspace(5, 90, 17)), 1)
    plain, limbs = (
        Annotator(np.zeros((100, 100, 3), np.uint8), pil=pil),
        Annotator(np.zeros((100, 100, 3), np.uint8), pil=pil),
    )
    plain.kpts(points, (100, 100), kpt_line=False, radius=1)
    limbs.kpts(points, (100, 100), kpt_line=True, radius=1)
    assert (limbs.result() > 0).sum() > (plain.result() > 0).sum()


@pytest.mark.parametrize("pil", [False, True])
def test_labels_inside_boxes(pil: bool) -> None:
    annotator = Annotator(np.zeros((80, 120, 3), np.uint8), pil=pil)
    annotator.circle_label([10, 10, 50, 50], "person", color=(0, 0, 200))
    annotator.text_label([60, 20, 110, 60], "dog", color=(0, 200, 0))
    annotator.text((5, 60), "text", box_color=(9, 9, 9))
    reds = (annotator.result() == (0, 0, 200)).all(axis=-1)
    assert reds.sum() > 50


def test_depth_colours() -> None:
    heat = colorize_depth(np.array([[0, 1.0, 2], [4, 8, -1]]))
    assert heat[0, 0].tolist() == heat[1, 2].tolist() == [0, 0, 0]
    assert heat[0, 1].tolist() == [0, 0, 128]  # nearest: red end of jet
    assert colorize_depth(np.ones((2, 2)), cmap="spectral", mode="metric").shape == (2, 2, 3)
    with pytest.raises(ValueError, match="cmap="):
        colorize_depth(np.ones((2, 2)), cmap="pink")


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [({}, (71, 61)), ({"square": True}, (71, 70)), ({"gain": 1.5, "pad": 0}, (90, 72))],
)
def test_crop_size(arguments: dict[str, object], shape: tuple[int, int]) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    crop = save_one_box(torch.tensor([10.0, 20, 60, 80]), picture, save=False, **arguments)  # type: ignore[arg-type]
    assert crop.shape[:2] == shape


def test_a_rotated_crop_is_upright(tmp_path: Path) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    corners = np.array([[60.767, 51.579], [65.561, 42.803], [39.233, 28.421], [34.439, 37.197]])
    cv2.fillPoly(picture, [corners.round().astype(np.int32)], (10, 20, 30))
    crop = save_one_box(torch.tensor(corners), picture, tmp_path / "a.jpg", BGR=True)
    assert crop.shape == (10, 30, 3)
    assert crop[5, 15].tolist() == [10, 20, 30]
    save_one_box(torch.tensor(corners), picture, tmp_path / "a.jpg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-2.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("name", "folder"), [("dog", "dog"), ("a/b", "a_b"), ("..", "_"), ("c:\\d", "c__d"), ("", "_")]
)
def test_class_names_as_folders(name: str, folder: str) -> None:
    assert crop_folder(name) == folder


def test_fonts_come_from_the_environment() -> None:
    file = font_file("Arial.ttf")
    assert file is not None
    assert file.name == "DejaVuSans.ttf"
    assert load_font("Arial.ttf", 14).getlength("abc") > 0


@pytest.mark.parametrize("image", [None, "picture.jpg"])
def test_what_is_no_image_is_refused(image: object) -> None:
    with pytest.raises(TypeError, match="reading an image gives None"):
        Annotator(image)


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (240, 250, 245), (20, 10, 15)])
def test_text_shows_on_any_colour(color: tuple[int, int, int]) -> None:
    pen = Annotator(np.zeros((9, 9, 3), np.uint8))
    for wanted in ((255, 255, 255), (0, 0, 0)):
        chosen = pen.get_txt_color(color, wanted)
        assert abs(sum(chosen) - sum(color)) > 250
    assert pen.get_txt_color((128, 128, 128), (9, 9, 9)) == (9, 9, 9)
