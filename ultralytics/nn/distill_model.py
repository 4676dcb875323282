"""A network that learns from another one: its features follow those of a teacher, where the teacher sees objects.

Shapes: B images, L levels of the head's inputs, C channels, A positions of all levels, nc classes. Specification
chapter 40, section 18, and chapter 20, section 4.13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.cfg.load import DEFAULT_CFG_DICT
from ultralytics.errors import ConfigValueError
from ultralytics.nn.modules import Detect

__all__ = ["DIS_LOSS", "DistillationModel", "class_attention", "level_loss"]

DIS_LOSS = "dis_loss"  # name of the loss item
PROBE_PX = 256  # side of the blank image that tells the sizes of features; every stride divides it

Outputs = Mapping[str, Any]  # Any: nested dictionaries of raw outputs of a head


class DistillationModel(nn.Module):
    """A student, the projections that make its features comparable, and a teacher that stays as it is.

    Only the student and the projections are parts of this module: they are what is trained, moved, averaged over
    ranks and stored. Copies have no teacher.

    Args:
        teacher_model: network with a box head; it is put in inference mode and loses its gradients.
        student_model: network to train.

    Attributes:
        projector: per level a 1x1 convolution to the channels of the teacher, ReLU, and another 1x1 convolution.

    Raises:
        ConfigValueError: one of the two has no box head, or the features do not correspond.
    """

    student_model: nn.Module
    projector: nn.ModuleList

    def __init__(self, teacher_model: nn.Module, student_model: nn.Module) -> None:
        super().__init__()
        for role, network in (("teacher", teacher_model), ("student", student_model)):
            check_box_head(network, role)
        teacher_model.eval().requires_grad_(False)
        self._teacher = (
            teacher_model,
        )  # in a tuple, so that it does not become a part of this module
        ours, theirs = _feature_shapes(student_model), _feature_shapes(teacher_model)
        _refuse_other_grids(ours, theirs)
        self.student_model = student_model
        like = next(student_model.parameters())
        self.projector = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(mine[0], wanted[0], 1), nn.ReLU(), nn.Conv2d(wanted[0], wanted[0], 1)
            )
            for mine, wanted in zip(ours, theirs, strict=True)
        ).to(like.device)

    @property
    def teacher_model(self) -> nn.Module | None:
        """The network that is learned from; copies have none."""
        return self._teacher[0] if self._teacher else None

    def __getstate__(self) -> dict[str, Any]:  # Any: the instance dictionary
        return {**self.__dict__, "_teacher": ()}

    def __getattr__(self, name: str) -> Any:  # Any: attributes of the student
        """Whatever this module does not have is looked up on the student."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "student_model":
                raise
            return getattr(self.student_model, name)

    def forward(
        self, x: Tensor | dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:  # Any: as the student
        """`loss` for a batch dictionary, the predictions of the student for an image tensor."""
        if isinstance(x, dict):
            return self.loss(x, *args, **kwargs)
        return self.student_model(x, *args, **kwargs)

    def loss(
        self,
        batch: dict[str, Any],
        preds: Any = None,  # Any: raw predictions
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The student's loss vector, with the loss of the features (times batch size) at its end.

        Args:
            batch: "img" (B, C, H, W) in [0, 1] and the labels of the task.
            preds: raw predictions of the student; computed when absent.

        Returns:
            The vector, and the student's items with `dis_loss`, which is 0 in inference mode.
        """
        student: Any = self.student_model  # Any: a task network
        if preds is None:
            preds = student.predict(batch["img"])
        vector, items = student.loss(batch, preds)
        extra = vector.new_zeros(())
        if self.training:
            extra = self.distillation_loss(preds, batch["img"]) * _weight(student)
        vector = torch.cat((vector.reshape(-1), (extra * len(batch["img"])).reshape(1)))
        return vector, {**items, DIS_LOSS: extra.detach()}

    def distillation_loss(self, preds: Any, images: Tensor) -> Tensor:  # Any: raw predictions
        """Weighted mean square between projected and wanted features, summed over levels; without `dis`."""
        teacher = self.teacher_model
        if teacher is None:
            raise ConfigValueError("this copy has no teacher; make a DistillationModel with one")
        with torch.no_grad():
            wanted, scores = _features_and_scores(teacher(images))
        ours, _ = _features_and_scores(preds)
        sizes = [level.shape[-2] * level.shape[-1] for level in wanted]
        attention = class_attention(scores, sizes)
        parts = [
            level_loss(project(mine), target, weight)
            for project, mine, target, weight in zip(
                self.projector, ours, wanted, attention, strict=True
            )
        ]
        return torch.stack(parts).sum()


def class_attention(scores: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
    """Where a teacher sees objects: highest class probability of every position, per level (B, H W).

    Args:
        scores: logits (B, nc, A) of each branch; the mean of the branches counts.
        sizes: positions of each level.
    """
    mean = torch.stack([branch.float() for branch in scores]).mean(0)
    return list(mean.sigmoid().amax(1).split(list(sizes), dim=1))


def level_loss(student: Tensor, teacher: Tensor, weight: Tensor) -> Tensor:
    """`sum(w (s - t)^2) / (sum(w) C + 1e-9)` in float32, for maps s, t (B, C, H, W) and weights w (B, H W)."""
    with torch.autocast(student.device.type, enabled=False):
        apart = (student.float() - teacher.float()).square().flatten(2)
        total = weight.sum() * student.shape[1] + 1e-9
        return (weight.float()[:, None] * apart).sum() / total


def check_box_head(network: Any, role: str) -> None:  # Any: whatever was given as a network
    """Refuse networks whose features are not read by a box head.

    Raises:
        ConfigValueError: the text names the role and the head.
    """
    rows = getattr(network, "model", None)
    head = rows[-1] if isinstance(rows, nn.Sequential) and len(rows) else network
    if not isinstance(head, Detect):
        raise ConfigValueError(
            f"distill_model: the {role} ends in {type(head).__name__}, but features can only be compared between "
            "networks with a Detect head (detect, segment, pose, obb)"
        )


@torch.no_grad()
def _feature_shapes(network: Any) -> list[tuple[int, int, int]]:  # Any: a task network
    """Channels, height and width of the head's inputs for a blank image."""
    like = next(network.parameters())
    channels = int(network.yaml.get("channels", 3))
    was_training = network.training
    network.eval()
    try:
        blank = torch.zeros(1, channels, PROBE_PX, PROBE_PX, dtype=like.dtype, device=like.device)
        features, _ = _features_and_scores(network(blank))
    finally:
        network.train(was_training)
    return [(int(f.shape[1]), int(f.shape[2]), int(f.shape[3])) for f in features]


def _refuse_other_grids(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> None:
    mine, wanted = ([PROBE_PX // level[1] for level in shapes] for shapes in (ours, theirs))
    if mine != wanted:
        raise ConfigValueError(
            f"distill_model: the teacher has {len(wanted)} levels with strides {wanted}, the student {len(mine)} with "
            f"strides {mine}; choose a teacher whose head reads the same levels"
        )


def _features_and_scores(outputs: Any) -> tuple[Sequence[Tensor], list[Tensor]]:
    """Inputs of the head, and the class logits of every branch that is there."""
    raw: Outputs = outputs[1] if isinstance(outputs, tuple) else outputs
    branches: list[Outputs] = [raw]
    if "one2many" in raw:
        branches = [raw[name] for name in ("one2many", "one2one") if raw.get(name)]
    return branches[0]["feats"], [branch["scores"] for branch in branches]


def _weight(student: Any) -> float:  # Any: a task network, whose arguments may be a dictionary
    args = getattr(student, "args", None)
    found = args.get("dis") if isinstance(args, dict) else getattr(args, "dis", None)
    return float(DEFAULT_CFG_DICT["dis"] if found is None else found)
