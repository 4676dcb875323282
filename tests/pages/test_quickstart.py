"""The snippets of the page our users start from, run as they stand.

The page is read from ../shared and never copied; without it everything here is skipped. Each block runs in a folder
of its own where the names it mentions exist: a tiny network under the names of published weights, photographs, small
data sets. Addresses, devices and long trainings are rewritten to what a test machine has; a block that needs a part
this version lacks must say so.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ultralytics import YOLO, settings
from ultralytics.errors import NotAvailable
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils import ROOT, YAML

PAGE = next(
    (
        file
        for base in (ROOT.parent, *ROOT.parents)
        for file in [base / "shared" / "users-pages" / "quickstart.md"]
        if file.is_file()
    ),
    None,
)
pytestmark = pytest.mark.skipif(PAGE is None, reason="needs the users' pages of ../shared")

SETTINGS = 'epochs=1, imgsz=32, workers=0, device="cpu"'
OVERRIDES = f'dict(model="yolo11n.pt", data="coco8.yaml", {SETTINGS})'
REWRITES = (  # what the machine has
    (r"https://ultralytics\.com/images/", ""),
    (r"https://youtu\.be/\w+", "short.avi"),
    (r'source="0"', 'source="bus.jpg"'),
    (r", show=True", ""),
    (r"cv2\.(imshow|destroyAllWindows)\(.*\)", "pass"),
    (r"cv2\.waitKey\(1\)", "0"),
    (r"yolo11s\.pt", "yolo11n.pt"),
    (r"train\(epochs", 'train(data="coco8.yaml", epochs'),  # published weights remember theirs
    (r"epochs=\d+", SETTINGS),
    (r'data="coco\.yaml"', 'data="coco8.yaml"'),
    (r"/path/to/runs", "runs"),
    (r"datasets/dota8/images/train/\w+\.jpg", "bus.jpg"),
    (r"ultralytics/assets/bus\.jpg|path/to/image\.jpg|\bimage\.jpg", "bus.jpg"),
    (r"path/to/video/file\.mp4", "short.avi"),
    (r"path/to/best\.pt", "yolo11n.pt"),
    (r"cuda:0", "cpu"),
    (r"MODE\(ARGS\)", 'predict("bus.jpg")'),
    # what the page leaves out
    (r"(\d), \.\.\., (\d)", r"\1, \2"),
    (r"overrides=\{(\.\.\.)?\}", f"overrides={OVERRIDES}"),
    (r"args=\.\.\.", 'args=dict(data="coco8.yaml", imgsz=32, workers=0, device="cpu")'),
    (r'(get_model(?s:.)*?""")\n +\.\.\.', r"\1\n        return super().get_model(cfg, weights)"),
    (r'(init_criterion(?s:.)*?""")\n +\.\.\.', r"\1\n        return super().init_criterion()"),
    (r"MyCustomModel\(\.\.\.\)", 'MyCustomModel(cfg, nc=self.data["nc"])'),
    # `batch` has held three parts for years; the page still counts a fourth
    (r"_, image, _, _ = predictor\.batch", "_, image, _ = predictor.batch"),
)
ASSUMED = {  # names that a block takes for granted -> a line that makes them
    "compute_additional_metric(": "compute_additional_metric = lambda trainer: 1.0",
    "compute_custom_metric(": "compute_custom_metric = lambda validator: 1.0",
    "log_prediction(": "log_prediction = lambda result: result.verbose()",
    "SOURCE": 'SOURCE = "bus.jpg"',
    'overrides["resume"]': f"overrides = {OVERRIDES.replace('epochs=1', 'epochs=2')}",
    "detect.DetectionTrainer": "from ultralytics.models.yolo import detect",
}
LACKING = {  # text of a block -> what this version says it lacks
    "model.export(": "export",
    "import benchmark": "benchmarks",
    "import Explorer": "Explorer",
    "auto_annotate(": "SAM",
    "yolo_bbox2segment(": "SAM",
}


def blocks() -> list[Any]:
    """Code of every Python block, called by its number and heading."""
    text = PAGE.read_text(encoding="utf-8") if PAGE else ""
    found = []
    for number, match in enumerate(re.finditer(r"```python\n(.*?)```", text, re.DOTALL)):
        heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
        name = re.sub(r"\W+", "-", re.sub(r"\(.*?\)", "", heading)).strip("-").lower()
        slow = "YOLO(" in match[1] or "Trainer" in match[1]
        marks = [pytest.mark.slow] if slow else []
        found.append(pytest.param(match[1], id=f"{number}-{name}", marks=marks))
    return found


def runnable(code: str) -> str:
    for pattern, text in REWRITES:
        code = re.sub(pattern, text, code)
    return "\n".join([*(line for text, line in ASSUMED.items() if text in code), code])


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of networks with few channels under published names."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("yolo11n", "yolo11n-seg"):
        content = yaml_model_load(f"{name}.yaml")
        content["scales"] = {"n": [0.33, 0.125, 64]}
        content.pop("yaml_file")
        YAML.save(folder / f"{name}.yaml", content)
        torch.manual_seed(0)
        YOLO(folder / f"{name}.yaml").save(folder / f"{name}.pt")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a picture, a video, label files and masks under the names of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (27, 20, 3), np.uint8), (810, 1080))
    cv2.imwrite("bus.jpg", picture)
    for place in ("folder", "path/to/new/data", "path/to/images", "path/to/dataset"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{place}/a.jpg", cv2.resize(picture, (60, 80)))
    video = cv2.VideoWriter("short.avi", cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        video.write(cv2.resize(picture, (64, 48)))
    video.release()
    for split in ("train", "val"):
        for i in range(2):
            image = Path(f"coco8/images/{split}/{i}.jpg")
            label = Path(f"coco8/labels/{split}/{i}.txt")
            for file in (image, label):
                file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), cv2.resize(picture, (64, 48)))
            label.write_text(f"{i} 0.5 0.5 0.4 0.6\n")
    names = {i: f"class {i}" for i in range(80)}
    YAML.save(
        "coco8.yaml", {"train": "coco8/images/train", "val": "coco8/images/val", "names": names}
    )
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 8:30] = 3
    Path("path/to/masks_dir").mkdir()
    cv2.imwrite("path/to/masks_dir/m.png", mask)
    annotations = tmp_path / "coco_annotations"
    annotations.mkdir()
    box = {"image_id": 1, "category_id": 90, "bbox": [10, 10, 20, 20], "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}]
    content = {"images": images, "annotations": [box]}
    (annotations / "instances_val.json").write_text(json.dumps(content))
    return tmp_path


def run(code: str) -> None:
    """Run a block as a module of its own, so that its classes can be pickled; settings end as their defaults."""
    code = runnable(code).replace("../datasets/coco/annotations/", "coco_annotations")
    module = sys.modules["page_block"] = ModuleType("page_block")
    try:
        exec(compile(code, "block", "exec"), vars(module))
    finally:
        settings.reset()  # `update` with the old values would count as choosing them, loggers included
        del sys.modules["page_block"]


@pytest.mark.parametrize("code", blocks())
def test_block_runs(
    code: str, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if re.search(r"yolo11|model\.pt|Trainer", code):
        for file in request.getfixturevalue("weights").iterdir():
            shutil.copy(file, folder)
        shutil.copy(folder / "yolo11n.pt", folder / "model.pt")
    monkeypatch.setattr("builtins.help", lambda _: None)
    lack = next((what for text, what in LACKING.items() if text in code), None)
    if lack is None:
        run(code)
        return
    with pytest.raises(NotAvailable, match=lack):
        run(code)
