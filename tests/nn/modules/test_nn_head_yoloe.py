"""Heads whose classes are embeddings, or a built-in vocabulary."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.nn.modules import LRPCHead, WorldDetect, YOLOEDetect, YOLOESegment, YOLOESegment26
from ultralytics.nn.modules.scope import build_scope

CHANNELS = (8, 12, 16)
WIDTH = 32


def levels(batch: int = 2, classes: int = 5) -> list[Tensor]:
    torch.manual_seed(0)
    maps = [torch.rand(batch, c, 8 >> i, 8 >> i) for i, c in enumerate(CHANNELS)]
    return [*maps, nn.functional.normalize(torch.randn(batch, classes, WIDTH), dim=-1)]


def head(cls: type[YOLOEDetect] = YOLOEDetect, end2end: bool = False, **settings: Any) -> Any:
    torch.manual_seed(0)
    extra = (4, 16) if issubclass(cls, YOLOESegment) else ()
    with build_scope(legacy=False):
        made = cls(3, *extra, WIDTH, True, 1, end2end, CHANNELS)
    made.stride = torch.tensor([8.0, 16.0, 32.0])
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.3, 2)
    for name, value in settings.items():
        setattr(made, name, value)
    return made.eval()


@pytest.mark.parametrize("kind", [YOLOEDetect, YOLOESegment, YOLOESegment26])
@pytest.mark.parametrize("end2end", [False, True])
def test_folded_classes_score_as_before(kind: type[YOLOEDetect], end2end: bool) -> None:
    made, x = head(kind, end2end).double(), [level.double() for level in levels()]
    x[-1] = x[-1][:1].expand(2, -1, -1)
    with torch.no_grad():
        _, before = made(x)
        made.fuse(x[-1][:1])
        _, after = made(x)
        made.fuse(torch.zeros(1, 9, WIDTH))  # only the first ones count
        _, again = made(x)
    for branch in ("one2many", "one2one") if end2end else ("",):
        one, two, three = (p[branch] if branch else p for p in (before, after, again))
        assert_close(two["scores"], one["scores"], rtol=1e-9, atol=1e-9)
        assert_close(three["scores"], two["scores"])
    assert made.is_fused
    assert made.nc == 5
    assert not [p for p in made.cv3.parameters() if p.requires_grad and p.shape[0] == 5]


def test_classes_are_not_folded_while_training() -> None:
    with pytest.raises(ValueError, match="eval mode"):
        head().train().fuse(levels()[-1])


def test_the_head_takes_as_many_classes_as_it_is_given() -> None:
    made = head()
    with torch.no_grad():
        for classes in (1, 7):
            y, raw = made(levels(classes=classes))
            assert y.shape == (2, 4 + classes, 84)
            assert len(raw["feats"]) == 3
            assert made.nc == classes


def test_prompts_of_both_kinds() -> None:
    made, x = head(), levels()
    text = torch.randn(1, 4, WIDTH)
    assert made.get_tpe(None) is None
    assert_close(
        made.get_tpe(text), nn.functional.normalize(text, dim=-1)
    )  # starts as the identity
    assert made.get_vpe(x, torch.zeros(2, 0, 8, 8)).shape == (2, 0, WIDTH)
    given = torch.randn(2, 3, WIDTH)
    assert made.get_vpe(x, given) is given
    found = made.get_vpe(x, torch.ones(2, 3, 8, 8))
    assert_close(found.norm(dim=-1), torch.ones(2, 3))


def test_sizes_the_head_is_not_made_for() -> None:
    for arguments in ((3, WIDTH, False, 1, False, CHANNELS), (3, 4, True, 1, False, CHANNELS)):
        with pytest.raises(ValueError, match="this head needs"):
            YOLOEDetect(*arguments)
    with pytest.raises(ValueError, match="2 levels"):
        YOLOEDetect(3, WIDTH, True, 1, False, CHANNELS[:2])


def test_initial_biases() -> None:
    made = head(YOLOESegment, True)
    made.bias_init()
    for boxes, fits in ((made.cv2, made.cv4), (made.one2one_cv2, made.one2one_cv4)):
        for box, fit, stride in zip(boxes, fits, (8, 16, 32), strict=True):
            assert_close(box[-1].bias, torch.full((4,), 2.0))
            assert fit.bias.item() == pytest.approx(math.log(5 / 3 / (640 / stride) ** 2))


def test_the_second_branch_and_the_prototypes_do_not_teach_the_neck() -> None:
    made = head(YOLOESegment26, True).train()
    x = [level.requires_grad_() for level in levels()]
    raw = made(x)
    total = sum(raw["one2one"][key].sum() for key in ("boxes", "scores", "mask_coefficient"))
    (total + raw["one2many"]["proto"].sum()).backward()
    assert all(level.grad is None for level in x)
    raw["one2many"]["scores"].sum().backward()
    assert all(level.grad is not None for level in x)


def test_outputs_of_the_mask_head() -> None:
    made = head(YOLOESegment26, True)
    with torch.no_grad():
        (y, proto), raw = made(levels())
        assert y.shape == (2, 4 + 5 + 4, 84)
        assert proto.shape == (2, 4, 16, 16)
        assert set(raw) == {"one2many", "one2one"}
        made.end2end = True
        (y, _), _ = made(levels())
        assert y.shape == (2, 84, 6 + 4)
        assert made.has_training_parts
        made.fuse()
        assert not made.has_training_parts
        assert made.proto.semseg is None
        assert_close(made(levels())[0][0], y)


# built-in vocabularies


def proposing(enabled: bool = True) -> LRPCHead:
    torch.manual_seed(0)
    parts = nn.Conv2d(6, 10, 1), nn.Conv2d(6, 1, 1), nn.Conv2d(6, 4, 1)
    return LRPCHead(*parts, enabled)


def test_proposed_positions_score_like_a_dense_convolution() -> None:
    made = proposing()
    cls, loc = torch.randn(2, 6, 4, 5), torch.randn(2, 6, 4, 5)
    with torch.no_grad():
        boxes, scores, mask = made(cls, loc, 0.5)
        weight = made.vocab.weight
        dense = torch.einsum("bchw,kc->bkhw", cls, weight) + made.vocab.bias[:, None, None]
        kept = (made.pf(cls).sigmoid() > 0.5).flatten(1)
        assert 0 < int(kept.sum()) < kept.numel()
        assert mask.tolist() == kept.any(0).tolist()
        wanted = dense.flatten(2).masked_fill(~kept[:, None], float("-inf"))[..., mask]
        assert_close(scores, wanted)
        assert_close(boxes, made.loc(loc))
        _, everything, nothing = made(cls, loc, 0)
        assert nothing is None
        assert_close(everything, dense.flatten(2))


def test_a_level_without_filter_scores_everything() -> None:
    made = proposing(enabled=False)
    cls = torch.randn(2, 6, 4, 5)
    _, scores, mask = made(cls, cls, 0.9)
    assert scores.shape == (2, 10, 20)
    assert mask.all()


def test_a_filter_of_several_classes_proposes_what_any_of_them_would() -> None:
    made = LRPCHead(nn.Conv2d(2, 3, 1), nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 4, 1))
    with torch.no_grad():
        made.pf.weight.copy_(torch.eye(2)[..., None, None])
        cls = torch.tensor([[[[5.0, -5, -5]], [[-5.0, 5, -5]]]])
        assert made(cls, cls, 0.5)[2].tolist() == [True, True, False]


def test_only_products_become_lists() -> None:
    with pytest.raises(ValueError, match="only 1x1"):
        LRPCHead.conv2linear(nn.Conv2d(2, 2, 3))


# YOLO-World


@pytest.mark.parametrize("with_bn", [False, True])
def test_world_head(with_bn: bool) -> None:
    torch.manual_seed(0)
    made = WorldDetect(3, WIDTH, with_bn, 4, False, CHANNELS).eval()
    made.stride = torch.tensor([8.0, 16.0, 32.0])
    made.bias_init()
    *maps, text = levels(classes=6)
    with torch.no_grad():
        y, raw = made(maps, text)
        assert y.shape == (2, 4 + 6, 84)
        assert raw["scores"].shape == (2, 6, 84)
        assert_close(y[:, 4:], raw["scores"].sigmoid())
        first = made.cv4[0](made.cv3[0](maps[0]), text).flatten(2)
        assert_close(raw["scores"][..., :64], first)
        made.export = True
        assert_close(made(maps, text), y)
    assert made.no == 6 + 16
    assert all((box[-1].bias == 1).all() for box in made.cv2)
    assert isinstance(made.cv3[0][0], nn.Module)
    assert made.cv3[0][0].conv.kernel_size == (3, 3)  # full convolutions, whatever the generation
