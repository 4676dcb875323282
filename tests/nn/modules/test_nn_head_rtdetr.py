"""The decoder head of RT-DETR and its denoising queries."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.nn.modules import RTDETRDecoder
from ultralytics.nn.modules.head.denoising import get_cdn_group

CHANNELS = (8, 12)
LABELS = {
    "cls": torch.tensor([0, 2, 1]),
    "bboxes": torch.tensor([[0.4, 0.4, 0.2, 0.3], [0.6, 0.5, 0.1, 0.1], [0.5, 0.5, 0.4, 0.2]]),
    "gt_groups": [2, 1],
}


def levels(batch: int = 2, side: int = 8) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, c, side >> i, side >> i) for i, c in enumerate(CHANNELS)]


def decoder(nq: int = 20, **settings: Any) -> RTDETRDecoder:
    torch.manual_seed(0)
    options = {"hd": 16, "nh": 2, "ndp": 2, "ndl": 3, "d_ffn": 24, "nd": 4}
    made = RTDETRDecoder(3, CHANNELS, nq=nq, **{**options, **settings}).eval()
    for head in (made.enc_bbox_head, *made.dec_bbox_head):
        torch.nn.init.normal_(head.layers[-1].weight, std=0.5)
    return made


def test_anchors_are_cells_with_growing_sides() -> None:
    anchors, valid = decoder()._generate_anchors([[2, 3], [64, 64]])
    first = torch.tensor([-1.609438, -1.098612, -2.944439, -2.944439])
    assert_close(anchors[0, 0], first, rtol=0, atol=1e-6)
    assert_close(anchors[0, 6 + 64 * 32 + 10].sigmoid()[2:], torch.tensor([0.1, 0.1]))
    assert int((~valid[0, 6:]).sum()) == 252
    assert torch.isinf(anchors[0, 6]).all()


def test_rows_are_the_best_pairs_of_query_and_class() -> None:
    made = decoder(nq=4)
    boxes, scores = torch.rand(2, 4, 4), torch.rand(2, 4, 3)
    scores[0, 1, 2] = scores[0, 3, 0] = 0.99  # equal: the lower query comes first
    rows = made.postprocess(boxes, scores)
    for image in range(2):
        pairs = [(float(scores[image, q, c]), -q, -c) for q in range(4) for c in range(3)]
        for row, (score, q, c) in zip(rows[image], sorted(pairs, reverse=True), strict=False):
            assert_close(row, torch.cat([boxes[image, -q], torch.tensor([score, float(-c)])]))
    assert rows.shape == (2, 4, 6)


def test_outputs_by_mode() -> None:
    made = decoder()
    with torch.no_grad():
        y, (boxes, scores, enc_boxes, enc_scores, meta) = made(levels())
        assert y.shape == (2, 20, 6)
        assert boxes.shape == (1, 2, 20, 4)
        assert scores.shape == (1, 2, 20, 3)
        assert enc_boxes.shape == (2, 20, 4)
        assert enc_scores.shape == (2, 20, 3)
        assert meta is None
        assert_close(made.postprocess(boxes[-1], scores[-1].sigmoid()), y)
        made.export, made.max_det = True, 7
        assert_close(made(levels()), y[:, :7])
        made.train()
        assert made(levels(), LABELS)[0].shape == (3, 2, 8 + 20, 4)


def test_positions_with_the_highest_class_score_become_queries() -> None:
    made = decoder(nq=5)
    x = levels()
    with torch.no_grad():
        feats, shapes = made._get_encoder_input(x)
        valid = made._generate_anchors(shapes)[1]
        logits = made.enc_score_head(made.enc_output(feats * valid))
        best = logits.amax(-1).sort(dim=1, descending=True, stable=True)[1][:, :5]
        _, (_, _, _, enc_scores, _) = made(x)
        assert_close(enc_scores, logits.gather(1, best[..., None].expand(-1, -1, 3)))


def test_small_images_have_fewer_queries() -> None:
    made = decoder(nq=50).train()
    boxes = made(levels(side=4), LABELS)[0]
    assert boxes.shape[2] == 8 + 20  # 16 + 4 positions


def test_every_weight_takes_part_without_labels() -> None:
    made = decoder(learnt_init_query=True).train()
    boxes, scores, enc_boxes, enc_scores, _ = made(levels(), {**LABELS, "gt_groups": [0, 0]})
    (boxes.sum() + scores.sum() + enc_boxes.sum() + enc_scores.sum()).backward()
    assert [name for name, p in made.named_parameters() if p.grad is None] == []
    assert not made.denoising_class_embed.weight.grad.any()


def test_initial_state() -> None:
    made = RTDETRDecoder(40, CHANNELS, hd=16, nh=2, ndl=2)
    start = -math.log(99) / 80 * 40
    for score in (made.enc_score_head, *made.dec_score_head):
        assert_close(score.bias, torch.full((40,), start))
    for box in (made.enc_bbox_head, *made.dec_bbox_head):
        assert not box.layers[-1].weight.any()
        assert not box.layers[-1].bias.any()


def test_what_can_be_computed_again_is_not_stored() -> None:
    made = decoder()
    with torch.no_grad():
        made(levels())
        assert made.anchors.shape == (1, 80, 4)
        again = pickle.loads(pickle.dumps(made))
        assert not {"anchors", "valid_mask", "shapes", "_grid"} & set(vars(again))
        assert_close(again(levels())[0], made(levels())[0])
        assert made.double()([x.double() for x in levels()])[0].dtype == torch.float64


# denoising


def group(**changes: Any) -> Any:
    torch.manual_seed(0)
    options = {"num_dn": 5, "training": True, "cls_noise_ratio": 0.0, "box_noise_scale": 0.0}
    embed = torch.arange(6.0).view(3, 2)
    return get_cdn_group(LABELS, 3, 4, embed, **{**options, **changes})


def test_layout_of_the_specification() -> None:
    queries, places, _, meta = group()
    assert meta["dn_num_group"] == 2
    assert meta["dn_num_split"] == [8, 4]
    assert [part.tolist() for part in meta["dn_pos_idx"]] == [[0, 1, 4, 5], [0, 4]]
    assert [part.tolist() for part in meta["dn_gt_idx"]] == [[0, 1], [2]]
    assert queries.shape == (2, 8, 2)
    assert queries[0, :, 0].tolist() == [0, 4] * 4  # classes 0 and 2
    assert queries[1, :, 0].tolist() == [2, 0] * 4  # class 1, then padding
    assert_close(places[0], LABELS["bboxes"][:2].repeat(4, 1))  # no noise, no log-odds
    assert not places[1, 1::2].any()


def test_queries_see_their_own_group_and_the_ordinary_ones() -> None:
    mask = group()[2]
    for query in range(12):
        for other in range(12):
            if other >= 8:
                hidden = False
            else:
                hidden = query >= 8 or query // 4 != other // 4
            assert bool(mask[query, other]) == hidden


def test_positive_boxes_move_less_than_negative_ones() -> None:
    labels = {**LABELS, "bboxes": LABELS["bboxes"][1:2], "cls": torch.tensor([2]), "gt_groups": [1]}
    torch.manual_seed(0)
    _, places, _, _ = get_cdn_group(labels, 3, 4, torch.zeros(3, 2), 200, 0.0, 1.0, True)
    box = places[0].sigmoid().view(200, 2, 4)
    corners = torch.cat([box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2], -1)
    moved = (corners - torch.tensor([0.55, 0.45, 0.65, 0.55])).abs()
    # crossing corners give negative sizes, which log-odds cut off: look at the others
    proper = (box[..., 2:] > 0.001).all(-1)
    assert float(moved[:, 0][proper[:, 0]].max()) <= 0.05 + 1e-5
    near, far = moved[:, 1][proper[:, 1]].min(), moved[:, 1][proper[:, 1]].max()
    assert 0.05 - 1e-5 <= float(near) <= float(far) <= 0.1 + 1e-5


def test_some_classes_are_wrong() -> None:
    labels = {**LABELS, "cls": torch.zeros(3, dtype=torch.long)}
    torch.manual_seed(0)
    queries, _, _, meta = get_cdn_group(
        labels, 100, 1, torch.arange(100.0)[:, None], 4000, 0.5, 0.0, True
    )
    share = float((queries[0] > 0).float().mean())
    assert meta["dn_num_split"][0] == 8000
    assert share == pytest.approx(0.25 * 0.99, abs=0.02)


def test_crowded_images_take_a_part_of_their_labels() -> None:
    labels = {
        "cls": torch.arange(30),
        "bboxes": torch.full((30, 4), 0.5),
        "gt_groups": [10, 20],
    }
    torch.manual_seed(0)
    queries, _, _, meta = get_cdn_group(
        labels, 30, 1, torch.arange(30.0)[:, None], 12, 0.0, 0.0, True
    )
    first, second = meta["dn_gt_idx"]
    assert first.tolist() == list(range(10))
    assert len(second) == 12
    assert second.tolist() == sorted(set(second.tolist()))
    assert set(second.tolist()) <= set(range(10, 30))
    assert queries[1, :12, 0].tolist() == second.tolist()


@pytest.mark.parametrize("changes", [{"training": False}, {"num_dn": 0}])
def test_nothing_to_denoise(changes: dict[str, Any]) -> None:
    assert group(**changes) == (None,) * 4
    empty = {**LABELS, "gt_groups": [0, 0]}
    assert get_cdn_group(empty, 3, 4, torch.zeros(3, 2), training=True) == (None,) * 4
    assert get_cdn_group(None, 3, 4, torch.zeros(3, 2), training=True) == (None,) * 4
