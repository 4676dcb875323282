"""Which optimiser, which groups, which rates.

Parameters fall into weight (decayed), bn and bias (not decayed) groups; MuSGD sends matrices and kernels to muon
groups and gives the class branch of the head three times the rate. Specification chapter 40, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ultralytics.engine.trainer.layer_rates import by_layer
from ultralytics.errors import NotAvailable, nearest
from ultralytics.optim import MuSGD
from ultralytics.utils.torch_utils.wrapping import unwrap_model, unwrap_parallel

__all__ = ["OPTIMIZERS", "AutoChoice", "ParameterGroups", "choose_automatically", "make_optimizer"]

ADAM_FAMILY = ("Adam", "Adamax", "AdamW", "NAdam", "RAdam")
OPTIMIZERS = (*ADAM_FAMILY, "RMSProp", "SGD", "MuSGD", "auto")
LONG_RUN = 10_000  # iterations above which the automatic rule takes MuSGD
BOOST = 3.0  # learning-rate factor of the class branch under MuSGD
BOOSTED_BRANCHES = ("cv3", "one2one_cv3")
NORM_TYPES = tuple(c for n, c in vars(nn).items() if "Norm" in n and isinstance(c, type))


@dataclass
class ParameterGroups:
    """Parameters of a network by role, in traversal order, with their full names."""

    weight: dict[str, nn.Parameter] = field(default_factory=dict)
    bn: dict[str, nn.Parameter] = field(default_factory=dict)
    bias: dict[str, nn.Parameter] = field(default_factory=dict)
    muon: dict[str, nn.Parameter] = field(default_factory=dict)

    @classmethod
    def of(cls, model: nn.Module, muon: bool = False) -> ParameterGroups:
        """Sort the parameters of a network; with `muon`, tensors of 2 or 4 dimensions apart."""
        groups = cls()
        for prefix, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                full = f"{prefix}.{name}" if prefix else name
                if muon and parameter.ndim in (2, 4):
                    groups.muon[full] = parameter
                elif "bias" in full:
                    groups.bias[full] = parameter
                elif isinstance(module, NORM_TYPES) or "logit_scale" in full:
                    groups.bn[full] = parameter
                else:
                    groups.weight[full] = parameter
        return groups


@dataclass(frozen=True)
class AutoChoice:
    """Outcome of `optimizer=auto`."""

    name: str
    lr: float
    momentum: float


def choose_automatically(iterations: float, classes: int) -> AutoChoice:
    """The automatic rule: MuSGD for long runs, otherwise AdamW with a rate fit to the class count."""
    if iterations > LONG_RUN:
        return AutoChoice("MuSGD", 0.01, 0.9)
    return AutoChoice("AdamW", round(0.002 * 5 / (4 + classes), 6), 0.9)


def canonical_name(name: str) -> str:
    """Spelling of an optimiser name, whatever its letter case.

    Raises:
        NotAvailable: no such optimiser.
    """
    by_lower = {known.lower(): known for known in OPTIMIZERS}
    try:
        return by_lower[str(name).lower()]
    except KeyError:
        raise NotAvailable(
            f"no optimizer {name!r}{nearest(str(name), OPTIMIZERS)}; choose one of: "
            + ", ".join(OPTIMIZERS)
        ) from None


def make_optimizer(
    model: nn.Module,
    name: str,
    lr: float,
    momentum: float,
    decay: float,
    layer_decay: float = 1.0,
) -> torch.optim.Optimizer:
    """Build an optimiser over the groups of a network.

    Args:
        model: network; wrappers are taken off.
        name: one of `OPTIMIZERS` except auto, in any letter case.
        lr: learning rate.
        momentum: momentum, or the first beta of the Adam family.
        decay: weight decay of the weight and muon groups.
        layer_decay: factor of the rate from each layer to the one before it, see `layer_rates`.
    """
    model = unwrap_parallel(model)
    name = canonical_name(name)
    if name == "MuSGD":
        groups = by_layer(_musgd_groups(model, lr, momentum, decay), model, lr, layer_decay)
        return MuSGD(groups, lr=lr, momentum=momentum, nesterov=True, muon=0.2, sgd=1.0)
    sorted_ = ParameterGroups.of(model)
    options: dict[str, Any]  # Any: keyword arguments of the torch class
    if name in ADAM_FAMILY:
        options = {"lr": lr, "betas": (momentum, 0.999), "weight_decay": 0.0}
    elif name == "RMSProp":
        options = {"lr": lr, "momentum": momentum}
    else:
        options = {"lr": lr, "momentum": momentum, "nesterov": True}
    if name in ("Adam", "AdamW", "SGD") and next(model.parameters()).device.type == "cuda":
        options["fused"] = True
    groups = [
        {"params": list(sorted_.weight.values()), "weight_decay": decay, "param_group": "weight"},
        {"params": list(sorted_.bn.values()), "weight_decay": 0.0, "param_group": "bn"},
        {"params": list(sorted_.bias.values()), "weight_decay": 0.0, "param_group": "bias"},
    ]
    kind = getattr(torch.optim, "RMSprop" if name == "RMSProp" else name)
    made: torch.optim.Optimizer = kind(by_layer(groups, model, lr, layer_decay), **options)
    return made


def _musgd_groups(
    model: nn.Module, lr: float, momentum: float, decay: float
) -> list[dict[str, Any]]:
    """Eight groups: a boosted and a normal one for each of weight, bn, bias and muon."""
    sorted_ = ParameterGroups.of(model, muon=True)
    groups = []
    for role, weight_decay in (("weight", decay), ("bn", 0.0), ("bias", 0.0), ("muon", decay)):
        members: dict[str, nn.Parameter] = getattr(sorted_, role)
        boosted = {name for name in members if _is_boosted(name, model)}
        for factor, names in ((BOOST, boosted), (1.0, members.keys() - boosted)):
            groups.append(
                {
                    "params": [p for n, p in members.items() if n in names],
                    "lr": lr * factor,
                    "momentum": momentum,
                    "nesterov": True,
                    "weight_decay": weight_decay,
                    "param_group": role,
                    "use_muon": role == "muon",
                }
            )
    return groups


def _is_boosted(name: str, model: nn.Module) -> bool:
    name, model = name.removeprefix("student_model."), unwrap_model(model)
    layers = getattr(model, "model", None)
    last = len(layers) - 1 if isinstance(layers, nn.Sequential) else 0
    in_class_branch = name.startswith(tuple(f"model.{last}.{b}." for b in BOOSTED_BRANCHES))
    return in_class_branch or "proto.semseg" in name
