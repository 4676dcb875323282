"""The detection head: outputs by mode, decoding, selection, caching."""

from __future__ import annotations

import copy
import logging
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ultralytics.nn.modules import Detect, head, v10Detect
from ultralytics.nn.modules.head.ranking import best
from ultralytics.nn.modules.scope import build_scope

CHANNELS = (16, 32)


def _levels(batch: int = 2, size: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.rand(batch, c, size >> i, size >> i) for i, c in enumerate(CHANNELS)]


def _head(reg_max: int = 1, end2end: bool = False, nc: int = 3, **settings: Any) -> Detect:
    torch.manual_seed(0)
    made = Detect(nc, reg_max, end2end, CHANNELS)
    made.stride = torch.tensor([8.0, 16.0])
    for name, value in settings.items():
        setattr(made, name, value)
    return made.eval()


def test_training_gives_raw_predictions() -> None:
    made = _head(reg_max=4).train()
    raw = made(_levels())
    assert set(raw) == {"boxes", "scores", "feats"}
    assert raw["boxes"].shape == (2, 16, 20)
    assert raw["scores"].shape == (2, 3, 20)


def test_the_second_branch_learns_on_detached_features() -> None:
    made = _head(end2end=True).train()
    levels = [level.requires_grad_() for level in _levels()]
    raw = made(levels)
    raw["one2one"]["scores"].sum().backward()
    assert all(level.grad is None for level in levels)
    raw["one2many"]["scores"].sum().backward()
    assert all(level.grad is not None for level in levels)


@pytest.mark.parametrize(
    ("dual", "free", "export", "shape"),
    [
        pytest.param(False, False, False, (2, 7, 20), id="single"),
        pytest.param(True, False, False, (2, 7, 20), id="dual-with-suppression"),
        pytest.param(True, True, False, (2, 20, 6), id="dual-without"),
        pytest.param(True, True, True, (2, 20, 6), id="dual-without-exported"),
        pytest.param(False, False, True, (2, 7, 20), id="single-exported"),
    ],
)
def test_inference_outputs(dual: bool, free: bool, export: bool, shape: tuple[int, ...]) -> None:
    made = _head(end2end=dual, export=export)
    if free:
        made.end2end = True
    with torch.no_grad():
        out = made(_levels())
    if export:
        assert out.shape == shape
        return
    y, raw = out
    assert y.shape == shape
    assert set(raw) == ({"one2many", "one2one"} if dual else {"boxes", "scores", "feats"})


def test_fusing_keeps_the_selected_branch() -> None:
    levels = _levels()
    kept, free = _head(end2end=True), _head(end2end=True)
    free.end2end = True
    with torch.no_grad():
        before = kept(levels)[0], free(levels)[0]
        kept.fuse()
        free.fuse()
        after = kept(levels), free(levels)
    assert_close(after[0][0], before[0])
    assert_close(after[1][0], before[1])
    assert set(after[0][1]) == {"boxes", "scores", "feats"}
    assert after[1][1]["one2many"] == {}
    assert not kept.end2end
    assert free.end2end


def test_switches_without_effect_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    single, fused = _head(), _head(end2end=True)
    fused.end2end = True
    fused.fuse()
    with caplog.at_level(logging.WARNING):
        single.end2end = True
        fused.end2end = False
    assert not single.end2end
    assert fused.end2end
    assert "no one-to-one branch" in caplog.text
    assert "fused away" in caplog.text


@pytest.mark.parametrize(
    ("settings", "boxes"),
    [
        pytest.param({}, [[12, 12, 32, 48], [12, 4, 8, 8]], id="centre-and-size"),
        pytest.param({"xyxy": True}, [[-4, -12, 28, 36], [8, 0, 16, 8]], id="corners"),
    ],
)
def test_decoding_of_known_distances(settings: dict[str, bool], boxes: list[list[float]]) -> None:
    made = _head(nc=2, **settings)
    made.stride = torch.tensor([8.0])
    distances = torch.tensor([[1, 0.5], [2, 0.5], [3, 0.5], [4, 0.5]]).unsqueeze(0)
    logits = torch.tensor([[[0.0, 1], [-1, 2]]])
    raw = {"boxes": distances, "scores": logits, "feats": [torch.zeros(1, 1, 1, 2)]}
    y = made._inference(raw)
    assert_close(y[0, :4].T, torch.tensor(boxes, dtype=torch.float32))
    assert_close(y[0, 4:], logits[0].sigmoid())


def _rows(agnostic: bool) -> list[list[float]]:
    made = _head(max_det=3, agnostic_nms=agnostic)
    corners = torch.tensor([[i, i, i + 1, i + 1] for i in range(4)], dtype=torch.float32)
    scores = torch.tensor([[0.9, 0.8, 0.1], [0.3, 0.2, 0.7], [0.85, 0.05, 0.6], [0.1, 0.1, 0.1]])
    out = made.postprocess(torch.cat((corners, scores), 1).unsqueeze(0))[0]
    return [[round(v, 6) for v in row] for row in out[:, [0, 4, 5]].tolist()]


def test_selection_may_take_several_classes_of_one_anchor() -> None:
    assert _rows(agnostic=False) == [[0, 0.9, 0], [2, 0.85, 0], [0, 0.8, 1]]


def test_agnostic_selection_takes_one_class_per_anchor() -> None:
    assert _rows(agnostic=True) == [[0, 0.9, 0], [2, 0.85, 0], [1, 0.7, 2]]


def test_extra_columns_follow_their_anchor() -> None:
    made = _head(nc=1, max_det=2)
    preds = torch.tensor([[[0.0, 0, 1, 1, 0.2, 7], [1, 1, 2, 2, 0.9, 8]]])
    assert_close(made.postprocess(preds)[0, :, 6], torch.tensor([8.0, 7.0]))


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_equal_scores_come_in_order_of_position(values: list[float], k: int) -> None:
    k = min(k, len(values))
    found, positions = best(torch.tensor([values]), k)
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert positions[0].tolist() == expected
    assert found[0].tolist() == [values[i] for i in expected]


def test_anchors_are_kept_while_sizes_stay_and_replaced_when_they_change() -> None:
    made = _head()
    with torch.no_grad():
        made(_levels())
        first = made.anchors
        made(_levels(batch=5))
        assert made.anchors is first
        made([_levels()[0], torch.rand(2, 32, 3, 3)])  # only the second level differs
        assert made.anchors.shape == (2, 25)
        made.double()([level.double() for level in _levels()])
    assert made.anchors.dtype == torch.float64


def test_a_changed_stride_needs_no_new_object() -> None:
    made = _head(dynamic=True)
    with torch.no_grad():
        before = made(_levels())[0]
        made.stride = made.stride * 2
        after = made(_levels())[0]
    assert_close(after[:, :4], before[:, :4] * 2)


def test_threads_with_different_sizes_do_not_disturb_each_other() -> None:
    made = _head()
    inputs = [_levels(1, 4), [torch.rand(1, c, 2 >> i, 8 >> i) for i, c in enumerate(CHANNELS)]]
    with torch.no_grad():
        expected = [_head()(x)[0] for x in inputs]

    def run(number: int) -> bool:
        with torch.no_grad():
            return bool(torch.equal(made(inputs[number])[0], expected[number]))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, [0, 1] * 40))


def test_anchors_of_inference_mode_do_not_leak_into_gradients() -> None:
    made = _head()
    with torch.inference_mode():
        made(_levels())
    y, _ = made(_levels())
    y.sum().backward()
    assert any(parameter.grad is not None for parameter in made.parameters())


def test_cached_anchors_are_not_written_to_files() -> None:
    made = _head()
    with torch.no_grad():
        made(_levels())
    again = pickle.loads(pickle.dumps(made))
    assert {"anchors", "strides", "shape", "_grid"} & set(vars(again)) == set()
    assert copy.deepcopy(made).anchors.numel() == 0
    assert made.anchors.numel() > 0


def test_initial_biases() -> None:
    made = _head(reg_max=16, nc=80, end2end=True)
    made.stride = torch.tensor([8.0, 32.0])
    made.bias_init()
    for box, cls in ((made.cv2, made.cv3), (made.one2one_cv2, made.one2one_cv3)):
        assert box is not None
        assert cls is not None
        assert_close(box[0][-1].bias, torch.full((64,), 2.0))
        assert_close(cls[0][-1].bias, torch.full((80,), -11.536642), rtol=0, atol=1e-5)
        assert_close(cls[1][-1].bias, torch.full((80,), -8.764053), rtol=0, atol=1e-5)
    assert math.isclose(math.log(5 / 80 / 80**2), -11.536642, abs_tol=1e-6)


def test_class_branch_form_is_a_matter_of_the_scope_not_of_the_class() -> None:
    with build_scope(legacy=True):
        old = _head()
    assert len(old.cv3[0]) == len(_head().cv3[0]) == 3  # type: ignore[arg-type, index]
    old_names = {name for name, _ in old.cv3.named_parameters()}  # type: ignore[union-attr]
    assert "0.0.conv.weight" in old_names
    assert Detect.legacy is False


def test_v10_head_has_two_branches_of_grouped_convolutions() -> None:
    made = v10Detect(3, CHANNELS)
    assert made.is_dual
    assert made.cv3[0][0][0].conv.groups == 16  # type: ignore[index]


def test_every_class_is_published_where_checkpoints_look() -> None:
    for name in head.__all__:
        assert getattr(head, name).__module__ == "ultralytics.nn.modules.head"
