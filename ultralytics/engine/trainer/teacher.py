"""What learning from a teacher adds to a trainer: opening it, wrapping the student, the extra loss column.

Specification chapter 40, section 18. The loss itself is in `nn.distill_model`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from torch import nn

from ultralytics.engine.trainer import parallel
from ultralytics.errors import ConfigValueError, ResumeError
from ultralytics.nn.distill_model import DIS_LOSS, DistillationModel, check_box_head
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_parallel

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["add_missing_loss", "add_to", "check_request", "name_loss"]

PROJECTOR = "projector."  # how the state of the projections begins


def has_teacher(trainer: BaseTrainer) -> bool:
    """Whether the run learns from another network."""
    return bool(trainer.given_objects.teacher or trainer.args.distill_model)


def check_request(trainer: BaseTrainer) -> None:
    """Refuse what cannot work before anything is read.

    Raises:
        ConfigValueError: the task has no box head.
        ResumeError: a run goes on with a teacher that began without one, or the reverse.
    """
    wanted = has_teacher(trainer)
    if wanted and not trainer.can_distill:
        raise ConfigValueError(
            f"distill_model does not work with {type(trainer).__name__}: features can only be compared between "
            "networks with a Detect head (detect, segment, pose, obb)"
        )
    point = trainer._resume_point
    if point is None:
        return
    if point.exact is None:
        if wanted:
            raise ResumeError(
                f"resume={point.path}: the file holds no projections to go on with; start a new run with "
                f"model={point.path} and the same distill_model"
            )
        return
    had = any(name.startswith(PROJECTOR) for name in point.exact["model"])
    if had and not wanted:
        raise ResumeError(
            f"resume={point.path}: the run learns from a teacher that was given as an object; give it again as "
            "distill_model"
        )
    if wanted and not had:
        raise ResumeError(f"resume={point.path}: the run has no teacher; leave distill_model out")


def add_to(trainer: BaseTrainer) -> nn.Module:
    """The network of a trainer: as it is, or with the teacher of the run beside it.

    Raises:
        ConfigValueError: teacher and student do not fit together.
        ResumeError: the teacher does not fit the projections of a run that goes on.
    """
    student: nn.Module = trainer.model
    if not has_teacher(trainer):
        return student
    if trainer.args.compile:
        LOGGER.warning("compile is off: it does not work together with distill_model.")
        trainer.args.compile = False
    check_box_head(student, "student")
    source = trainer.given_objects.teacher or trainer.args.distill_model
    channels = int(getattr(student, "yaml", {}).get("channels", 3))
    made = DistillationModel(open_teacher(source, channels).to(trainer.device), student)
    _check_projections(trainer, made)
    parallel.share_weights(made.projector, trainer.ranks)
    count = sum(p.numel() for p in made.projector.parameters())
    LOGGER.info(
        f"Learning from {trainer.args.distill_model or type(made.teacher_model).__name__}: dis={trainer.args.dis}, "
        f"{len(made.projector)} levels, {count} parameters of projections"
    )
    return made


def open_teacher(source: Any, channels: int) -> Any:  # Any: a path or a network; a task network
    """A network of its own for a run to learn from, for images of the given number of channels.

    Raises:
        ConfigValueError: `source` is no network with a box head.
    """
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils.checks import check_model_file_from_stem

    if isinstance(source, nn.Module):
        network: Any = deepcopy(source).float()
    else:
        network = load_checkpoint(check_model_file_from_stem(str(source)))[0]
    check_box_head(network, "teacher")
    if int(network.yaml.get("channels", 3)) == channels:
        return network
    made = type(network)(
        deepcopy(network.yaml), ch=channels, nc=int(network.model[-1].nc), verbose=False
    )
    made.load(network)
    return made


def _check_projections(trainer: BaseTrainer, made: DistillationModel) -> None:
    point = trainer._resume_point
    if point is None or point.exact is None:
        return
    stored = point.exact["model"]
    for name, value in made.state_dict().items():
        if name.startswith(PROJECTOR) and stored[name].shape != value.shape:
            raise ResumeError(
                f"resume={point.path}: the teacher of the run had other channels than this distill_model; give the "
                "same one"
            )


def _is_learning(trainer: BaseTrainer) -> bool:
    return isinstance(unwrap_parallel(trainer.model), DistillationModel)


def name_loss(trainer: BaseTrainer) -> None:
    """Let the loss of the features have its column."""
    if _is_learning(trainer):
        trainer.loss_names = (*trainer.loss_names, DIS_LOSS)


def add_missing_loss(trainer: BaseTrainer, metrics: dict[str, float]) -> None:
    """Validation measures the student alone: its column of the loss of the features is 0."""
    if _is_learning(trainer):
        metrics.setdefault(f"val/{DIS_LOSS}", 0.0)
