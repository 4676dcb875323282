"""Prediction of class maps: back to the pixels of odd-sized pictures, filters, files, drawing, access."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.drawn import SIZES, drawn_map, shown
from tests.models.semantic.conftest import ColourReader
from ultralytics.engine.results import Results
from ultralytics.models.yolo import semantic, semseg
from ultralytics.models.yolo.semseg import SemanticSegmentationPredictor


def predictor(tmp_path: Path, model: Any, **settings: Any) -> SemanticSegmentationPredictor:
    given = {"imgsz": 128, "device": "cpu", "mode": "predict", "batch": 1, "task": "semseg"}
    given |= {"verbose": False, "save": False, "save_dir": str(tmp_path / "run")}
    made = SemanticSegmentationPredictor(overrides={**given, **settings})
    made.setup_model(model, verbose=False)
    return made


def test_the_users_package_holds_the_same_classes() -> None:
    assert semseg.SemanticSegmentationPredictor is semantic.SemanticSegmentationPredictor
    assert semseg.SemanticSegmentationTrainer is semantic.SemanticSegmentationTrainer
    assert semseg.SemanticSegmentationValidator is semantic.SemanticSegmentationValidator


@pytest.mark.parametrize("rect", [True, False])
@pytest.mark.parametrize("size", [*SIZES, (101, 33), (90, 200)], ids=str)
@pytest.mark.parametrize("exported", [False, True])
def test_maps_come_back_to_the_picture(
    tmp_path: Path, size: tuple[int, int], rect: bool, exported: bool
) -> None:
    ids = drawn_map(0, *size)
    run = predictor(tmp_path, ColourReader(exported=exported), rect=rect, imgsz=320)
    (result,) = run(source=shown(ids))
    assert result.semantic_mask is not None
    found = result.semantic_mask.data.numpy()
    assert found.shape == size
    assert found.dtype == np.uint8
    for c in range(3):
        overlap = ((found == c) & (ids == c)).sum() / ((found == c) | (ids == c)).sum()
        assert overlap > 0.99


def test_one_class_is_above_zero(tmp_path: Path) -> None:
    ids = (drawn_map(1, 61, 75) > 0).astype(np.uint8)
    (result,) = predictor(tmp_path, ColourReader(classes=1), imgsz=160)(source=shown(ids))
    assert result.semantic_mask is not None
    assert (result.semantic_mask.data.numpy() == ids).mean() > 0.99
    assert result.summary()[0]["class"] == 0
    assert result.summary()[0]["pixel_ratio"] == pytest.approx(ids.mean(), abs=0.01)


def test_classes_filter(tmp_path: Path) -> None:
    ids = drawn_map(0, 64, 64)
    (result,) = predictor(tmp_path, ColourReader(), imgsz=64, classes=[2])(source=shown(ids))
    assert result.semantic_mask is not None
    assert (result.semantic_mask.data.numpy() == np.where(ids == 2, 2, 255)).all()
    assert result.semantic_mask.ids() == [2]


def test_batches_and_tensors(tmp_path: Path) -> None:
    pictures = [shown(drawn_map(i, *SIZES[i])) for i in range(3)]
    run = predictor(tmp_path, ColourReader(), batch=3)
    together = run(source=pictures)
    alone = [predictor(tmp_path, ColourReader(), rect=False)(source=p)[0] for p in pictures]
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.semantic_mask.data, other.semantic_mask.data)
    rgb = torch.from_numpy(shown(drawn_map(0, 64, 64))[..., ::-1].copy())
    (result,) = run(source=rgb.permute(2, 0, 1)[None].float() / 255)
    assert (result.semantic_mask.data.numpy() == drawn_map(0, 64, 64)).all()


def one_result(tmp_path: Path) -> tuple[Results, np.ndarray]:
    ids = drawn_map(0, 64, 96)
    (result,) = predictor(tmp_path, ColourReader(), imgsz=96)(source=shown(ids))
    return result, ids


def test_masks_of_the_classes_that_occur(tmp_path: Path) -> None:
    result, ids = one_result(tmp_path)
    assert len(result) == 1
    masks = result.masks
    assert masks is not None
    assert masks.data.shape == (3, 64, 96)
    for c, mask in zip(result.semantic_mask.ids(), masks.data, strict=True):  # type: ignore[union-attr]
        assert (mask.numpy().astype(bool) == (ids == c)).all()
    kept = result.numpy().masks
    assert kept is not None
    assert isinstance(kept.data, np.ndarray)
    assert result.new().masks is None
    assert sum(result.semantic_mask.counts().values()) == 64 * 96  # type: ignore[union-attr]


def test_a_saved_map_is_a_mask_again(tmp_path: Path) -> None:
    result, ids = one_result(tmp_path)
    file = result.semantic_mask.save(tmp_path / "deep" / "map.png")  # type: ignore[union-attr]
    assert (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) == ids).all()
    wide = Results(result.orig_img, "a.jpg", {0: "x"}, semantic_mask=torch.tensor([[3, 700]]).int())
    assert wide.semantic_mask is not None
    file = wide.semantic_mask.save(tmp_path / "wide.png")
    assert cv2.imread(str(file), cv2.IMREAD_UNCHANGED).tolist() == [[3, 700]]


def test_files_of_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(2):
        cv2.imwrite(str(folder / f"p{i}.png"), shown(drawn_map(i, *SIZES[i])))
    predictor(tmp_path, ColourReader(), save=True, save_txt=True, rect=False)(source=str(folder))
    run = tmp_path / "run"
    assert {f.name for f in run.glob("*.jpg")} == {"p0.jpg", "p1.jpg"}
    assert {f.name for f in (run / "labels").iterdir()} == {"p0.png", "p1.png"}
    for i in range(2):
        ids = cv2.imread(str(run / "labels" / f"p{i}.png"), cv2.IMREAD_UNCHANGED)
        assert (ids == drawn_map(i, *SIZES[i])).mean() > 0.99


def test_drawing_blends_colours_and_lists_names(tmp_path: Path) -> None:
    from ultralytics.utils.plotting import colors

    result, ids = one_result(tmp_path)
    bare = result.plot(labels=False).astype(int)
    for c in range(3):
        expected = (shown(ids)[ids == c].astype(int) + np.array(colors(c, bgr=True))) / 2
        assert np.abs(bare[ids == c] - expected).max() <= 1
    listed = result.plot()
    changed = (listed != bare).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert rows.min() > 10  # the list stands in the lower left corner
    assert columns.max() < 60
    for c in range(3):
        assert (listed[changed] == colors(c, bgr=True)).all(axis=-1).any()
    assert (result.plot(masks=False) == shown(ids)).all()
    assert result.plot(pil=True).size == (96, 64)


def test_text_forms(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result, ids = one_result(tmp_path)
    assert result.verbose() == ""
    rows = result.summary()
    assert [row["name"] for row in rows] == ["red", "green", "blue"]
    assert [row["pixel_ratio"] for row in rows] == pytest.approx(
        [float((ids == c).mean()) for c in range(3)], abs=1e-5
    )
    with caplog.at_level("WARNING"):
        result.save_txt(tmp_path / "labels.txt")
    assert not (tmp_path / "labels.txt").exists()
    assert "semantic maps" in caplog.text


def test_maps_cannot_be_tracked(tmp_path: Path) -> None:
    assert SemanticSegmentationPredictor.trackable is False
