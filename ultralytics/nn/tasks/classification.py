"""Networks that classify whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigValueError
from ultralytics.nn import tasks
from ultralytics.nn.modules import Classify
from ultralytics.nn.tasks.base import BaseModel, Batch
from ultralytics.utils.logging import LOGGER

__all__ = ["ClassificationModel"]


class ClassificationModel(BaseModel):
    """Classification network of any generation.

    Normalisation layers keep torch's constants (eps 1e-5, momentum 0.1), other than in detection networks.

    Args:
        cfg: name or path of a model file, or its content (used in place).
        ch: input channels, unless the file says `channels`.
        nc: classes, when other than the file's.
        verbose: log the rows and a summary.

    Raises:
        ConfigValueError: neither the file nor `nc` says how many classes there are.
    """

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-cls.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        self.yaml = cfg if isinstance(cfg, dict) else tasks.yaml_model_load(cfg)
        ch = self.yaml["channels"] = self.yaml.get("channels", ch)
        if nc and nc != self.yaml.get("nc"):
            LOGGER.info(f"Overriding model.yaml nc={self.yaml.get('nc')} with nc={nc}")
            self.yaml["nc"] = nc
        if not self.yaml.get("nc"):
            raise ConfigValueError("the number of classes is not known; set nc in the model file")
        # called through the package, where users replace it
        self.model, self.save = tasks.parse_model(deepcopy(self.yaml), ch=ch, verbose=verbose)
        self.stride = torch.Tensor([1])
        self.names = {i: f"{i}" for i in range(self.yaml["nc"])}
        if verbose:
            self.info()
            LOGGER.info("")

    @staticmethod
    def reshape_outputs(model: nn.Module, nc: int) -> None:
        """Give a network `nc` outputs: its last linear layer is made anew where the count differs.

        Args:
            model: network of this library, or one of torchvision; changed in place.
            nc: number of classes.
        """
        rows = getattr(model, "model", model)
        name, last = list(rows.named_children())[-1]
        if isinstance(last, Classify):
            if last.linear.out_features != nc:
                last.linear = nn.Linear(last.linear.in_features, nc)
        elif isinstance(last, nn.Linear):
            if last.out_features != nc:
                setattr(rows, name, nn.Linear(last.in_features, nc))
        elif isinstance(last, nn.Sequential):
            _reshape_sequence(last, nc)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Cross-entropy."""
        from ultralytics.utils.loss import v8ClassificationLoss

        return v8ClassificationLoss()


def _reshape_sequence(layers: nn.Sequential, nc: int) -> None:
    """Renew the last linear layer or, where there is none, the last convolution."""
    linear = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    places = linear or [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    if not places:
        return
    old: Any = layers[places[-1]]  # Any: either kind of layer
    if linear and old.out_features != nc:
        layers[places[-1]] = nn.Linear(old.in_features, nc)
    elif not linear and old.out_channels != nc:
        kernel, stride, bias = old.kernel_size, old.stride, old.bias is not None
        layers[places[-1]] = nn.Conv2d(old.in_channels, nc, kernel, stride, bias=bias)
