"""YOLO-World and YOLOE from their facades: classes, visual prompts, files of embeddings, validation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics import YOLO, YOLOE, YOLOWorld
from ultralytics.errors import ConfigValueError, NotAvailable
from ultralytics.models.yolo.yoloe import YOLOEVPDetectPredictor, YOLOEVPSegPredictor
from ultralytics.models.yolo.yoloe.prompts import Regions
from ultralytics.nn import tasks, text_model
from ultralytics.utils.yaml_io import YAML

NAMES = ["person", "car"]
QUIET = {"imgsz": 64, "verbose": False, "device": "cpu", "conf": 0.0001}


class Stub(text_model.TextModel):
    """Numbers from the letters of a text."""

    def tokenize(self, texts: str | list[str], truncate: bool = True) -> Tensor:
        return torch.tensor([[ord(letter) for letter in text.ljust(8)[:8]] for text in texts])

    def encode_text(self, texts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        parts = [torch.sin(texts.to(dtype) * step) for step in range(1, 65)]
        return nn.functional.normalize(torch.cat(parts, 1), dim=-1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the text encoder; lists which were asked for."""
    calls: list[str] = []

    def build(variant: str, device: object = None) -> Stub:
        calls.append(variant)
        return Stub()

    monkeypatch.setattr(text_model, "build_text_model", build)
    return calls


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of model files with few channels."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("yoloe-11n", "yoloe-11s", "yoloe-11n-seg", "yoloe-26n-seg", "yolov8n-worldv2"):
        content = tasks.yaml_model_load(f"{name}.yaml")
        content |= {"scales": {"n": [0.33, 0.125, 128], "s": [0.33, 0.125, 128]}}
        YAML.save(folder / f"{name}.yaml", {k: v for k, v in content.items() if k != "yaml_file"})
    return folder


@pytest.fixture(scope="module")
def built(files: Path) -> dict[str, Any]:
    """One settled facade per file; tests take copies."""
    made = {}
    for name in ("yoloe-11n.yaml", "yoloe-26n-seg.yaml", "yolov8n-worldv2.yaml"):
        torch.manual_seed(0)
        model = YOLO(files / name)
        for module in model.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.8, 1.6)
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.2, 1.0)
        model.model.eval()
        made[name] = model
    return made


@pytest.fixture
def yoloe(built: dict[str, Any]) -> YOLOE:
    return fresh(built["yoloe-11n.yaml"])


@pytest.fixture
def segmenting(built: dict[str, Any]) -> YOLOE:
    return fresh(built["yoloe-26n-seg.yaml"])


def fresh(model: Any) -> Any:
    made = type(model)(model)
    made.__dict__ = {**model.__dict__, "_modules": dict(model._modules), "predictor": None}
    made.model = copy.deepcopy(model.model)
    return made


def picture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_the_facade_is_chosen_by_the_last_layer(built: dict[str, Any], tmp_path: Path) -> None:
    assert [type(model) for model in built.values()] == [YOLOE, YOLOE, YOLOWorld]
    assert [model.task for model in built.values()] == ["detect", "segment", "detect"]
    built["yoloe-26n-seg.yaml"].save(tmp_path / "a.pt")
    again = YOLO(tmp_path / "a.pt")
    assert type(again) is YOLOE
    assert again.task == "segment"


@pytest.mark.parametrize("name", ["yoloe-11n.yaml", "yolov8n-worldv2.yaml"])
def test_training_is_refused_in_words(name: str, built: dict[str, Any]) -> None:
    with pytest.raises(NotAvailable, match=r"training of YOLO.* models is not part"):
        built[name].train(data="shapes.yaml", epochs=1)


def test_world_classes(built: dict[str, Any], asked: list[str]) -> None:
    model = fresh(built["yolov8n-worldv2.yaml"])
    model.set_classes(NAMES)
    assert asked == ["clip:ViT-B/32"]
    assert model.names == {0: "person", 1: "car"}
    (result,) = model.predict(picture(), **QUIET)
    assert set(result.boxes.cls.tolist()) <= {0.0, 1.0}
    assert result.names == model.names
    with pytest.raises(ConfigValueError, match="a class needs a text"):
        model.set_classes(["a", " "])


def test_yoloe_classes(yoloe: YOLOE, files: Path, asked: list[str]) -> None:
    yoloe.set_classes(NAMES)
    yoloe.set_classes(NAMES)
    assert asked == ["mobileclip:blt"]  # equal names change nothing
    (by_text,) = yoloe.predict(picture(), **QUIET)
    stored = yoloe.get_text_pe(NAMES)
    other = YOLOE(files / "yoloe-11n.yaml")
    other.model.load_state_dict(yoloe.model.state_dict())
    other.model.eval()
    other.set_classes(NAMES, stored)
    (by_embedding,) = other.predict(picture(), **QUIET)
    assert_close(by_embedding.boxes.data, by_text.boxes.data)
    with pytest.raises(ConfigValueError, match="a class needs a text"):
        yoloe.set_classes([" "], stored[:, :1])


def test_files_of_embeddings(yoloe: YOLOE, files: Path, asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match="call set_classes first"):
        yoloe.save_prompt_embeddings(tmp_path / "a")
    yoloe.set_classes(NAMES)
    file = yoloe.save_prompt_embeddings(tmp_path / "a")
    with np.load(file, allow_pickle=False) as stored:
        assert stored["embeddings"].shape == (1, 2, 512)
        assert stored["names"].tolist() == NAMES
        assert str(stored["model"]) == "yoloe-11n"
    other = YOLOE(files / "yoloe-11n-seg.yaml")  # the mask variant takes the same embeddings
    other.load_prompt_embeddings(file)
    assert_close(other.model.pe, yoloe.model.pe)
    with pytest.raises(ConfigValueError, match="was made with the model yoloe-11n"):
        YOLOE(files / "yoloe-11s.yaml").load_prompt_embeddings(file)
    content = dict(np.load(file))
    broken = {
        "holds": {"names": content["names"]},
        "2 names": {**content, "embeddings": content["embeddings"][:, :1]},
        "not finite": {**content, "embeddings": content["embeddings"] * np.nan},
        "must be texts": {**content, "names": np.array([1, 2])},
    }
    for message, parts in broken.items():
        np.savez(tmp_path / "b.npz", **parts)
        with pytest.raises(ConfigValueError, match=message):
            yoloe.load_prompt_embeddings(tmp_path / "b.npz")


# visual prompts


def test_regions_of_the_specification() -> None:
    boxes = np.array([[8, 16, 40, 40], [30, 4, 62, 20], [0, 0, 7, 7]], np.float32)
    cells = Regions(np.array([5, 2, 5]), boxes).cells([2, 5], (64, 96), (64, 96))
    wanted = torch.zeros(2, 8, 12)
    wanted[0, 1:3, 4:8] = 1
    wanted[1, 2:5, 1:5] = wanted[1, 0, 0] = 1
    assert_close(cells, wanted)


def test_regions_follow_the_letterbox() -> None:
    region = Regions(np.array([0]), np.array([[0, 0, 100, 50]], np.float32))
    cells = region.cells([0], (64, 64), (50, 100))  # 100 x 50 is shown at 64 x 32 with 16 above
    wanted = torch.zeros(1, 8, 8)
    wanted[:, 2:6] = 1
    assert_close(cells, wanted)
    mask = np.ones((1, 50, 100), np.uint8)
    assert_close(Regions(np.array([0]), masks=mask).cells([0], (64, 64), (50, 100)), wanted)


def test_a_region_between_cells_marks_the_nearest_one() -> None:
    small = np.array([[18, 27, 21, 30], [0, 0, 7, 7], [33, 8, 39, 30]], np.float32)
    cells = Regions(np.array([0, 1, 2]), small).cells([0, 1, 2], (64, 64), (64, 64))
    assert [part.nonzero().tolist() for part in cells] == [
        [[3, 2]],
        [[0, 0]],
        [[1, 4], [2, 4], [3, 4]],
    ]


def test_prompts_of_the_same_picture(yoloe: YOLOE) -> None:
    prompts = {"bboxes": np.array([[0, 0, 30, 30], [32, 8, 60, 40]]), "cls": np.array([3, 1])}
    square = picture(64, 64)
    (result,) = yoloe.predict(square, visual_prompts=prompts, **QUIET)
    assert type(yoloe.predictor) is YOLOEVPDetectPredictor
    assert result.names == {0: "object0", 1: "object1"}
    assert getattr(yoloe.model, "pe", None) is None  # the model itself is untouched
    head = yoloe.model.model[-1]
    x = torch.from_numpy(np.ascontiguousarray(square[..., ::-1])).permute(2, 0, 1)[None] / 255
    masks = torch.zeros(1, 2, 8, 8)
    masks[0, 0, 1:5, 4:8] = 1  # class 1 comes first
    masks[0, 1, 0:4, 0:4] = 1
    with torch.no_grad():
        scores = yoloe.model(x, vpe=masks)[0][0, 4:6]
    assert float(scores.max()) == pytest.approx(float(result.boxes.conf.max()), rel=1e-3)
    assert head.nc == 2
    yoloe.predict(picture(), **QUIET)
    assert type(yoloe.predictor) is not YOLOEVPDetectPredictor


def test_a_reference_picture_sets_the_classes(segmenting: YOLOE) -> None:
    prompts = {"bboxes": np.array([[0, 0, 30, 30]]), "cls": np.array([0])}
    first = segmenting.predict(
        picture(seed=1), visual_prompts=prompts, refer_image=picture(), **QUIET
    )
    assert segmenting.names == {0: "object0"}
    assert segmenting.model.pe.shape == (1, 1, 512)
    assert not segmenting.model.pe.is_inference()
    again = segmenting.predict(picture(seed=1), **QUIET)
    assert_close(again[0].boxes.data, first[0].boxes.data)
    own = YOLOEVPSegPredictor(overrides={"verbose": False, "imgsz": 64, "save": False})
    own.setup_model(segmenting.model)
    own.set_prompts(prompts)
    assert_close(own.get_vpe(picture()).cpu(), segmenting.model.pe)


@pytest.mark.parametrize("nms", [None, False])
def test_every_picture_can_have_its_own_prompts(segmenting: YOLOE, nms: bool | None) -> None:
    prompts = {
        "bboxes": [np.array([[0, 0, 30, 30]]), np.array([[8, 8, 40, 40]])],
        "cls": [np.array([1]), np.array([3])],
    }
    both = segmenting.predict(
        [picture(), picture(seed=1)], visual_prompts=prompts, nms=nms, **QUIET
    )
    # classes are counted over both pictures, and none is found where it has no prompt
    assert set(both[0].boxes.cls.tolist()) == {0.0}
    assert set(both[1].boxes.cls.tolist()) == {1.0}
    assert both[1].masks is not None


@pytest.mark.parametrize(
    ("prompts", "source", "message"),
    [
        ({"bboxes": [[0, 0, 1, 1]]}, None, "Expected 'bboxes' and 'cls'"),
        ({"bboxes": 3, "cls": 3}, None, "Expected non-scalar"),
        ({"bboxes": [[0, 0, 1, 1]], "cls": [1, 2]}, None, "Expected an equal, non-zero number"),
        ({"bboxes": [], "cls": []}, None, "Expected an equal, non-zero number"),
        ({"bboxes": [[0, 0, 1, 1]], "cls": ["a"]}, None, "Expected non-string scalar"),
        ({"bboxes": [[0, 0, 1]], "cls": [1]}, None, "Expected non-string scalar"),
        (
            {"bboxes": [[0, 0, 1, 1]], "cls": [1]},
            np.zeros((2, 8, 8, 3), np.uint8),
            "4-D NumPy sources are not supported",
        ),
        (
            {"bboxes": [np.zeros((1, 4))], "cls": [np.zeros(1)]},
            None,
            "Expected flat 'bboxes' and 'cls' arrays",
        ),
        (
            {"bboxes": [np.zeros((1, 4))], "cls": [np.zeros(1)]},
            [picture(), picture()],
            "Expected one prompt per source image",
        ),
    ],
)
def test_prompts_that_are_refused(prompts: Any, source: Any, message: str, yoloe: YOLOE) -> None:
    with pytest.raises(ConfigValueError, match=message):
        yoloe.predict(picture() if source is None else source, visual_prompts=prompts, **QUIET)


def test_fixed_classes_take_no_prompts(yoloe: YOLOE, files: Path, asked: list[str]) -> None:
    vocabulary = yoloe.get_vocab(NAMES)
    free = YOLOE(files / "yoloe-11n.yaml")
    free.model.eval()
    free.set_vocab(vocabulary, NAMES)
    prompts = {"bboxes": np.array([[0, 0, 30, 30]]), "cls": np.array([0])}
    for model in (yoloe, free):
        with pytest.raises(ConfigValueError, match="fixed classes"):
            model.predict(picture(), visual_prompts=prompts, **QUIET)
    (result,) = free.predict(picture(), **QUIET)
    assert result.names == {0: "person", 1: "car"}


# validation


def test_data_set_names_become_the_classes_of_a_copy(
    yoloe: YOLOE, painted: Path, asked: list[str], tmp_path: Path
) -> None:
    options = {"data": str(painted), "imgsz": 64, "plots": False, "verbose": False}
    found = yoloe.val(**options, project=str(tmp_path))
    assert found.names == {0: "red", 1: "blue"}
    assert asked == ["mobileclip:blt"]
    assert getattr(yoloe.model, "pe", None) is None
    yoloe.set_classes(["red", "blue"], yoloe.get_text_pe(["red", "blue"]))
    before = len(asked)
    again = yoloe.val(**options, project=str(tmp_path))
    assert len(asked) == before  # the classes of the model are those of the data set
    assert_close(again.results_dict, found.results_dict)


def test_regions_of_a_data_set_become_the_classes(
    yoloe: YOLOE, painted: Path, tmp_path: Path, asked: list[str]
) -> None:
    options = {"data": str(painted), "imgsz": 64, "plots": False, "verbose": False}
    found = yoloe.val(load_vp=True, refer_data=str(painted), **options, project=str(tmp_path))
    assert found.names == {0: "red", 1: "blue"}
    assert asked == []
    with pytest.raises(ConfigValueError, match="load_vp=True"):
        yoloe.val(refer_data=str(painted), **options, project=str(tmp_path))


def test_world_validation(
    built: dict[str, Any], painted: Path, asked: list[str], tmp_path: Path
) -> None:
    model = fresh(built["yolov8n-worldv2.yaml"])
    found = model.val(
        data=str(painted), imgsz=64, plots=False, verbose=False, project=str(tmp_path)
    )
    assert found.names == {0: "red", 1: "blue"}
    assert asked == ["clip:ViT-B/32"]
    assert model.model.model[-1].nc == 80
