"""Starting a network from the weights of another (specification chapter 10, section 4.3).

The destination is changed in place. Names decide which class rows go where; shapes decide everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules import Detect
from ultralytics.nn.modules.head.detect import CLASS_BRANCHES
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.initial import intersect_dicts

__all__ = ["adopt_class_width", "class_widths", "transfer_weights"]

FIRST_CONV = "model.0.conv.weight"

State = dict[str, Tensor]
Net = Any  # Any: a task model, or a wrapper of a checkpoint that looks like one


def transfer_weights(target: Net, source: Net, verbose: bool = True) -> None:
    """Copy what fits from `source` (converted to float32) into `target`."""
    source = source.float()
    adopt_class_width(target, source)
    stored: State = dict(source.state_dict())
    total = len(stored)
    remapped = _remap_classes(target, source, stored)
    own: State = target.state_dict()
    fitting = intersect_dicts(stored, own)
    target.load_state_dict(fitting, strict=False)
    moved = len(fitting) + _first_convolution(own, stored, fitting)
    if moved == len(own) and not remapped:
        _adopt_names(target, source)
    target.pt_path = getattr(source, "pt_path", None)
    if verbose:
        _report(target, source, moved + remapped, total, len(own))


def _report(target: Net, source: Net, moved: int, stored: int, own: int) -> None:
    LOGGER.info(f"Transferred {moved}/{own} items from pretrained weights")
    if _fused(source) and not _fused(target):
        LOGGER.warning(
            "the pretrained weights are fused, so their normalisation layers start from scratch; "
            f"{stored} stored items were compared with {own}."
        )


def _fused(model: Net) -> bool:
    test = getattr(model, "is_fused", None)
    return bool(test()) if callable(test) else False


def adopt_class_width(target: Net, source: Net) -> None:
    """Give class branches the source's hidden width where it differs only because the class count does."""
    ours, theirs = target.model[-1], source.model[-1]
    if not (isinstance(ours, Detect) and isinstance(theirs, Detect)):
        return
    if _fused(target) or _fused(source) or _input_widths(ours) != _input_widths(theirs):
        return
    changed = False
    for name in CLASS_BRANCHES:
        mine, other = getattr(ours, name, None), getattr(theirs, name, None)
        if mine is None or other is None or not _ends_in_conv(mine, other):
            continue
        pairs: Any = zip(mine, other, strict=True)  # Any: sequences of layers that are indexed
        for level, (branch, template) in enumerate(pairs):
            if branch[-1].in_channels != template[-1].in_channels:
                mine[level] = _with_outputs(template, branch)
                changed = True
    if changed:
        ours.bias_init()


def class_widths(shapes: Mapping[str, tuple[int, ...]], head: int) -> list[int]:
    """Hidden channels of every class branch, from the shapes of a state; `head` is the row of the head."""
    pattern = re.compile(rf"model\.{head}\.({'|'.join(CLASS_BRANCHES)})\.\d+\.2\.weight")
    return [shape[1] for name, shape in sorted(shapes.items()) if pattern.fullmatch(name)]


def _input_widths(head: Detect) -> list[int]:
    """Channels each level of the box branch takes in."""
    return [int(next(level.parameters()).shape[1]) for level in head.cv2 or ()]


def _ends_in_conv(*branches: Any) -> bool:  # Any: lists of sequences of layers
    return all(isinstance(level[-1], nn.Conv2d) for branch in branches for level in branch)


def _with_outputs(template: Net, branch: Net) -> nn.Sequential:
    """The template branch with a fresh last convolution of the own branch's class count."""
    old = branch[-1]
    like = old.weight
    made: nn.Sequential = deepcopy(template)
    made[-1] = nn.Conv2d(
        template[-1].in_channels,
        old.out_channels,
        old.kernel_size,
        bias=old.bias is not None,
    )
    made.to(device=like.device, dtype=like.dtype).train(branch.training)
    flags = next(branch.parameters()).requires_grad
    for parameter in made.parameters():
        parameter.requires_grad_(flags)
    return made


# class rows by name


def _remap_classes(target: Net, source: Net, stored: State) -> int:
    """Copy class rows by class name; the keys so treated leave `stored`. Returns how many keys there were."""
    pairs = _matching_rows(getattr(target, "names", None), getattr(source, "names", None))
    if pairs is None:
        return 0
    rows, from_rows = pairs
    own = target.state_dict()
    done = 0
    for key in _class_keys(target):
        if key not in stored or key not in own:
            continue
        mine, theirs = own[key], stored[key]
        if mine.shape[1:] != theirs.shape[1:] or mine.shape[0] != len(target.names):
            continue
        with torch.no_grad():
            mine[rows] = theirs[from_rows].to(mine)
        del stored[key]
        done += 1
    if done:
        LOGGER.info(f"Matched {len(rows)}/{len(target.names)} classes by name")
    return done


def _matching_rows(ours: Any, theirs: Any) -> tuple[list[int], list[int]] | None:
    """Positions of equal names in both; None when names say nothing or nothing has to move."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return None
    if _placeholder(ours) or _placeholder(theirs):
        return None
    mine, other = _tidy(ours), _tidy(theirs)
    if mine == other:
        return None
    place = {name: index for index, name in reversed(list(enumerate(other)))}
    rows = [index for index, name in enumerate(mine) if name in place]
    return (rows, [place[mine[index]] for index in rows]) if rows else None


def _tidy(names: dict[int, str]) -> list[str]:
    return [str(name).strip().lower() for name in names.values()]


def _placeholder(names: dict[int, str]) -> bool:
    return all(str(name) == str(index) for index, name in names.items())


def _class_keys(model: Net) -> list[str]:
    """State keys whose first dimension is the class."""
    prefix = f"model.{len(model.model) - 1}"
    names = getattr(model.model[-1], "class_layers", ())
    return [f"{prefix}.{name}.{kind}" for name in names for kind in ("weight", "bias")]


def _first_convolution(own: State, stored: State, fitting: State) -> int:
    """Fit a first convolution with other channel counts: copy the common block, or sum the input channels."""
    if FIRST_CONV in fitting or FIRST_CONV not in own or FIRST_CONV not in stored:
        return 0
    mine, theirs = own[FIRST_CONV], stored[FIRST_CONV]
    if mine.shape[2:] != theirs.shape[2:]:
        return 0
    outputs, inputs = min(mine.shape[0], theirs.shape[0]), min(mine.shape[1], theirs.shape[1])
    block = theirs[:outputs].sum(1, keepdim=True) if inputs == 1 else theirs[:outputs, :inputs]
    with torch.no_grad():
        mine[:outputs, :inputs] = block.to(mine)
    return 1


def _adopt_names(target: Net, source: Net) -> None:
    names, theirs = getattr(target, "names", None), getattr(source, "names", None)
    if hasattr(target, "set_classes") or not isinstance(names, dict) or not theirs:
        return
    if _placeholder(names) and len(theirs) == len(names):
        target.names = theirs
