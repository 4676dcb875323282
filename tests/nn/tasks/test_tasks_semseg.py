"""Semantic networks: which class belongs to which file, strides, transfer, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics.nn.tasks import (
    SemanticModel,
    SemanticSegmentationModel,
    guess_model_task,
    load_checkpoint,
    write_checkpoint,
)

KINDS = [
    ("yolo26n-sem.yaml", SemanticSegmentationModel),
    ("yolo11n-semseg.yaml", SemanticModel),
]
Content = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_class_follows_from_the_last_row(narrow: Content, name: str, kind: type) -> None:
    content = narrow(name)
    assert guess_model_task(content) == "semantic"
    assert SemanticSegmentationModel.suited_to(content) is kind
    model: Any = kind(content, nc=3, verbose=False)
    assert model.stride.tolist() == [32.0]
    assert model.training
    assert model.names == {0: "0", 1: "1", 2: "2"}


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_files_are_read_back_without_trust(
    narrow: Content, tmp_path: Path, name: str, kind: Any
) -> None:
    model = kind(narrow(name), nc=3, verbose=False).eval()
    image = torch.rand(1, 3, 64, 64)
    before = model(image)
    path = tmp_path / "net.pt"
    write_checkpoint({"model": model, "train_args": {"task": "semseg"}}, path)
    read, _ = load_checkpoint(path)
    assert type(read) is kind
    assert read.task == "semantic"
    assert_close(read(image), before)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_folding_keeps_the_output(narrow: Content, name: str, kind: Any) -> None:
    model = kind(narrow(name), nc=3, verbose=False).double().eval()
    image = torch.rand(1, 3, 64, 96).double()
    with torch.no_grad():
        before = model(image)
        assert_close(model.fuse(verbose=False)(image), before)


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [(*KINDS[0], ("classifier.1", "aux_head.1")), (*KINDS[1], ("norm_head.1", "cls_head"))],
)
def test_class_rows_follow_names(
    narrow: Content, name: str, kind: Any, rows: tuple[str, ...]
) -> None:
    source = kind(narrow(name), nc=3, verbose=False)
    target = kind(narrow(name), nc=2, verbose=False)
    source.names = {0: "road", 1: "sky", 2: "tree"}
    target.names = {0: "Tree ", 1: "lamp"}
    lamp = {row: target.model[-1].get_submodule(row).weight[1].clone() for row in rows}
    target.load(source, verbose=False)
    for row in rows:
        weight = target.model[-1].get_submodule(row).weight
        assert_close(weight[0], source.model[-1].get_submodule(row).weight[2])
        assert_close(weight[1], lamp[row])
