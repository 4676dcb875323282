"""Starting from the weights of another network."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics.nn.tasks import (
    DetectionModel,
    RTDETRDetectionModel,
    SegmentationModel,
    SemanticSegmentationModel,
    YOLOEModel,
)

Build = Callable[..., DetectionModel]


def _logits(model: DetectionModel) -> torch.Tensor:
    return model.model[-1].cv3[0][-1].weight.detach()[:, :, 0, 0]


def test_a_full_transfer_adopts_the_names(build: Build) -> None:
    source, target = build(), build()
    source.names = {0: "a", 1: "b", 2: "c", 3: "d"}
    target.load(source, verbose=False)
    assert target.names == source.names
    for key, value in source.state_dict().items():
        assert_close(target.state_dict()[key], value)


def test_names_stay_when_something_was_left_out(build: Build) -> None:
    source, target = build(nc=4), build(nc=2)
    source.names = {0: "a", 1: "b", 2: "c", 3: "d"}
    target.load(source, verbose=False)
    assert target.names == {0: "0", 1: "1"}


def test_the_class_branch_takes_the_width_of_its_source(build: Build) -> None:
    source, target = build(nc=40), build(nc=2)
    assert target.model[-1].cv3[0][-1].in_channels == 16
    target.load(source, verbose=False)
    last = target.model[-1].cv3[0][-1]
    assert (last.in_channels, last.out_channels) == (40, 2)
    assert_close(last.bias, torch.full((2,), float(torch.log(torch.tensor(5 / 2 / 80**2)))))
    assert_close(
        target.model[-1].cv3[0][0][1].conv.weight, source.model[-1].cv3[0][0][1].conv.weight
    )
    assert target.eval()(torch.rand(1, 3, 32, 32))[0].shape[1] == 6


def test_class_rows_follow_their_names(build: Build) -> None:
    source, target = build(), build()
    source.names = {0: "cat", 1: "dog", 2: "cow", 3: "hen"}
    target.names = {0: "emu", 1: " Cow ", 2: "cat", 3: "fox"}
    own = _logits(target).clone()
    target.load(source, verbose=False)
    rows = _logits(target)
    assert_close(rows[1], _logits(source)[2])
    assert_close(rows[2], _logits(source)[0])
    assert_close(rows[[0, 3]], own[[0, 3]])
    assert target.names[1] == " Cow "


@pytest.mark.parametrize(("ours", "theirs"), [(1, 3), (6, 3), (3, 1)])
def test_a_first_convolution_with_other_channels_is_fitted(
    ours: int, theirs: int, build: Build
) -> None:
    source, target = build(ch=theirs), build(ch=ours)
    before = target.model[0].conv.weight.detach().clone()
    target.load(source, verbose=False)
    got, given = target.model[0].conv.weight.detach(), source.model[0].conv.weight.detach()
    if min(ours, theirs) == 1:
        assert_close(got[:, :1], given.sum(1, keepdim=True))
        assert_close(got[:, 1:], before[:, 1:])
    else:
        assert_close(got[:, :3], given)
        assert_close(got[:, 3:], before[:, 3:])


def test_a_checkpoint_dictionary_prefers_its_average(build: Build) -> None:
    live, average, target = build(), build(), build()
    target.load({"model": live, "ema": average}, verbose=False)
    assert_close(_logits(target), _logits(average))
    target.load({"model": live, "ema": None}, verbose=False)
    assert_close(_logits(target), _logits(live))


def test_a_half_precision_source_is_converted(build: Build) -> None:
    target = build()
    target.load(build().half(), verbose=False)
    assert next(target.parameters()).dtype == torch.float32


def test_the_log_tells_how_much_fitted(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    target, fused = build(), build().eval().fuse(verbose=False)
    with caplog.at_level(logging.INFO):
        target.load(build())
        target.load(fused)
    items = len(target.state_dict())
    assert f"Transferred {items}/{items} items" in caplog.text
    assert "weights are fused" in caplog.text


# Layers with one row per class, as the specification lists them (chapter 10, section 4.3).
CLASS_LAYERS = [
    (DetectionModel, "yolo26n.yaml", [r"\.(one2one_)?cv3\.\d\.2\."], 12),
    (SegmentationModel, "yolo26n-seg.yaml", [r"cv3\.\d\.2\.", r"proto\.semseg\.2\."], 14),
    (
        SemanticSegmentationModel,
        "yolo26n-sem.yaml",
        [r"\.classifier\.1\.", r"\.aux_head\.1\."],
        4,
    ),
    (RTDETRDetectionModel, "yolov8n-rtdetr.yaml", ["score_head", "class_embed"], 15),
    (YOLOEModel, "yoloe-26n.yaml", ["nothing: its outputs are embeddings"], 0),
]


@pytest.mark.parametrize(("kind", "file", "patterns", "count"), CLASS_LAYERS)
def test_every_layer_with_class_rows_follows_the_names(
    kind: type[DetectionModel],
    file: str,
    patterns: list[str],
    count: int,
    narrow: Callable[..., dict[str, Any]],
) -> None:
    scales = {"scales": {"n": [0.33, 0.25, 1024]}} if kind is RTDETRDetectionModel else {}
    source, target = (kind(narrow(file, **scales), nc=4, verbose=False) for _ in range(2))
    source.names = {0: "cat", 1: "dog", 2: "cow", 3: "hen"}
    target.names = {0: "hen", 1: "emu", 2: "dog", 3: "cat"}
    before = {key: value.clone() for key, value in target.state_dict().items()}
    target.load(source, verbose=False)
    after, given = target.state_dict(), source.state_dict()
    moved = [key for key in given if any(re.search(pattern, key) for pattern in patterns)]
    assert len(moved) == count
    for key, value in after.items():
        if key in moved:
            assert_close(value[[0, 2, 3]], given[key][[3, 1, 0]])
            assert_close(value[1], before[key][1])
        else:
            assert_close(value, given[key])
