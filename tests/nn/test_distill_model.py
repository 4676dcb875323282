"""The loss of features against a teacher: recorded example, NumPy by hand, gradients, refusals, copies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ultralytics.errors import ConfigValueError
from ultralytics.nn.distill_model import DistillationModel, class_attention, level_loss
from ultralytics.nn.tasks import ClassificationModel, DetectionModel, yaml_model_load
from ultralytics.utils.torch_utils.wrapping import unwrap_model, unwrap_parallel


def wave(a: float, *shape: int) -> Tensor:
    """n-th element sin(a n): the generator of the examples of the specification."""
    return torch.from_numpy(np.sin(a * np.arange(np.prod(shape)))).float().reshape(shape)


def narrow(name: str, width: float = 0.125, **changes: Any) -> DetectionModel:
    content = yaml_model_load(name)
    content["scales"] = {"n": [0.33, width, 64 if width < 0.2 else 128]}
    return DetectionModel(content, nc=2, verbose=False, **changes)


def batch(images: int = 2) -> dict[str, Any]:
    torch.manual_seed(3)
    return {
        "img": torch.rand(images, 3, 64, 64),
        "cls": torch.tensor([[0.0], [1.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.4, 0.6, 0.3, 0.5]]),
        "batch_idx": torch.tensor([0.0, 1.0]),
    }


@pytest.fixture
def pair() -> Callable[..., DistillationModel]:
    def make(student: str = "yolo11n.yaml", teacher: str = "yolo11n.yaml") -> DistillationModel:
        torch.manual_seed(0)
        learner = narrow(student)
        learner.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, dis=4.0, epochs=3)
        return DistillationModel(narrow(teacher, width=0.25), learner)

    return make


def test_the_recorded_example() -> None:
    # specification chapter 20, section 4.13
    weight = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    found = level_loss(wave(0.3, 1, 2, 2, 2), wave(0.5, 1, 2, 2, 2), weight)
    assert found.item() == pytest.approx(0.438769, abs=2e-6)


def test_attention_is_the_best_class_of_the_mean_of_the_branches() -> None:
    many, one = wave(0.3, 1, 3, 5), wave(0.7, 1, 3, 5)
    found = class_attention([many, one], [4, 1])
    mean = (many.numpy() + one.numpy()) / 2
    expected = 1 / (1 + np.exp(-mean.max(1)))
    assert [tuple(level.shape) for level in found] == [(1, 4), (1, 1)]
    assert_close(torch.cat(found, 1).numpy(), expected)


@pytest.mark.parametrize("teacher", ["yolo11n.yaml", "yolo26n.yaml"])
def test_the_loss_of_a_batch_by_hand(pair: Callable[..., DistillationModel], teacher: str) -> None:
    both, given = pair(teacher=teacher).train(), batch()
    both.student_model.eval()  # fixed statistics, so that a second pass gives the same features
    vector, items = both.loss(given)
    with torch.no_grad():
        _, raw = both.student_model(given["img"])
        _, wanted = both.teacher_model(given["img"])
    dual = "one2many" in wanted
    scores = [wanted[b]["scores"] for b in ("one2many", "one2one")] if dual else [wanted["scores"]]
    targets = (wanted["one2many"] if dual else wanted)["feats"]
    mean = np.mean([s.numpy() for s in scores], axis=0)
    peak = 1 / (1 + np.exp(-mean.max(1)))
    total, start = 0.0, 0
    for project, mine, target in zip(both.projector, raw["feats"], targets, strict=True):
        first, _, second = project
        x = np.einsum("oc,bchw->bohw", first.weight[:, :, 0, 0].detach().numpy(), mine.numpy())
        x = np.maximum(x + first.bias.detach().numpy()[:, None, None], 0)
        x = np.einsum("oc,bchw->bohw", second.weight[:, :, 0, 0].detach().numpy(), x)
        x = x + second.bias.detach().numpy()[:, None, None]
        size = x.shape[2] * x.shape[3]
        w = peak[:, start : start + size].reshape(len(x), 1, *x.shape[2:])
        total += float((w * (x - target.numpy()) ** 2).sum() / (w.sum() * x.shape[1] + 1e-9))
        start += size
    assert items["dis_loss"].item() == pytest.approx(4.0 * total, rel=1e-4)
    plain, names = both.student_model.loss(given, both.student_model.predict(given["img"]))
    assert_close(vector, torch.cat((plain, items["dis_loss"].view(1) * 2)), rtol=1e-4, atol=1e-4)
    assert [*items] == [*names, "dis_loss"]


def test_gradients_reach_student_and_projections_but_not_the_teacher(
    pair: Callable[..., DistillationModel],
) -> None:
    both = pair().train()
    before = {k: v.clone() for k, v in both.teacher_model.state_dict().items()}
    extra = both.distillation_loss(both.student_model.predict(batch()["img"]), batch()["img"])
    extra.backward()
    teacher = list(both.teacher_model.parameters())
    assert not any(p.requires_grad or p.grad is not None for p in teacher)
    assert all(p.grad.abs().sum() > 0 for p in both.projector.parameters())
    assert both.student_model.model[0].conv.weight.grad.abs().sum() > 0
    mine = {id(p) for p in both.parameters()}
    assert not mine & {id(p) for p in teacher}
    after = both.teacher_model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert not both.teacher_model.training


def test_validation_measures_the_student_alone(pair: Callable[..., DistillationModel]) -> None:
    both, given = pair().eval(), batch()
    assert both.loss(given)[1]["dis_loss"].item() == 0
    assert_close(both(given["img"])[0], both.student_model(given["img"])[0])
    assert unwrap_model(both) is both.student_model
    assert unwrap_parallel(both) is both
    assert both.names == both.student_model.names


def test_copies_and_pickles_leave_the_teacher_behind(
    pair: Callable[..., DistillationModel],
) -> None:
    both = pair()
    assert deepcopy(both).teacher_model is None
    again = pickle.loads(pickle.dumps(both))
    assert again.teacher_model is None
    assert_close(again.state_dict(), both.state_dict())
    with pytest.raises(ConfigValueError, match="no teacher"):
        again.train().loss(batch())


def test_a_projection_leads_to_the_channels_of_the_teacher(
    pair: Callable[..., DistillationModel],
) -> None:
    both = pair()
    ours = [c.in_channels for c, _, _ in both.projector]
    theirs = [(c.in_channels, c.out_channels) for _, _, c in both.projector]
    mine = [level[0].conv.in_channels for level in both.student_model.model[-1].cv2]
    wanted = [level[0].conv.in_channels for level in both.teacher_model.model[-1].cv2]
    assert ours == mine
    assert theirs == [(c, c) for c in wanted]


def test_other_levels_are_refused() -> None:
    with pytest.raises(ConfigValueError, match=r"4 levels with strides \[8, 16, 32, 64\]"):
        DistillationModel(narrow("yolov8n-p6.yaml"), narrow("yolo11n.yaml"))


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_networks_without_a_box_head_are_refused(role: str) -> None:
    other = ClassificationModel("yolo11n-cls.yaml", nc=2, verbose=False)
    networks = (other, narrow("yolo11n.yaml"))
    with pytest.raises(ConfigValueError, match=f"the {role} ends in Classify"):
        DistillationModel(*(networks if role == "teacher" else networks[::-1]))
