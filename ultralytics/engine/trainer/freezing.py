"""Which parameters are held fixed during a run. Specification chapter 40, section 5."""

from __future__ import annotations

from typing import Any

from torch import nn

from ultralytics.errors import ConfigValueError
from ultralytics.utils.logging import LOGGER

__all__ = ["freeze"]

ALWAYS_FROZEN = ".dfl"  # the fixed projection of distribution-focal heads


def freeze(model: nn.Module, setting: int | list[int | str] | None) -> list[str]:
    """Stop the gradient of the chosen layers and allow it everywhere else.

    Args:
        model: network; `requires_grad` of its parameters is changed.
        setting: n for layers 0 to n-1, or a list of layer numbers and dotted names such as
            "23.cv2"; None freezes nothing but the fixed parts of the head.

    Returns:
        The name fragments that mark a frozen parameter.

    Raises:
        ConfigValueError: an entry matches no parameter, or nothing is left to train.
    """
    fragments = [f"model.{entry}." for entry in _entries(setting)]
    names = [name for name, _ in model.named_parameters()]
    for fragment in fragments:
        if not any(fragment in name for name in names):
            raise ConfigValueError(
                f"freeze={setting}: no parameter of the network has {fragment!r} in its name"
            )
    fragments.append(ALWAYS_FROZEN)
    for name, parameter in model.named_parameters():
        if any(fragment in name for fragment in fragments):
            if ALWAYS_FROZEN not in name:
                LOGGER.info(f"Freezing {name}")
            parameter.requires_grad = False
        elif not parameter.requires_grad and parameter.dtype.is_floating_point:
            LOGGER.warning(f"{name} was frozen and will be trained; name it in freeze to keep it")
            parameter.requires_grad = True
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigValueError(f"freeze={setting} leaves nothing to train")
    return fragments


def _entries(setting: Any) -> list[Any]:  # Any: what the user typed
    if setting is None:
        return []
    if isinstance(setting, bool) or not isinstance(setting, (int, list, tuple)):
        raise ConfigValueError(
            f"freeze={setting!r}: give a number of layers, or a list of layer numbers and names"
        )
    if isinstance(setting, int):
        if setting < 0:
            raise ConfigValueError(f"freeze={setting}: the number of layers cannot be negative")
        return list(range(setting))
    return list(setting)
