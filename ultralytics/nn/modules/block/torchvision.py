"""Networks of torchvision as one layer of a model file."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["TorchVision"]


class TorchVision(nn.Module):
    """A network of torchvision, as a whole or as the sequence of its parts.

    Its weights start at random; "DEFAULT" or the name of published weights fetches those, once, into torch's
    cache.

    Args:
        model: name in `torchvision.models`.
        weights: name of published weights, or None.
        unwrap: take the children of the network one by one; those of a leading container are taken out of it.
        truncate: how many of the last children to leave out.
        split: return the input and the output of every child as a list.
    """

    def __init__(
        self,
        model: str,
        weights: str | None = None,
        unwrap: bool = True,
        truncate: int = 2,
        split: bool = False,
    ) -> None:
        from torchvision.models import get_model

        super().__init__()
        network: Any = get_model(model, weights=weights)  # Any: torchvision is untyped
        self.split = False
        if not unwrap:
            network.head = network.heads = nn.Identity()
            self.m: nn.Module = network
            return
        parts = list(network.children())
        if isinstance(parts[0], nn.Sequential):
            parts = [*parts[0].children(), *parts[1:]]
        self.m = nn.Sequential(*(parts[:-truncate] if truncate else parts))
        self.split = split

    def forward(self, x: Tensor) -> Any:  # Any: a tensor, or a list of them with `split`
        if not self.split:
            return self.m(x)
        outputs = [x]
        for part in self.m:  # type: ignore[attr-defined]  # split implies a sequence
            outputs.append(part(outputs[-1]))
        return outputs
