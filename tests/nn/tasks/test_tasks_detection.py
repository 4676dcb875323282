"""Detection networks as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.nn.modules import Conv, Detect
from ultralytics.nn.tasks import DetectionModel, Ensemble, yaml_model_load
from ultralytics.utils.torch_utils.info import get_flops

Build = Callable[..., DetectionModel]
FILES = ("yolov8n.yaml", "yolov8n-p6.yaml", "yolo11n.yaml", "yolo26n.yaml", "yolo26n-p2.yaml")


@pytest.mark.parametrize("name", FILES)
def test_folding_changes_nothing_but_the_speed(name: str, build: Build) -> None:
    model = build(name).double().eval()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)[0]
        assert not model.is_fused()
        assert model.fuse(verbose=False) is model
        assert model.is_fused()
        assert_close(model(x)[0], expected, rtol=1e-10, atol=1e-10)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_folded_convolutions_are_overwritten_by_their_activations_only_here(build: Build) -> None:
    model, other = build().eval(), build()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(x)[0]
    model.fuse(verbose=False)
    acts = {m for m in model.modules() if isinstance(m, nn.SiLU)}
    assert [act.inplace for act in acts] == [True]
    assert not any(m.inplace for m in other.modules() if isinstance(m, nn.SiLU))
    assert not Conv.default_act.inplace
    x.requires_grad_()
    y = model(x)[0]
    assert_close(y.detach(), expected, rtol=1e-4, atol=1e-3)  # pixels
    y.sum().backward()  # saliency maps of folded networks keep working
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_published_sizes_of_the_smallest_model() -> None:
    model = DetectionModel("yolo26n.yaml", verbose=False)
    layers, parameters, gradients, gflops = model.info(verbose=True) or (0, 0, 0, 0)
    assert (layers, parameters, gradients) == (260, 2572280, 2572280)
    assert round(gflops, 1) == 6.2
    assert model.info(verbose=False) is None


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("yolo11n.yaml", [8, 16, 32]),
        ("yolo26n-p2.yaml", [4, 8, 16, 32]),
        ("yolov8n-p6.yaml", [8, 16, 32, 64]),
    ],
)
def test_strides(name: str, strides: list[int], build: Build) -> None:
    model = build(name)
    assert model.stride.tolist() == strides
    assert model.model[-1].stride is model.stride
    assert all(module.training for module in model.modules())


def test_normalisation_constants(build: Build) -> None:
    bn = next(m for m in build().modules() if isinstance(m, nn.BatchNorm2d))
    assert (bn.eps, bn.momentum) == (1e-3, 0.03)


def test_the_argument_wins_over_the_file(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        model = build(nc=7, ch=1)
    assert "nc=80 with nc=7" in caplog.text
    assert model.yaml["nc"] == 7
    assert model.yaml["channels"] == 1
    assert model.names == {i: str(i) for i in range(7)}
    assert model.eval()(torch.rand(1, 1, 32, 32))[0].shape[1] == 4 + 7


def test_early_yolov9_rows_are_understood(caplog: pytest.LogCaptureFixture) -> None:
    content = {
        "nc": 2,
        "backbone": [[-1, 1, "Silence", []], [-1, 1, "Conv", [8, 3, 2]]],
        "head": [[[1], 1, "Detect", ["nc"]]],
    }
    with caplog.at_level(logging.WARNING):
        model = DetectionModel(content, verbose=False)
    assert isinstance(model.model[0], nn.Identity)
    assert "Silence" in caplog.text


def test_embeddings_are_pooled_outputs_of_the_asked_rows(build: Build) -> None:
    model = build().eval()
    x = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        vectors = model.predict(x, embed=[4, 9])
        single = model.predict(x, embed=[9])
        everything = model.predict(x, embed=[])
    widths = [model.model[i].cv2.conv.out_channels for i in (4, 9)]
    assert len(vectors) == 3
    assert vectors[0].shape == (sum(widths),)
    assert_close(vectors[0][widths[0] :], single[0])
    assert isinstance(everything, tuple)


def test_augmented_inference_joins_three_views(build: Build) -> None:
    model = build().eval()
    x = torch.rand(2, 3, 256, 320)
    with torch.no_grad():
        plain, (joined, nothing) = model(x)[0], model.predict(x, augment=True)
    assert plain.shape[-1] == 1680
    assert joined.shape == (2, 8, 3133)
    assert nothing is None
    assert_close(joined[..., :1600], plain[..., :1600])  # the first view is the image itself


def test_mirrored_view_is_mirrored_back(build: Build) -> None:
    model = build().eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        joined = model.predict(x, augment=True)[0]
        first = 84 - 4  # without the coarsest level
        view = torch.nn.functional.interpolate(x.flip(3), (53, 53), mode="bilinear")
        padded = torch.nn.functional.pad(view, [0, 11, 0, 11], value=0.447)
        inner = model(padded)[0]
    assert_close(joined[:, 0, first : first + 84], 64 - inner[:, 0] / 0.83)
    assert_close(joined[:, 1, first : first + 84], inner[:, 1] / 0.83)


def test_no_augmentation_without_suppression(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    model = build("yolo26n.yaml").eval()
    model.end2end = True
    with caplog.at_level(logging.WARNING), torch.no_grad():
        y, _ = model.predict(torch.rand(1, 3, 64, 64), augment=True)
    assert y.shape == (1, 84, 6)
    assert "no augmented inference" in caplog.text


def test_profile_logs_every_row(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    model = build().eval()
    with caplog.at_level(logging.INFO), torch.no_grad():
        model.predict(torch.rand(1, 3, 32, 32), profile=True)
    lines = [line for line in caplog.text.splitlines() if " ms " in line]
    assert len(lines) == len(model.model)
    counted = sum(float(line.split(" GFLOPs")[0].split()[-1]) for line in lines)
    assert counted == pytest.approx(get_flops(model, 32), abs=5e-4 * len(lines))


def test_moving_the_model_moves_the_heads_plain_tensors(build: Build) -> None:
    model = build().eval()
    with torch.no_grad():
        model(torch.rand(1, 3, 32, 32))
    model.half()
    head = model.model[-1]
    assert isinstance(head, Detect)
    assert head.stride.dtype == head.anchors.dtype == head.strides.dtype == torch.float16
    assert model.stride.dtype == torch.float32


def test_head_attributes_that_exist_are_set(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    model = build()
    with caplog.at_level(logging.WARNING):
        model.set_head_attr(max_det=7, colour="red")
    assert model.model[-1].max_det == 7
    assert "'colour'" in caplog.text


def test_a_batch_goes_to_the_loss_which_is_made_once(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build()
    made: list[int] = []

    def criterion(preds: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        return preds["scores"].sum(), batch

    def init_criterion() -> Any:
        made.append(1)
        return criterion

    monkeypatch.setattr(model, "init_criterion", init_criterion)
    batch = {"img": torch.rand(2, 3, 32, 32)}
    loss, seen = model(batch)
    model.loss(batch, preds={"scores": torch.zeros(1)})
    assert made == [1]
    assert seen is batch
    assert loss.requires_grad


@pytest.mark.parametrize(
    ("name", "loss"), [("yolo11n.yaml", "v8DetectionLoss"), ("yolo26n.yaml", "E2ELoss")]
)
def test_the_loss_fits_the_head(name: str, loss: str, build: Build) -> None:
    model = build(name)
    model.args = {"box": 7.5, "cls": 0.5, "dfl": 1.5, "epochs": 1}  # type: ignore[assignment]
    assert type(model.init_criterion()).__name__ == loss


def test_a_copy_computes_the_same_after_folding(build: Build) -> None:
    model = build().eval()
    model.fuse(verbose=False)
    twin = deepcopy(model)
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        model.model[0].conv.weight.zero_()
        assert not torch.allclose(twin(x)[0], model(x)[0])


def test_content_is_not_changed_by_building(narrow: Callable[..., dict[str, Any]]) -> None:
    content = narrow()
    rows = deepcopy([content["backbone"], content["head"]])
    DetectionModel(content, nc=3, verbose=False)
    assert [content["backbone"], content["head"]] == rows
    assert yaml_model_load("yolo11n.yaml")["nc"] == 80


def test_an_ensemble_joins_the_detections_of_its_members(build: Build) -> None:
    first, second = build().eval(), build("yolov8n.yaml").eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        joined, raw = Ensemble([first, second])(x)
        expected = torch.cat([first(x)[0], second(x)[0]], dim=2)
        more = Ensemble([first, second])(x, augment=True)[0]
    assert raw is None
    assert torch.equal(joined, expected)
    assert more.shape[2] > joined.shape[2]
