"""Building blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from ultralytics.nn.modules import (
    C2PSA,
    DFL,
    PSA,
    SPPF,
    A2C2f,
    Attention,
    C2f,
    C3k2,
    CBFuse,
    HGStem,
    Proto,
    RepVGGDW,
    block,
)
from ultralytics.nn.modules.block import AAttn, C3k, Proto26, PSABlock


def test_distances_are_expectations_over_bins() -> None:
    logits = torch.tensor([0.0, 1, 2, 3, 0, 0, 0, 0, 3, 2, 1, 0, 0, 0, 10, 0]).view(1, 16, 1)
    expected = torch.tensor([2.492653, 1.5, 0.507347, 1.999909]).view(1, 4, 1)
    assert_close(DFL(4)(logits), expected, rtol=0, atol=1e-6)


def test_bin_values_are_not_trained() -> None:
    assert not DFL(16).conv.weight.requires_grad


def test_attention_is_scaled_dot_product_attention_with_a_positional_term() -> None:
    layer = Attention(64, num_heads=2).double().eval()
    x = torch.rand(2, 64, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        q, k, v = layer.qkv(x).view(2, 2, 2 * layer.key_dim + 32, 15).split((16, 16, 32), dim=2)
        heads = scaled_dot_product_attention(*(t.transpose(2, 3) for t in (q, k, v)))
        mixed = heads.transpose(2, 3).reshape(2, 64, 3, 5)
        expected = layer.proj(mixed + layer.pe(v.reshape(2, 64, 3, 5)))
        assert_close(layer(x), expected)


def test_area_attention_looks_at_one_band_of_rows_at_a_time() -> None:
    layer = AAttn(64, num_heads=2, area=2).eval()
    nn.init.zeros_(layer.pe.conv.weight)  # the positional term sees neighbours across bands
    x = torch.rand(1, 64, 4, 6)
    other = x.clone()
    other[:, :, 2:] += 1
    with torch.no_grad():
        before, after = layer(x), layer(other)
    assert_close(before[:, :, :2], after[:, :, :2])
    assert not torch.allclose(before[:, :, 2:], after[:, :, 2:])


def test_area_attention_with_one_area_sees_everything() -> None:
    layer = AAttn(64, num_heads=2).eval()
    x = torch.rand(1, 64, 2, 2)
    other = x.clone()
    other[..., 1, 1] += 1
    with torch.no_grad():
        assert not torch.allclose(layer(x)[..., 0, 0], layer(other)[..., 0, 0])


@pytest.mark.parametrize("make", [PSA, C2PSA, block.C2fPSA])
def test_blocks_that_keep_their_width_say_so(make: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match="keeps the number of channels"):
        make(64, 128)


def test_area_block_needs_whole_heads() -> None:
    with pytest.raises(ValueError, match="divisible by 32"):
        A2C2f(64, 40)


def test_area_block_scales_its_residual_only_when_asked() -> None:
    assert A2C2f(64, 64, residual=True).gamma is not None
    assert A2C2f(64, 64).gamma is None
    assert A2C2f(64, 64, a2=False, residual=True).gamma is None


def test_both_forms_of_splitting_agree() -> None:
    layer = C2f(8, 16, 2, True).eval()
    x = torch.rand(1, 8, 4, 4)
    with torch.no_grad():
        assert_close(layer.forward_split(x), layer(x))


def test_units_of_the_newer_blocks() -> None:
    assert isinstance(C3k2(32, 64, 1, True).m[0], C3k)
    assert isinstance(C3k2(32, 64, 1, attn=True).m[0][1], PSABlock)


def test_pooling_block_from_an_old_file_works_without_its_later_attributes() -> None:
    layer = SPPF(16, 16).eval()
    x = torch.rand(1, 16, 6, 6)
    with torch.no_grad():
        expected = layer(x)
        del layer.n, layer.add
        assert_close(layer(x), expected)


def test_pooling_block_is_chained_max_pooling() -> None:
    layer = SPPF(4, 8)
    layer.cv1 = layer.cv2 = nn.Identity()  # type: ignore[assignment]
    x = torch.rand(1, 4, 9, 9)
    parts = layer(x).split(4, dim=1)
    for part, size in zip(parts, (1, 5, 9, 13), strict=True):
        assert_close(part, nn.functional.max_pool2d(x, size, 1, size // 2))


def test_large_kernel_unit_fuses_exactly_and_once() -> None:
    layer = RepVGGDW(8).double().eval()
    x = torch.rand(1, 8, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        expected = layer(x)
        layer.fuse()
        layer.fuse()
        assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
        assert_close(layer.forward_fuse(x), expected, rtol=1e-12, atol=1e-12)


def test_pieces_are_resized_to_the_last_map() -> None:
    pieces = [[torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)]]
    assert_close(CBFuse([1])([*pieces, torch.ones(1, 2, 4, 4)]), torch.full((1, 2, 4, 4), 2.0))


def test_prototypes_double_the_resolution() -> None:
    assert Proto(8, 16, 4)(torch.rand(1, 8, 5, 6)).shape == (1, 4, 10, 12)


def test_semantic_map_is_for_training_only() -> None:
    layer = Proto26((8, 16), 16, 4, nc=3)
    levels = [torch.rand(2, 8, 4, 4), torch.rand(2, 16, 2, 2)]
    masks, semantic = layer(levels)
    assert masks.shape == (2, 4, 8, 8)
    assert semantic.shape == (2, 3, 4, 4)
    assert isinstance(layer(levels, return_semantic=False), torch.Tensor)
    layer.fuse()
    assert isinstance(layer(levels), torch.Tensor)


def test_every_class_is_published_where_checkpoints_look() -> None:
    for name in block.__all__:
        assert getattr(block, name).__module__ == "ultralytics.nn.modules.block"


def test_stem_pools_by_comparison_outside_training() -> None:
    layer = HGStem(3, 8, 12).eval()
    x = torch.randn(2, 3, 18, 22)
    with torch.no_grad():
        padded = nn.functional.pad(layer.stem1(x), [0, 1, 0, 1])
        deep = layer.stem2b(nn.functional.pad(layer.stem2a(padded), [0, 1, 0, 1]))
        pooled = nn.functional.max_pool2d(padded, 2, 1, ceil_mode=True)
        assert_close(layer(x), layer.stem4(layer.stem3(torch.cat((pooled, deep), dim=1))))
