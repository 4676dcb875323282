"""Pictures made smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ultralytics.data.utils import compress_one_image


def test_in_place(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    Image.effect_noise((300, 100), 60).convert("RGB").save(file, quality=95)
    before = file.stat().st_size
    compress_one_image(file, max_dim=150)
    with Image.open(file) as picture:
        assert (picture.size, picture.format) == ((150, 50), "JPEG")
    assert file.stat().st_size < before
    assert list(tmp_path.iterdir()) == [file]


def test_turned_upright_and_flattened(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGBA", (40, 20), (255, 0, 0, 255)).save(tmp_path / "a.png", exif=exif)
    compress_one_image(tmp_path / "a.png", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as picture:
        assert (picture.size, picture.mode) == ((20, 40), "RGB")  # small pictures keep their size


def test_a_png_is_not_replaced_by_a_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="f_new="):
        compress_one_image(tmp_path / "a.png")


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    for name in ("a.jpg", "missing.jpg"):
        with pytest.raises(FileNotFoundError, match=name):
            compress_one_image(tmp_path / name)
