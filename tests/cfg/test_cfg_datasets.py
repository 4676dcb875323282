"""Descriptions of built-in data sets."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
import yaml

from ultralytics.cfg.paths import DATASETS_CFG_DIR

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec"
FILES = sorted(DATASETS_CFG_DIR.glob("*.yaml"))
KEYS = {
    "path",
    "train",
    "val",
    "test",
    "minival",
    "names",
    "channels",
    "download",
    "generator",
    "map",
}
POSE_KEYS = {"kpt_shape", "flip_idx", "kpt_names", "kpt_oks_sigmas"}
MASK_KEYS = {"masks_dir", "label_mapping", "colors"}
# File name -> heading of the chapter of class names; files with a heading of their own are absent.
COCO = ("coco", "coco8", "coco8-grayscale", "coco8-multispectral", "coco12-formats", "coco128")
SEGMENT = ("coco8-seg", "coco128-seg")
DOTA = ("DOTAv1", "dota8", "dota8-multispectral", "dota128")
HEADINGS = {
    **dict.fromkeys((*COCO, *SEGMENT), "COCO (80)"),
    **dict.fromkeys(DOTA, "DOTA v1.0 (15)"),
    "DOTAv1.5": "DOTA v1.5 (16)",
    "lvis": "LVIS v1",
    "VOC": "VOC",
    "open-images-v7": "Open Images V7",
    "ImageNet": "ImageNet-1k display names",
    "kitti": "KITTI",
    "carparts-seg": "Carparts-seg",
    "crack-seg": "Crack-seg",
    "package-seg": "Package-seg",
    "african-wildlife": "African wildlife",
    "brain-tumor": "Brain tumor",
    "construction-ppe": "Construction PPE",
    "medical-pills": "Medical pills",
    "signature": "Signature",
    **dict.fromkeys(("cityscapes", "cityscapes8"), "Cityscapes (19)"),
    "ade20k": "ADE20K (150)",
}


def load(file: Path) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_there_are_the_detection_sets_and_the_sample() -> None:
    assert {*COCO, *SEGMENT, "VOC", "shapes", "HomeObjects-3K"} <= {file.stem for file in FILES}
    assert len(FILES) >= 50


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_description_is_complete_and_harmless(file: Path) -> None:
    data = load(file)
    assert set(data) <= KEYS | POSE_KEYS | MASK_KEYS
    assert {"path", "train", "val", "names"} <= set(data)
    assert all(isinstance(name, str) for name in data["names"])
    assert len(set(data["names"])) == len(data["names"])
    if "download" in data:
        url = urlparse(data["download"])
        assert url.scheme == "https"
        assert Path(url.path).name == f"{data['path']}.zip"


@pytest.mark.skipif(not SPEC.exists(), reason="needs the specification")
@pytest.mark.parametrize(
    "file",
    [
        f
        for f in FILES
        if not f.stem.startswith("shapes") and not {"kpt_shape", "colors"} & set(load(f))
    ],
    ids=lambda f: f.stem,
)
def test_class_names_have_the_published_digest(file: Path) -> None:
    text = (SPEC / "31-class-names.md").read_text(encoding="utf-8")
    heading = HEADINGS.get(file.stem, file.stem)
    section = text[text.index(f"\n## {heading}") :]
    wanted = re.search(r"sha256 `(\w{64})`", section)
    assert wanted is not None
    joined = "\n".join(load(file)["names"])
    assert hashlib.sha256(joined.encode()).hexdigest() == wanted[1]


def _words(text: str) -> list[str]:
    """Values of a table whose lines start with the number of their first value."""
    return [
        word.strip() for word in re.sub(r"^\d+:", "", text, flags=re.M).split(";") if word.strip()
    ]


@pytest.mark.parametrize("file", [f for f in FILES if "kpt_shape" in load(f)], ids=lambda f: f.stem)
def test_keypoints_fit_each_other(file: Path) -> None:
    data = load(file)
    count, values = data["kpt_shape"]
    assert values in (2, 3)
    for names in data["kpt_names"].values():
        assert len(names) == len(set(names)) == count
    flip = data.get("flip_idx")
    if flip is not None:
        assert [flip[flip[i]] for i in range(count)] == list(range(count))


@pytest.mark.skipif(not SPEC.exists(), reason="needs the specification")
@pytest.mark.parametrize(
    "file",
    [f for f in FILES if not f.stem.startswith("shapes") and "kpt_shape" in load(f)],
    ids=lambda f: f.stem,
)
def test_keypoints_are_the_published_ones(file: Path) -> None:
    text = (SPEC / "31-class-names.md").read_text(encoding="utf-8")
    section = text[text.index("\n## Pose data sets") :]
    data = load(file)
    entry = re.search(
        rf"- `{file.stem}`: names \{{0: (\w+)\}}; kpt_shape (.*?);\s+flip_idx (.*?)\.\n", section
    )
    assert entry is not None
    assert data["names"] == [entry[1]]
    assert data["kpt_shape"] == yaml.safe_load(entry[2])
    if "absent" in entry[3]:
        assert "flip_idx" not in data
    else:
        assert data["flip_idx"] == yaml.safe_load(entry[3])
    table = re.search(
        rf"kpt_names \(class 0\) of [^:]*{file.stem}[^:]*:\n+```text\n(.*?)```", section, re.S
    )
    assert table is not None
    assert data["kpt_names"] == {0: _words(table[1])}


@pytest.mark.parametrize("file", [f for f in FILES if "colors" in load(f)], ids=lambda f: f.stem)
def test_every_class_has_a_colour_of_its_own(file: Path) -> None:
    data = load(file)
    colours = data["colors"]
    assert list(colours) == list(range(len(data["names"])))
    assert len({tuple(colour) for colour in colours.values()}) == len(colours)
    assert all(0 <= level <= 255 for colour in colours.values() for level in colour)


def test_coloured_cityscapes_has_the_classes_of_cityscapes() -> None:
    coloured = load(DATASETS_CFG_DIR / "CityscapesYOLO.yaml")
    assert coloured["names"] == [*load(DATASETS_CFG_DIR / "cityscapes.yaml")["names"], "background"]


@pytest.mark.skipif(not SPEC.exists(), reason="needs the specification")
def test_mapping_of_cityscapes_is_the_published_one() -> None:
    text = (SPEC / "31-class-names.md").read_text(encoding="utf-8")
    section = text[text.index("label_mapping of cityscapes") :]
    pairs = {int(a): int(b) for a, b in re.findall(r"(\d+)->(\d+)", section[:700])}
    for name in ("cityscapes", "cityscapes8"):
        mapping = load(DATASETS_CFG_DIR / f"{name}.yaml")["label_mapping"]
        assert {k: v for k, v in mapping.items() if v != "ignore_label"} == pairs
        assert set(mapping) == set(range(-1, 34))
    ade = load(DATASETS_CFG_DIR / "ade20k.yaml")["label_mapping"]
    assert ade == {0: "ignore_label", **{k: k - 1 for k in range(1, 151)}}
