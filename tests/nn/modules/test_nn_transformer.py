"""Attention layers against loops and arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from ultralytics.nn.modules import (
    AIFI,
    C3TR,
    MLP,
    DeformableTransformerDecoder,
    DeformableTransformerDecoderLayer,
    LayerNorm2d,
    MLPBlock,
    MSDeformAttn,
    TransformerBlock,
    TransformerEncoderLayer,
)
from ultralytics.nn.modules.utils import bias_init_with_prob, inverse_sigmoid

SHAPES = [(4, 5), (2, 3)]
TOKENS = sum(h * w for h, w in SHAPES)


def randomise(layer: nn.Module) -> nn.Module:
    """Random weights everywhere, in double precision: initial states hide mistakes behind zeros."""
    torch.manual_seed(0)
    layer.double().eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    return layer


def pixel(level: Tensor, x: float, y: float) -> Tensor:
    """Bilinear value of a (C, H, W) map at a place in cells; zero outside."""
    total = torch.zeros(level.shape[0], dtype=level.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < level.shape[1] and 0 <= column < level.shape[2]:
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                total += share * level[:, row, column]
    return total


def naive_deformable(
    layer: MSDeformAttn, query: Tensor, boxes: Tensor, value: Tensor, mask: Tensor | None
) -> Tensor:
    """One query, head, level and point at a time."""
    heads, levels, points = layer.n_heads, layer.n_levels, layer.n_points
    projected = layer.value_proj(value)
    if mask is not None:
        projected = projected * ~mask[..., None]
    offsets = layer.sampling_offsets(query).view(*query.shape[:2], heads, levels, points, 2)
    weights = layer.attention_weights(query).view(*query.shape[:2], heads, -1).softmax(-1)
    width = layer.d_model // heads
    out = torch.zeros(*query.shape[:2], layer.d_model, dtype=query.dtype)
    for b, q, m in torch.cartesian_prod(*map(torch.arange, (*query.shape[:2], heads))).tolist():
        start = 0
        for level, (h, w) in enumerate(SHAPES):
            tokens = projected[b, start : start + h * w, m * width : (m + 1) * width]
            start += h * w
            for p in range(points):
                box, offset = boxes[b, q, 0], offsets[b, q, m, level, p]
                if len(box) == 4:
                    place = box[:2] + offset / points * box[2:] / 2
                else:
                    place = box + offset / torch.tensor([w, h])
                x, y = float(place[0] * w - 0.5), float(place[1] * h - 0.5)
                share = weights[b, q, m, level * points + p]
                found = pixel(tokens.T.reshape(width, h, w), x, y)
                out[b, q, m * width : (m + 1) * width] += share * found
    return layer.output_proj(out)


@pytest.mark.parametrize("coordinates", [2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_deformable_attention_is_a_weighted_sum_of_sampled_values(
    coordinates: int, masked: bool
) -> None:
    layer = randomise(MSDeformAttn(8, 2, 2, 3))
    assert isinstance(layer, MSDeformAttn)
    query, value = torch.randn(2, 3, 8).double(), torch.randn(2, TOKENS, 8).double()
    boxes = torch.rand(2, 3, 1, coordinates).double()
    mask = torch.rand(2, TOKENS) < 0.3 if masked else None
    with torch.no_grad():
        expected = naive_deformable(layer, query, boxes, value, mask)
        assert_close(layer(query, boxes, value, SHAPES, mask), expected)


def test_deformable_attention_starts_with_heads_that_look_around() -> None:
    layer = MSDeformAttn(16, 2, 4, 3)
    offsets = layer.sampling_offsets(torch.randn(1, 16)).view(4, 2, 3, 2)
    ahead = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    for distance in (1, 2, 3):
        assert_close(offsets[:, 0, distance - 1], ahead * distance, atol=1e-6, rtol=0)
    assert_close(offsets[:, 0], offsets[:, 1])
    weights = layer.attention_weights(torch.randn(1, 16))
    assert_close(weights, torch.zeros_like(weights))


def test_deformable_attention_needs_whole_heads_and_proper_references() -> None:
    with pytest.raises(ValueError, match="multiple of n_heads"):
        MSDeformAttn(10, 2, 4)
    layer = MSDeformAttn(8, 2, 2, 1)
    with pytest.raises(ValueError, match="2 or 4 coordinates, got 3"):
        layer(torch.rand(1, 1, 8), torch.rand(1, 1, 1, 3), torch.rand(1, TOKENS, 8), SHAPES)


def test_positions_are_sines_and_cosines_of_row_and_column() -> None:
    code = AIFI.build_2d_sincos_position_embedding(3, 2, 8)[0]
    for row in range(2):
        for column in range(3):
            wanted = [
                part(place * 10000 ** (-i / 2))
                for place in (row, column)
                for part in (math.sin, math.cos)
                for i in range(2)
            ]
            assert_close(code[row * 3 + column], torch.tensor(wanted))
    with pytest.raises(ValueError, match="multiple of 4"):
        AIFI.build_2d_sincos_position_embedding(3, 2, 6)


@pytest.mark.parametrize("before", [False, True])
def test_encoder_layer_is_attention_and_a_feed_forward_pair(before: bool) -> None:
    layer = randomise(TransformerEncoderLayer(8, 12, 2, normalize_before=before))
    x, pos = torch.randn(2, 5, 8).double(), torch.randn(1, 5, 8).double()

    def attend(value: Tensor) -> Tensor:
        q, k, v = layer.ma.in_proj_weight.chunk(3)
        bq, bk, bv = layer.ma.in_proj_bias.chunk(3)
        placed = value + pos
        parts = F.linear(placed, q, bq), F.linear(placed, k, bk), F.linear(value, v, bv)
        heads = [part.view(2, 5, 2, 4).transpose(1, 2) for part in parts]
        mixed = F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(2, 5, 8)
        return layer.ma.out_proj(mixed)

    def forward(value: Tensor) -> Tensor:
        return layer.fc2(F.gelu(layer.fc1(value)))

    with torch.no_grad():
        if before:
            y = x + attend(layer.norm1(x))
            expected = y + forward(layer.norm2(y))
        else:
            y = layer.norm1(x + attend(x))
            expected = layer.norm2(y + forward(y))
        assert_close(layer(x, pos=pos), expected)


def test_map_attention_depends_on_where_things_are() -> None:
    layer = randomise(AIFI(8, 16, 2))
    x = torch.randn(1, 8, 2, 3).double()
    swapped = x.flip(3)
    with torch.no_grad():
        assert layer(x).shape == x.shape
        assert not torch.allclose(layer(swapped).flip(3), layer(x))


def test_old_block_without_positions_term_does_not_mind_the_order() -> None:
    layer = randomise(TransformerBlock(6, 8, 2, 2))
    x = torch.randn(2, 6, 2, 3).double()
    with torch.no_grad():
        assert layer(x).shape == (2, 8, 2, 3)
        assert_close(layer(x.flip(2, 3)).flip(2, 3), layer(x))
    assert TransformerBlock(8, 8, 2, 1).conv is None


def test_partial_block_wraps_transformer_layers() -> None:
    layer = C3TR(8, 16, 3)
    assert isinstance(layer.m, TransformerBlock)
    assert len(layer.m.tr) == 3
    assert layer(torch.rand(1, 8, 4, 4)).shape == (1, 16, 4, 4)


def test_stacks_of_linear_layers() -> None:
    layer = randomise(MLP(4, 6, 4, 3, nn.GELU, True, True, nn.LayerNorm(4)))
    x = torch.randn(2, 4).double()
    first, second, third = layer.layers
    with torch.no_grad():
        y = third(F.gelu(second(F.gelu(first(x))))) + x
        assert_close(layer(x), layer.out_norm(y).sigmoid())
        block = randomise(MLPBlock(4, 6))
        assert_close(block(x), block.lin2(F.gelu(block.lin1(x))))
    with pytest.raises(ValueError, match="equal widths"):
        MLP(4, 6, 5, 2, residual=True)


def test_stack_from_an_old_file_works_without_its_later_attributes() -> None:
    layer = MLP(4, 6, 3, 2)
    x = torch.randn(2, 4)
    expected = layer(x)
    del layer.sigmoid, layer.residual, layer.act, layer.out_norm
    assert_close(layer(x), expected)


def test_map_normalisation_is_layer_normalisation_of_channels() -> None:
    layer = randomise(LayerNorm2d(6))
    x = torch.randn(2, 6, 3, 4).double()
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (6,), layer.weight, layer.bias, 1e-6)
    assert_close(layer(x), expected.permute(0, 3, 1, 2))


def decode(training: bool, eval_idx: int = -1) -> tuple[Tensor, Tensor, nn.ModuleList]:
    layer = DeformableTransformerDecoderLayer(8, 2, 12, n_levels=2, n_points=2)
    decoder = randomise(DeformableTransformerDecoder(8, layer, 3, eval_idx)).train(training)
    heads = nn.ModuleList(randomise(nn.Linear(8, 4)) for _ in range(3))
    scores = nn.ModuleList(randomise(nn.Linear(8, 5)) for _ in range(3))
    place = randomise(nn.Linear(4, 8))
    torch.manual_seed(1)
    args = torch.randn(2, 3, 8), torch.randn(2, 3, 4), torch.randn(2, TOKENS, 8)
    boxes, logits = decoder(*(a.double() for a in args), SHAPES, heads, scores, place)
    return boxes, logits, heads


def test_decoder_answers_from_every_layer_in_training_and_from_one_otherwise() -> None:
    boxes, logits, _ = decode(True)
    assert boxes.shape == (3, 2, 3, 4)
    assert logits.shape == (3, 2, 3, 5)
    for index in (0, 1, -1):
        one, scores, _ = decode(False, index)
        assert_close(one[0], boxes[index])
        assert_close(scores[0], logits[index])


def test_boxes_train_the_head_of_their_own_layer_and_of_the_layer_before() -> None:
    boxes, _, heads = decode(True)
    boxes[2].sum().backward()
    used = [bool(head.bias.grad.any()) for head in heads]
    assert used == [False, True, True]


def test_log_odds() -> None:
    odds = inverse_sigmoid(torch.tensor([0.0, 0.2, 1.0, 3.0]))
    assert_close(odds, torch.tensor([-11.512925, -1.386294, 11.512925, 11.512925]))
    assert math.isclose(1 / (1 + math.exp(-bias_init_with_prob(0.01))), 0.01)
