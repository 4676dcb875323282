"""Layers between image features and embeddings, against arithmetic."""

from __future__ import annotations

import io
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from ultralytics.nn.modules import (
    BNContrastiveHead,
    C2fAttn,
    ContrastiveHead,
    ImagePoolingAttn,
    MaxSigmoidAttnBlock,
)
from ultralytics.nn.modules.block import SAVPE, Residual, SwiGLUFFN
from ultralytics.nn.tasks.globals import resolve


def wave(step: float, *shape: int) -> Tensor:
    """sin(step * n) at the n-th element."""
    count = torch.Size(shape).numel()
    return torch.sin(step * torch.arange(count, dtype=torch.float64)).float().view(shape)


def randomise(layer: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    layer.double().eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.4)
    return layer


def test_class_logits_of_the_specification() -> None:
    x, w = wave(0.3, 1, 3, 1, 2), wave(0.7, 1, 2, 3)
    wanted = torch.tensor([[4.277307, 3.860752], [-11.824379, -8.143212]])
    assert_close(ContrastiveHead()(x, w)[0, :, 0], wanted, rtol=1e-5, atol=1e-5)
    wanted = torch.tensor([[-9.599347, -9.535172], [-10.051196, -9.937732]])
    assert_close(BNContrastiveHead(3).eval()(x, w)[0, :, 0], wanted, rtol=1e-5, atol=1e-5)


def test_a_fused_head_passes_logits_through_also_after_a_pickle() -> None:
    head = BNContrastiveHead(3).eval()
    head.fuse()
    x = torch.rand(1, 5, 2, 2)
    assert list(head.state_dict()) == []
    assert_close(head(x, torch.rand(1, 2, 3)), x)
    data = pickle.dumps(head, protocol=2)
    assert b"open_vocabulary" not in data  # readers know the published place only
    assert_close(pickle.load(io.BytesIO(data))(x, None), x)


def test_files_may_hold_the_short_form_as_a_function() -> None:
    take = resolve("builtins", "getattr")
    for owner in (BNContrastiveHead, BNContrastiveHead(3)):
        assert take(owner, "forward_fuse") is BNContrastiveHead.forward_fuse


@pytest.mark.parametrize("scale", [False, True])
def test_features_are_weighted_by_their_best_fit(scale: bool) -> None:
    layer = randomise(MaxSigmoidAttnBlock(6, 8, 2, 8, 5, scale))
    x, guide = torch.randn(2, 6, 3, 4).double(), torch.randn(2, 3, 5).double()
    with torch.no_grad():
        pixels, embeddings, values = layer.ec(x), layer.gl(guide), layer.proj_conv(x)
        expected = torch.empty_like(values)
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            fit = torch.einsum("bchw,bkc->bkhw", pixels[:, part], embeddings[..., part])
            weight = (fit.amax(1) / 2 + layer.bias[head]).sigmoid()
            if scale:
                weight = weight * layer.scale[0, head]
            expected[:, part] = values[:, part] * weight[:, None]
        assert_close(layer(x, guide), expected)


def test_guided_block_joins_one_more_part() -> None:
    layer = randomise(C2fAttn(6, 8, 2, 4, 2, 5))
    x, guide = torch.randn(2, 6, 3, 4).double(), torch.randn(2, 3, 5).double()
    with torch.no_grad():
        parts = list(layer.cv1(x).split(4, 1))
        parts.append(layer.m[0](parts[-1]))
        parts.append(layer.m[1](parts[-1]))
        parts.append(layer.attn(parts[-1], guide))
        expected = layer.cv2(torch.cat(parts, 1))
        assert_close(layer(x, guide), expected)
        assert_close(layer.forward_split(x, guide), expected)


def test_embeddings_attend_to_the_strongest_responses() -> None:
    layer = randomise(ImagePoolingAttn(8, (3, 4), 6, 2, 2))
    maps = [torch.randn(2, 3, 4, 4).double(), torch.randn(2, 4, 2, 2).double()]
    text = torch.randn(2, 5, 6).double()
    with torch.no_grad():
        cells = [
            F.adaptive_max_pool2d(project(m), 2).flatten(2)
            for project, m in zip(layer.projections, maps, strict=True)
        ]
        tokens = torch.cat(cells, 2).transpose(1, 2)
        heads = [
            part.view(2, -1, 2, 4).transpose(1, 2)
            for part in (layer.query(text), layer.key(tokens), layer.value(tokens))
        ]
        mixed = F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(2, 5, 8)
        assert_close(layer(maps, text), layer.proj(mixed) + text)
        gated = ImagePoolingAttn(8, (3, 4), 6, 2, 2, scale=True).double()
        assert_close(gated(maps, text), text)  # the factor starts at zero


def test_feed_forward_residual_starts_as_the_identity() -> None:
    x = torch.randn(2, 3, 8).double()
    assert_close(Residual(SwiGLUFFN(8, 8)).double()(x), x)
    layer = randomise(Residual(SwiGLUFFN(8, 8)))
    gate, value = layer.m.w12(x).split(16, -1)
    assert_close(layer(x), x + layer.m.w3(gate * gate.sigmoid() * value))


def region_embedding(layer: SAVPE, maps: list[Tensor], mask: Tensor) -> Tensor:
    """The embedding of one mask in one image, group by group."""
    content = layer.cv3(torch.cat([a(m) for a, m in zip(layer.cv1, maps, strict=True)], 1))
    context = layer.cv4(torch.cat([a(m) for a, m in zip(layer.cv2, maps, strict=True)], 1))
    score = layer.cv6(torch.cat([context, layer.cv5(mask[None, None])], 1))[0]
    inside = mask > 0 if mask.any() else torch.ones_like(mask, dtype=torch.bool)
    parts = []
    for group, values in enumerate(content[0].split(2)):
        weight = score[group][inside].softmax(0) if mask.any() else torch.tensor(1 / mask.numel())
        parts.append((values[:, inside] * weight).sum(1))
    return F.normalize(torch.cat(parts), dim=0)


def test_region_embeddings_average_inside_masks() -> None:
    layer = randomise(SAVPE((3, 4, 5), 6, 32))
    assert isinstance(layer, SAVPE)
    maps = [torch.randn(2, c, 8 >> i, 8 >> i).double() for i, c in enumerate((3, 4, 5))]
    masks = (torch.rand(2, 3, 8, 8) > 0.6).double()
    masks[1, 2] = 0  # an empty mask averages over everything
    with torch.no_grad():
        found = layer(maps, masks)
        assert found.shape == (2, 3, 32)
        for image in range(2):
            own = [m[image : image + 1] for m in maps]
            for prompt in range(3):
                assert_close(
                    found[image, prompt], region_embedding(layer, own, masks[image, prompt])
                )
