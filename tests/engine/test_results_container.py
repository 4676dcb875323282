"""Results as a whole: text, files, tables, drawing."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ultralytics.engine.results import Results

NAMES = {0: "cat", 1: "dog", 2: "a/b"}
BOXES = torch.tensor(
    [
        [10.0, 20, 60, 80, 0.912345, 1],
        [0, 0, 200, 100, 0.5, 0],
        [5.123456, 6, 7, 8, 0.33333, 1],
    ]
)


def result(**fields: object) -> Results:
    return Results(np.full((100, 200, 3), 90, np.uint8), "pictures/im.png", NAMES, **fields)  # type: ignore[arg-type]


def mask_of_first() -> torch.Tensor:
    mask = torch.zeros(1, 100, 200, dtype=torch.uint8)
    mask[0, 20:79, 10:59] = 1
    return mask


KEYPOINTS = torch.tensor([[[10.0, 20, 0.9], [0, 0, 0.1]]])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"boxes": BOXES}, "1 cat, 2 dogs, "),
        ({"boxes": BOXES[:0]}, "(no detections), "),
        ({}, "(no detections), "),
        ({"probs": torch.tensor([0.25, 0.75])}, "dog 0.75, cat 0.25, "),
        ({"obb": torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 0]])}, "1 cat, "),
        ({"semantic_mask": torch.zeros(100, 200)}, ""),
        ({"depth": torch.tensor([[4.127, 4.244, 0]])}, "depth 4.13-4.24m, "),
        ({"depth": torch.zeros(2, 2)}, "depth (no valid pixels), "),
    ],
)
def test_verbose(fields: dict[str, object], text: str) -> None:
    assert result(**fields).verbose() == text


def test_summary_of_boxes() -> None:
    rows = result(boxes=BOXES).summary()
    assert rows[0] == {
        "name": "dog",
        "class": 1,
        "confidence": 0.91234,
        "box": {"x1": 10.0, "y1": 20.0, "x2": 60.0, "y2": 80.0},
    }
    normal = result(boxes=BOXES).summary(normalize=True)
    assert normal[0]["box"] == {"x1": 0.05, "y1": 0.2, "x2": 0.3, "y2": 0.8}
    assert normal[2]["box"] == {"x1": 0.02562, "y1": 0.06, "x2": 0.035, "y2": 0.08}


def test_summary_columns_by_task() -> None:
    tracked = torch.tensor([[10.0, 20, 60, 80, 7, 0.9, 1]])
    row = result(boxes=tracked, masks=mask_of_first(), keypoints=KEYPOINTS).summary()[0]
    assert list(row) == ["name", "class", "confidence", "box", "track_id", "segments", "keypoints"]
    assert row["track_id"] == 7
    assert row["segments"] == {"x": [10, 10, 58, 58], "y": [20, 78, 78, 20]}
    assert row["keypoints"] == {"x": [10, 0], "y": [20, 0], "visible": [0.9, 0.1]}
    plain = result(boxes=tracked, keypoints=KEYPOINTS[..., :2]).summary()[0]
    assert list(plain["keypoints"]) == ["x", "y"]
    rotated = result(obb=torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 0]])).summary()[0]
    assert list(rotated["box"]) == [f"{axis}{n}" for n in range(1, 5) for axis in "xy"]


def test_summary_of_a_semantic_map_skips_ids_without_names() -> None:
    ids = torch.tensor([[0, 1, 1, 255], [0, 1, 9, 255]])
    rows = result(semantic_mask=ids).summary()
    assert [(row["name"], row["pixel_ratio"]) for row in rows] == [("cat", 0.25), ("dog", 0.375)]


@pytest.mark.parametrize(
    ("fields", "save_conf", "line"),
    [
        ({"boxes": BOXES[:1]}, False, "1 0.175 0.5 0.25 0.6"),
        ({"boxes": BOXES[2:]}, True, "1 0.0303086 0.07 0.00938272 0.02 0.33333"),
        (
            {"boxes": torch.tensor([[10.0, 20, 60, 80, 7, 0.9, 1]])},
            True,
            "1 0.175 0.5 0.25 0.6 0.9 7",
        ),
        (
            {"boxes": BOXES[:1], "masks": mask_of_first()},
            False,
            "1 0.05 0.2 0.05 0.78 0.29 0.78 0.29 0.2",
        ),
        (
            {"boxes": BOXES[:1], "keypoints": KEYPOINTS},
            True,
            "1 0.175 0.5 0.25 0.6 0.05 0.2 0.9 0 0 0.1 0.912345",
        ),
        (
            {"obb": torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 2]])},
            True,
            "2 0.303833 0.515793 0.327804 0.428035 0.196167 0.284207 0.172196 0.371965 0.8",
        ),
        ({"probs": torch.tensor([0.1, 0.9])}, False, "0.90 dog\n0.10 cat"),
    ],
)
def test_label_files(tmp_path: Path, fields: dict[str, object], save_conf: bool, line: str) -> None:
    file = tmp_path / "new" / "labels.txt"
    given = result(**fields)
    assert given.save_txt(file, save_conf=save_conf) == str(file)
    assert file.read_text() == f"{line}\n"
    given.save_txt(file, save_conf=save_conf)
    assert file.read_text() == f"{line}\n" * 2


def test_class_indexes_in_classification_labels(tmp_path: Path) -> None:
    result(probs=torch.tensor([0.1, 0.9])).save_txt(tmp_path / "a.txt", ids=True)
    assert (tmp_path / "a.txt").read_text() == "0.90 1\n0.10 0\n"


@pytest.mark.parametrize("fields", [{"boxes": BOXES[:0]}, {}, {"semantic_mask": torch.zeros(9, 9)}])
def test_no_label_file_without_lines(tmp_path: Path, fields: dict[str, object]) -> None:
    result(**fields).save_txt(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_mask_without_outline_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    masks = torch.cat((torch.zeros_like(mask_of_first()), mask_of_first()))
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        result(boxes=BOXES[:2], masks=masks).save_txt(tmp_path / "a.txt")
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 1
    assert "has no outline" in caplog.text


def test_tables() -> None:
    given = result(boxes=BOXES)
    assert given.to_df().shape == (3, 4)
    assert json.loads(given.to_json()) == given.summary()
    first = "dog,1,0.91234,\"{'x1': 10.0, 'y1': 20.0, 'x2': 60.0, 'y2': 80.0}\""
    assert given.to_csv().splitlines()[:2] == ["name,class,confidence,box", first]
    assert result(boxes=BOXES[:0]).to_json() == "[]"
    assert result(boxes=BOXES[:0]).to_df().shape == (0, 0)
    with pytest.warns(DeprecationWarning, match="to_json"):
        assert given.tojson() == given.to_json()


def test_slices_moves_and_iteration() -> None:
    given = result(boxes=BOXES, masks=mask_of_first().expand(3, -1, -1))
    given.save_dir = "runs/x"
    assert len(given) == 3
    part = given[1:]
    assert [
        part.boxes is not None and len(part.boxes),
        part.masks is not None and len(part.masks),
    ] == [2, 2]
    assert [one.verbose() for one in given] == ["1 dog, ", "1 cat, ", "1 dog, "]
    array = given.numpy()
    assert array.boxes is not None
    assert isinstance(array.boxes.data, np.ndarray)
    assert array.save_dir == "runs/x"
    assert array.summary() == given.summary()
    empty = given.new()
    assert len(empty) == 0
    assert empty.orig_img is given.orig_img
    assert empty.path == given.path


def test_update_clips_boxes() -> None:
    given = result(boxes=BOXES)
    given.update(boxes=torch.tensor([[-5.0, -5, 300, 150, 0.9, 1]]), probs=torch.tensor([1.0]))
    assert given.boxes is not None
    assert given.boxes.xyxy.tolist() == [[0, 0, 200, 100]]
    assert given.probs is not None


def test_crops_of_boxes(tmp_path: Path) -> None:
    rows = torch.cat((BOXES[:1], BOXES[:1], torch.tensor([[0.0, 0, 20, 20, 0.5, 2]])))
    result(boxes=rows).save_crop(tmp_path, file_name="im.png")
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.jpg"))
    assert found == ["a_b/im.jpg", "dog/im-2.jpg", "dog/im.jpg"]
    assert cv2.imread(str(tmp_path / "dog" / "im.jpg")).shape == (71, 61, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"boxes": BOXES},
        {"boxes": BOXES[:1], "masks": mask_of_first()},
        {"boxes": BOXES[:1], "keypoints": torch.rand(1, 17, 3) * 80 + 10},
        {"obb": torch.tensor([[50.0, 40, 30, 10, 0.5, 0.8, 2]])},
        {"probs": torch.tensor([0.2, 0.7, 0.1])},
        {"semantic_mask": torch.ones(100, 200)},
        {"depth": torch.rand(100, 200) + 1},
    ],
)
@pytest.mark.parametrize("color_mode", ["class", "instance"])
def test_plot_paints_a_copy(fields: dict[str, object], color_mode: str) -> None:
    given = result(**fields)
    painted = given.plot(color_mode=color_mode)
    assert painted.shape == (100, 200, 3)
    assert painted.dtype == np.uint8
    assert (painted != 90).any()
    assert (given.orig_img == 90).all()


def test_plot_as_pil_swaps_channels() -> None:
    given = result(semantic_mask=torch.zeros(100, 200))
    bgr, rgb = given.plot(labels=False), np.asarray(given.plot(labels=False, pil=True))
    assert (bgr[..., ::-1] == rgb).all()


def test_plot_on_another_picture_and_from_tensors() -> None:
    other = np.zeros((50, 60, 3), np.uint8)
    assert result(boxes=BOXES[:0]).plot(img=other).shape == other.shape
    tensor = torch.full((1, 3, 32, 64), 0.5)
    given = Results(np.zeros((32, 64, 3), np.uint8), "x.jpg", NAMES, boxes=BOXES[:0])
    assert given.plot(img=tensor).shape == (32, 64, 3)


@pytest.mark.parametrize("names", [NAMES, {0: "猫", 1: "Hünd", 2: "x"}])
def test_nothing_is_painted_when_everything_is_off(names: dict[int, str]) -> None:
    given = Results(np.full((100, 200, 3), 90, np.uint8), "a.jpg", names, boxes=BOXES)
    assert (given.plot(boxes=False, labels=False, conf=False) == 90).all()


def test_another_colour_mode_is_refused() -> None:
    with pytest.raises(AssertionError, match="color_mode"):
        result(boxes=BOXES).plot(color_mode="rainbow")


def test_save_makes_folders(tmp_path: Path) -> None:
    name = result(boxes=BOXES).save(tmp_path / "new" / "a.png")
    assert name == str(tmp_path / "new" / "a.png")
    assert cv2.imread(name).shape == (100, 200, 3)


def test_save_names_the_file_after_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert result(boxes=BOXES).save() == "results_im.png"
    assert (tmp_path / "results_im.png").is_file()


def test_text_form_and_misses() -> None:
    assert "boxes: ultralytics.engine.results.Boxes object" in str(result(boxes=BOXES))
    with pytest.raises(AttributeError, match="'Results' object has no attribute 'box'"):
        _ = result(boxes=BOXES).box


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"boxes": BOXES}, "Results(pictures/im.png, 100x200: 1 cat, 2 dogs)"),
        ({}, "Results(pictures/im.png, 100x200: (no detections))"),
        (
            {"semantic_mask": torch.zeros(100, 200)},
            "Results(pictures/im.png, 100x200: semantic_mask)",
        ),
    ],
)
def test_short_form(fields: dict[str, object], text: str) -> None:
    assert repr(result(**fields)) == text


def test_short_form_of_fields() -> None:
    given = result(boxes=BOXES)
    assert repr(given.boxes) == "Boxes(shape=(3, 6), float32, cpu)"
    assert repr(given.numpy().boxes) == "Boxes(shape=(3, 6), float32)"


@pytest.mark.parametrize("mode", ["cpu", "numpy"])
def test_pickled_and_copied(mode: str) -> None:
    given = getattr(result(boxes=BOXES, masks=torch.ones(3, 100, 200)), mode)()
    for other in (pickle.loads(pickle.dumps(given)), copy.deepcopy(given)):
        assert other.summary() == given.summary()
        assert np.array_equal(other.plot(), given.plot())
        assert (other.path, other.names, other.speed) == (given.path, given.names, given.speed)
