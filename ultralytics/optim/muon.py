"""MuSGD: stochastic gradient descent plus an orthogonalised momentum step for matrix-shaped parameters.

The orthogonalisation is the quintic Newton-Schulz iteration of Muon (Jordan et al. 2024) in bfloat16. Convolution
kernels are treated as matrices of (output channels, everything else). Specification chapter 40, section 8.1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["MuSGD", "muon_update", "zeropower_via_newtonschulz5"]

# Coefficients of x -> a x + b x^3 + c x^5, five times: singular values in (0, 1] end near 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def zeropower_via_newtonschulz5(G: Tensor, eps: float = 1e-7) -> Tensor:
    """Nearest semi-orthogonal matrix, approximately.

    Args:
        G: (..., rows, columns); leading dimensions are a batch of independent matrices.
        eps: added to the Frobenius norm.

    Returns:
        bfloat16 tensor of the same shape whose singular values lie near 1.
    """
    a, b, c = QUINTIC
    x = G.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + eps)
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x


def _aspect_gain(shape: torch.Size) -> float:
    return max(1.0, shape[-2] / shape[-1]) ** 0.5


def muon_update(
    grad: Tensor | Sequence[Tensor],
    momentum: Tensor | Sequence[Tensor],
    beta: float = 0.95,
    nesterov: bool = True,
) -> Tensor | list[Tensor]:
    """Orthogonalised momentum direction of one gradient or of a list of gradients.

    Args:
        grad: gradient(s) with two or more dimensions; left alone.
        momentum: running mean(s) of the same shape(s), updated in place.
        beta: share of the old mean that is kept.
        nesterov: look one step ahead.

    Returns:
        The update(s) in the shape and dtype of the gradient(s).
    """
    if isinstance(grad, Tensor):
        (single,) = _directions([grad], [momentum], beta, nesterov)  # type: ignore[list-item]
        return single
    return _directions(list(grad), list(momentum), beta, nesterov)


def _directions(
    grads: list[Tensor], means: list[Tensor], beta: float, nesterov: bool
) -> list[Tensor]:
    torch._foreach_lerp_(means, grads, 1 - beta)
    ahead = torch._foreach_lerp(grads, means, beta) if nesterov else means
    by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    flat = [u.reshape(u.size(0), -1) for u in ahead]
    for position, matrix in enumerate(flat):
        by_shape[(matrix.size(0), matrix.size(1))].append(position)
    result: list[Tensor] = list(grads)
    for positions in by_shape.values():
        stacked = zeropower_via_newtonschulz5(torch.stack([flat[p] for p in positions]))
        for matrix, p in zip(stacked, positions, strict=True):
            update = matrix.to(grads[p].dtype).reshape(grads[p].shape)
            result[p] = update * _aspect_gain(grads[p].shape)
    return result


class MuSGD(torch.optim.Optimizer):
    """SGD with momentum; groups with `use_muon` take an extra orthogonalised step first.

    Args:
        params: parameters or groups. A group may set `use_muon`; all its parameters then need two or
            more dimensions.
        lr: learning rate of both parts.
        momentum: share of the old momentum that is kept, in both parts.
        weight_decay: L2 factor, applied in the SGD part only.
        nesterov: look one step ahead, in both parts.
        use_muon: default of the group key.
        muon: factor on the learning rate of the orthogonalised step.
        sgd: factor on the learning rate of the SGD step in `use_muon` groups.
    """

    def __init__(
        self,
        params: Iterable[Any],  # Any: tensors or group dictionaries, as torch takes them
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        use_muon: bool = False,
        muon: float = 0.5,
        sgd: float = 0.5,
    ) -> None:
        self.muon, self.sgd = muon, sgd
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "use_muon": use_muon,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(
        self, closure: Callable[[], Any] | None = None
    ) -> Any:  # Any: what the closure returns
        """Update every parameter that has a gradient; returns what the closure returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params]
            lr, buffer = group["lr"], "momentum_buffer"
            if group["use_muon"]:
                self._muon_step(group, params, grads)
                lr, buffer = lr * self.sgd, "momentum_buffer_SGD"
            self._sgd_step(group, params, grads, lr, buffer)
        return loss

    def _buffers(self, params: list[Tensor], name: str) -> list[Tensor]:
        for p in params:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in params]

    def _muon_step(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        means = self._buffers(params, "momentum_buffer")
        updates = _directions(grads, means, group["momentum"], group["nesterov"])
        torch._foreach_add_(params, updates, alpha=-group["lr"] * self.muon)

    def _sgd_step(
        self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor], lr: float, name: str
    ) -> None:
        if group["weight_decay"]:
            grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
        buffers = self._buffers(params, name)
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, grads)
        if group["nesterov"]:
            buffers = list(torch._foreach_add(grads, buffers, alpha=group["momentum"]))
        torch._foreach_add_(params, buffers, alpha=-lr)
