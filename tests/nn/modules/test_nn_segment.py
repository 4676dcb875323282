"""Instance segmentation heads: outputs by mode, prototypes of two branches, what fusing drops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.nn.modules import Segment, Segment26
from ultralytics.utils.ops import process_mask

CHANNELS = (16, 32)
CLASSES, COEFFICIENTS, ANCHORS = 3, 5, 20


def _levels(batch: int = 2, size: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, c, size >> i, size >> i) for i, c in enumerate(CHANNELS)]


def _head(cls: type[Segment] = Segment, dual: bool = False, **settings: Any) -> Segment:
    torch.manual_seed(0)
    made = cls(CLASSES, COEFFICIENTS, 8, 1, dual, CHANNELS)
    made.stride = torch.tensor([8.0, 16.0])
    for name, value in settings.items():
        setattr(made, name, value)
    return made.eval()


@pytest.mark.parametrize("cls", [Segment, Segment26])
def test_training_gives_coefficients_and_prototypes(cls: type[Segment]) -> None:
    raw = _head(cls).train()(_levels())
    assert raw["mask_coefficient"].shape == (2, COEFFICIENTS, ANCHORS)
    proto = raw["proto"]
    if cls is Segment26:
        proto, semantic = proto
        assert semantic.shape == (2, CLASSES, 4, 4)
    assert proto.shape == (2, COEFFICIENTS, 8, 8)


@pytest.mark.parametrize("cls", [Segment, Segment26])
def test_the_second_branch_does_not_teach_prototypes(cls: type[Segment]) -> None:
    raw = _head(cls, dual=True).train()(_levels())
    parts = {
        name: branch["proto"] if cls is Segment26 else (branch["proto"],)
        for name, branch in raw.items()
    }
    assert all(part.requires_grad for part in parts["one2many"])
    assert not any(part.requires_grad for part in parts["one2one"])


@pytest.mark.parametrize(
    ("free", "export", "shape"),
    [
        pytest.param(False, False, (2, 4 + CLASSES + COEFFICIENTS, ANCHORS), id="suppressed"),
        pytest.param(True, False, (2, ANCHORS, 6 + COEFFICIENTS), id="free"),
        pytest.param(False, True, (2, 4 + CLASSES + COEFFICIENTS, ANCHORS), id="exported"),
        pytest.param(True, True, (2, ANCHORS, 6 + COEFFICIENTS), id="free-exported"),
    ],
)
@pytest.mark.parametrize("cls", [Segment, Segment26])
def test_inference_outputs(
    cls: type[Segment], free: bool, export: bool, shape: tuple[int, ...]
) -> None:
    made = _head(cls, dual=True, export=export)
    made.end2end = free
    with torch.no_grad():
        out = made(_levels())
    y, proto = out if export else out[0]
    assert y.shape == shape
    assert proto.shape == (2, COEFFICIENTS, 8, 8)
    if not export:
        assert set(out[1]) == {"one2many", "one2one"}


def test_coefficients_stay_with_their_box() -> None:
    made = _head(dual=True)
    with torch.no_grad():
        (many, _), raw = made(_levels())
        made.end2end = True
        rows = made(_levels())[0][0]
    assert_close(many[:, -COEFFICIENTS:], raw["one2many"]["mask_coefficient"])
    one = raw["one2one"]
    scores = one["scores"].sigmoid()
    image = 1
    anchor = int(scores[image].max(0).values.argmax())
    assert_close(rows[image, 0, 4], scores[image].max())
    assert_close(rows[image, 0, 6:], one["mask_coefficient"][image, :, anchor])


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("cls", [Segment, Segment26])
def test_fusing_keeps_the_selected_branch(cls: type[Segment], free: bool) -> None:
    made = _head(cls, dual=True)
    made.end2end = free
    with torch.no_grad():
        (before, proto), _ = made(_levels())
        assert made.has_training_parts
        made.fuse()
        assert not made.has_training_parts
        (after, same), raw = made(_levels())
    assert_close(after, before)
    assert_close(same, proto)
    assert (made.cv4 is None) is free
    assert not any("semseg" in name for name, _ in made.named_parameters())
    assert ("one2one" in raw) is free


def test_a_single_branch_of_the_new_generation_still_drops_its_semantic_map() -> None:
    made = _head(Segment26)
    assert made.has_training_parts
    made.fuse()
    assert not made.has_training_parts
    assert not _head(Segment).has_training_parts


def test_outputs_assemble_to_masks() -> None:
    with torch.no_grad():
        (y, proto), _ = _head()(_levels())
    box = torch.tensor([[4.0, 8.0, 20.0, 28.0]])
    coefficients = y[0, -COEFFICIENTS:, 7][None]
    mask = process_mask(proto[0], coefficients, box, (32, 32))[0]
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:7, 1:5] = True
    expected = (torch.einsum("c,chw->hw", coefficients[0], proto[0]) > 0) & inside
    assert torch.equal(mask.bool(), expected)
