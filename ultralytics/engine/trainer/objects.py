"""Arguments that are Python objects: a teacher, a loss, transforms.

They are taken out of the arguments when a trainer is made, so that no file of the run refers to code of the user.
A run that goes on must be given them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from ultralytics.cfg.load import TRAINING_OBJECTS
from ultralytics.errors import ConfigTypeError, ConfigValueError, ResumeError
from ultralytics.utils.namespace import IterableSimpleNamespace

if TYPE_CHECKING:
    from ultralytics.engine.trainer.resume import ResumePoint

__all__ = ["GivenObjects", "check_resumed", "take"]


@dataclass(frozen=True)
class GivenObjects:
    """What the user passed as objects; None where nothing was passed.

    Attributes:
        teacher: network to learn from; one that is named by a file stays among the arguments.
        loss: class or function, see `own_loss`.
        transforms: list of steps or function, see `own_transforms`.
    """

    teacher: nn.Module | None = None
    loss: Any = None  # Any: classes and functions of the user
    transforms: Any = None

    @property
    def names(self) -> list[str]:
        """Arguments that a run cannot go on without."""
        return [name for name in TRAINING_OBJECTS if getattr(self, name) is not None]


def take(args: IterableSimpleNamespace) -> GivenObjects:
    """Move objects out of arguments, which are changed in place.

    Raises:
        ConfigTypeError: an object that cannot be what it is given for.
    """
    given = {name: vars(args).pop(name, None) for name in TRAINING_OBJECTS}
    loss, transforms = given["loss"], given["transforms"]
    if loss is not None and not callable(loss):
        raise ConfigTypeError(
            f"loss={loss!r} must be a function of (preds, batch), or a class that is made with the network; pass it "
            "from Python"
        )
    if transforms is not None and not (callable(transforms) or isinstance(transforms, list)):
        raise ConfigTypeError(
            f"transforms={transforms!r} must be a list of steps, or a function that changes the default list; pass "
            "it from Python"
        )
    if vars(args).get("augmentations"):
        args.augmentations = [_plain_step(step) for step in args.augmentations]
    teacher = args.distill_model
    if isinstance(teacher, nn.Module):
        teacher = _network_in(teacher)
        args.distill_model = getattr(teacher, "pt_path", None)
    else:
        teacher = None
    return GivenObjects(teacher, loss, transforms)


def _plain_step(step: Any) -> Any:  # Any: a transform of albumentations, or its description
    """The description of a step as plain data, which files can hold and worker processes restore."""
    if isinstance(step, dict):
        return step
    advice = "use named transforms of albumentations, or pass your own steps as transforms"
    if not hasattr(step, "to_dict"):
        raise ConfigTypeError(
            f"augmentations: {step!r} has no to_dict to describe it as plain data; {advice}"
        )
    try:
        return step.to_dict()
    except (NotImplementedError, ValueError) as error:  # of functions without a name
        raise ConfigTypeError(
            f"augmentations: {step!r} cannot be described as plain data ({error}); {advice}"
        ) from error


def _network_in(module: nn.Module) -> nn.Module:
    """The task network, which a facade holds as its `model`."""
    inner = getattr(module, "model", None)
    if isinstance(inner, nn.Sequential):
        return module
    if not isinstance(inner, nn.Module):
        raise ConfigValueError(f"distill_model: {type(module).__name__} holds no network")
    return inner


def check_resumed(point: ResumePoint | None, objects: GivenObjects) -> None:
    """Refuse to go on without an object that the run was made with.

    Raises:
        ResumeError: the text names the arguments to give again.
    """
    if point is None:
        return
    before = (point.exact or {}).get("objects", [])
    missing = [name for name in before if name not in objects.names]
    if missing:
        raise ResumeError(
            f"resume={point.path}: the run was made with objects that files do not hold; give them again: "
            + ", ".join(f"{name}=..." for name in missing)
        )
