"""RT-DETR networks: building, loss, weight transfer, files, traced forms."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics.geometry.iou import bbox_iou
from ultralytics.nn import tasks
from ultralytics.nn.modules import RTDETRDecoder
from ultralytics.nn.tasks import RTDETRDetectionModel, load_checkpoint, write_checkpoint

NARROW = {"n": [0.33, 0.125, 128]}


def content(nc: int = 4) -> dict[str, Any]:
    """The v8 variant with few channels and a small decoder."""
    made = {**tasks.yaml_model_load("yolov8n-rtdetr.yaml"), "scales": NARROW, "nc": nc}
    made["head"] = copy.deepcopy(made["head"])
    made["head"][-1][3] = [
        "nc",
        32,
        30,
        2,
        4,
        2,
        48,
    ]  # channels, queries, points, heads, layers, wide
    return made


def build(nc: int = 4) -> RTDETRDetectionModel:
    torch.manual_seed(0)
    model = RTDETRDetectionModel(content(nc), verbose=False)
    head: Any = model.model[-1]
    for box in (head.enc_bbox_head, *head.dec_bbox_head):
        torch.nn.init.normal_(box.layers[-1].weight, std=0.2)
    return model.eval()


def labelled() -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        "img": torch.rand(2, 3, 64, 64),
        "cls": torch.tensor([[1.0], [0.0], [3.0]]),
        "bboxes": torch.rand(3, 4) * 0.5 + 0.2,
        "batch_idx": torch.tensor([0.0, 1.0, 1.0]),
    }


def test_builder_gives_the_head_its_levels() -> None:
    head = build().model[-1]
    assert isinstance(head, RTDETRDecoder)
    assert (head.nc, head.hidden_dim, head.num_queries, head.num_decoder_layers) == (4, 32, 30, 2)
    assert [p[0].in_channels for p in head.input_proj] == [16, 16, 16]  # type: ignore[index]


def test_only_scales_with_a_choice_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    made = content()
    made["scale"] = ""
    tasks.parse_model(copy.deepcopy(made), 3, verbose=False)
    assert "no model scale passed" not in caplog.text


def test_loss_is_the_sum_of_all_terms() -> None:
    model, batch = build().train(), labelled()
    loss, items = model(batch)
    assert list(items) == ["giou_loss", "cls_loss", "l1_loss"]
    assert loss.ndim == 0
    loss.backward()
    # a layer that only batch statistics switch off would have no gradient
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    assert float(loss.detach()) > float(sum(items.values()))


def test_loss_of_predictions_in_evaluation() -> None:
    model, batch = build(), labelled()
    with torch.no_grad():
        preds = model(batch["img"])
        loss, items = model.loss(batch, preds)
    terms = model.criterion(
        tuple(
            torch.cat((encoder[None], layers))
            for layers, encoder in zip(preds[1][:2], preds[1][2:4], strict=True)
        ),
        {
            "cls": torch.tensor([1, 0, 3]),
            "bboxes": batch["bboxes"],
            "gt_groups": [1, 2],
        },
    )
    assert_close(loss, sum(terms.values()))
    assert_close(items["l1_loss"], terms["loss_bbox"])


def test_class_rows_follow_their_names() -> None:
    source, target = build(3), build(4)
    source.names = {0: "cat", 1: "dog", 2: "eel"}
    target.names = {0: "ant", 1: "eel", 2: "bee", 3: "cat"}
    target.load(source)
    for name in ("denoising_class_embed", "enc_score_head", "dec_score_head.1"):
        ours, theirs = (m.model[-1].get_submodule(name).weight for m in (target, source))
        assert_close(ours[1], theirs[2])
        assert_close(ours[3], theirs[0])


def test_fused_and_stored_networks_answer_the_same(tmp_path: Path) -> None:
    model, x = build().double(), torch.rand(1, 3, 64, 96).double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.1, 0.5)
    with torch.no_grad():
        before = model(x)[0]
        write_checkpoint({"model": copy.deepcopy(model), "ema": None}, tmp_path / "a.pt")
        again = load_checkpoint(tmp_path / "a.pt")[0]  # always in single precision
        assert_close(again(x.float())[0], model.float()(x.float())[0])
        model.double()
        assert not model.is_fused()
        assert_close(model.fuse(verbose=False)(x)[0], before, rtol=1e-6, atol=1e-6)
        assert model.is_fused()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_traced_forms_answer_the_same() -> None:
    model, x = build().fuse(verbose=False), torch.rand(1, 3, 64, 64)
    model.requires_grad_(False)
    model.model[-1].export = True
    wanted = model(x)
    assert wanted.shape == (1, 30, 6)
    assert_close(torch.jit.trace(model, x)(x), wanted)
    assert_close(torch.export.export(model, (x,)).module()(x), wanted)


@pytest.mark.parametrize("name", ["rtdetr-l", "rtdetr-x", "rtdetr-resnet50", "rtdetr-resnet101"])
def test_packaged_files(name: str) -> None:
    made = tasks.yaml_model_load(f"{name}.yaml")
    assert made["head"][-1][2] == "RTDETRDecoder"
    assert len(made["scales"]) == 1
    assert tasks.guess_model_task(made) == "detect"


@pytest.mark.slow
def test_a_small_network_learns_two_pictures() -> None:
    """The best query of each picture ends up on its rectangle."""
    model = build(2).train()
    red, blue = torch.tensor([1.0, 0, 0])[:, None, None], torch.tensor([0.0, 0, 1])[:, None, None]
    image = torch.full((2, 3, 64, 64), 0.4)
    image[0, :, 8:40, 8:32], image[1, :, 20:60, 16:56] = red, blue
    boxes = torch.tensor([[20.0, 24, 24, 32], [36, 40, 40, 40]]) / 64
    batch = {
        "img": image,
        "cls": torch.tensor([[0.0], [1.0]]),
        "bboxes": boxes,
        "batch_idx": torch.tensor([0.0, 1.0]),
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(120):
        loss, _ = model(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    with torch.no_grad():
        found, scores, *_ = model(image)  # batch statistics, as in training
    for picture in range(2):
        query, label = divmod(int(scores[-1, picture].argmax()), 2)
        assert label == picture
        overlap = bbox_iou(found[-1, picture, query], boxes[picture])
        assert float(overlap) > 0.7
