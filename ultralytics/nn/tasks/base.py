"""What every task model shares: the forward walk, weight transfer, folding, facts.

A model is a sequence of rows (`model`), each reading earlier outputs by number (`f`); outputs still needed are listed
in `save`. Objects read from checkpoints never ran a constructor, so methods rely on stored attributes only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ultralytics.nn.modules import Conv, Conv2, ConvTranspose, Detect, RepConv, RepVGGDW
from ultralytics.nn.tasks.transfer import transfer_weights
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.fusion import fuse_conv_and_bn, fuse_deconv_and_bn
from ultralytics.utils.torch_utils.info import Info, count_macs, model_info
from ultralytics.utils.torch_utils.precision import prefers_channels_last

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseModel"]

Batch = dict[str, Any]  # Any: image tensor, labels and paths by key
Call = Callable[[nn.Module, Any], Any]  # Any: what goes into a row and comes out
PROFILE_RUNS = 10
FOLDED = (Conv, ConvTranspose, RepConv, RepVGGDW)
HEAD_TENSORS = ("stride", "anchors", "strides")  # unless a head names its own in `moved_tensors`


class BaseModel(nn.Module):
    """A network built from a model file.

    Attributes:
        model: the rows; the last one is the head.
        save: numbers of rows whose outputs are kept during a forward pass.
        yaml: content of the model file.
        names: class number -> class name.
        stride: pixels per cell of each output level.
    """

    model: nn.Sequential
    save: list[int]
    yaml: dict[str, Any]
    names: dict[int, str]
    stride: Tensor

    @classmethod
    def suited_to(cls, content: Mapping[str, Any]) -> type[BaseModel]:  # Any: of a model file
        """The class that builds a model file; tasks with several kinds of heads choose by its content."""
        return cls

    def forward(
        self, x: Tensor | Batch, *args: Any, **kwargs: Any
    ) -> Any:  # Any: see predict, loss
        """`loss` for a batch dictionary, `predict` for an image tensor."""
        if isinstance(x, dict):
            return self.loss(x, *args, **kwargs)
        return self.predict(x, *args, **kwargs)

    def predict(
        self,
        x: Tensor,
        profile: bool = False,
        augment: bool = False,
        embed: Sequence[int] | None = None,
    ) -> Any:  # Any: whatever the head returns
        """Run the network.

        Args:
            x: (B, C, H, W) images in [0, 1].
            profile: log time and size of every row.
            augment: average over scales and flips where the task supports it.
            embed: row numbers; instead of predictions, one vector per image of their pooled outputs.
        """
        if augment:
            return self._predict_augment(x)
        return self._predict_once(x, profile, embed)

    def _predict_once(
        self,
        x: Any,
        profile: bool = False,
        embed: Sequence[int] | None = None,
        call: Call | None = None,
    ) -> Any:  # Any: tensors and lists of tensors between rows
        """Walk the rows; `call` runs one, for networks whose rows take more than the outputs of other rows."""
        call = call or self._caller(x)
        wanted = frozenset(embed or ())
        last = max(wanted, default=-1)
        kept: list[Any] = []
        pooled: list[Tensor] = []
        for row in self.model:
            if row.f != -1:
                x = _gather(row.f, x, kept)
            if profile:
                self._profile_row(row, x, call)
            x = call(row, x)
            kept.append(x if row.i in self.save else None)
            if row.i in wanted:
                pooled.append(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))
                if row.i == last:
                    return torch.unbind(torch.cat(pooled, dim=1), dim=0)
        return x

    def _caller(self, x: Any) -> Call:  # Any: input of the network
        """How rows are called for an input when nothing else was given with it."""
        return _call

    def _predict_augment(self, x: Tensor) -> Any:  # Any: as predict
        LOGGER.warning(f"{type(self).__name__} has no augmented inference; running at one scale.")
        return self._predict_once(x)

    def _profile_row(self, row: nn.Module, x: Any, call: Call) -> None:  # Any: input of a row
        from ultralytics.utils.torch_utils.device import time_sync

        def run(row: nn.Module, x: Any) -> Any:  # Any: as above; rows may change a list
            return call(row, list(x) if isinstance(x, list) else x)

        gflops = 2 * count_macs(row, x, run) / 1e9
        start = time_sync()
        for _ in range(PROFILE_RUNS):
            run(row, x)
        took_ms = (time_sync() - start) * 1e3 / PROFILE_RUNS
        LOGGER.info(f"{took_ms:10.2f} ms {gflops:10.3f} GFLOPs {row.np:10d} parameters  {row.type}")

    def loss(self, batch: Batch, preds: Any = None) -> tuple[Tensor, Any]:  # Any: raw predictions
        """Loss of a batch, scaled by its size, and its detached parts.

        Args:
            batch: must hold "img" (B, C, H, W) in [0, 1] and the labels of the task.
            preds: raw predictions; computed when absent.
        """
        if getattr(self, "criterion", None) is None:
            self.criterion = self.init_criterion()
        if preds is None:
            preds = self.predict(batch["img"])
        return self.criterion(preds, batch)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """The loss object of the task."""
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def load(
        self, weights: nn.Module | Mapping[str, Any], verbose: bool = True
    ) -> None:  # Any: content of a checkpoint
        """Take over weights that fit from another model or a checkpoint.

        Class rows follow class names; a first convolution with other channel counts is cut or summed to fit. The
        source is converted to float32.
        """
        source = (
            weights if isinstance(weights, nn.Module) else weights.get("ema") or weights["model"]
        )
        transfer_weights(self, source, verbose)

    def fuse(self, verbose: bool = True, imgsz: int | Sequence[int] = 640) -> Self:
        """Fold normalisation and parallel kernels into single convolutions, in place, for inference.

        Heads with two branches lose the one that `end2end` does not select. Weights take the memory layout in which
        their device computes fastest.
        """
        if not self.is_fused():
            for module in list(self.modules()):
                _fuse_module(module)
            _overwrite_inputs(self)
            if prefers_channels_last(next(self.parameters(), torch.empty(0)).device):
                self.to(memory_format=torch.channels_last)
        self.info(verbose=verbose, imgsz=imgsz)
        return self

    def is_fused(self) -> bool:
        """Whether `fuse` has nothing left to do."""
        return not any(_has_parts_to_fuse(module) for module in self.modules())

    def info(
        self, detailed: bool = False, verbose: bool = True, imgsz: int | Sequence[int] = 640
    ) -> Info | None:
        """Log and return (layers, parameters, gradients, GFLOPs); None when not `verbose`."""
        return model_info(self, detailed=detailed, verbose=verbose, imgsz=imgsz)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves and conversions also reach the head's plain tensors."""
        super()._apply(fn, recurse)
        head = self.model[-1]
        for name in getattr(head, "moved_tensors", HEAD_TENSORS):
            if isinstance(value := vars(head).get(name), Tensor):
                setattr(head, name, fn(value))
        return self

    @property
    def end2end(self) -> bool:
        """Whether inference decodes the branch that needs no suppression."""
        return bool(getattr(self.model[-1], "end2end", False))

    @end2end.setter
    def end2end(self, value: bool) -> None:
        if isinstance(self.model[-1], Detect):
            self.model[-1].end2end = value


def _overwrite_inputs(model: nn.Module) -> None:
    """Let activations write over the outputs of folded convolutions, which nothing else reads.

    The activation of a network may be the default one of all networks, so a copy is changed.
    """
    quick: dict[nn.Module, nn.Module] = {}
    for module in list(model.modules()):
        act = module._modules.get("act")
        if isinstance(module, FOLDED) and act is not None and hasattr(act, "inplace"):
            if act not in quick:
                quick[act] = copy(act)
                quick[act].inplace = True  # type: ignore[assignment]
            module.act = quick[act]


def _call(row: nn.Module, x: Any) -> Any:  # Any: as Call
    return row(x)


def _gather(source: Any, x: Any, kept: Sequence[Any]) -> Any:
    """Inputs of a row from the outputs so far; -1 is the row before."""
    if isinstance(source, int):
        return kept[source]
    return [x if j == -1 else kept[j] for j in source]


def _has_parts_to_fuse(module: nn.Module) -> bool:
    if isinstance(module, (Conv, ConvTranspose)):
        return isinstance(module._modules.get("bn"), nn.BatchNorm2d)
    if isinstance(module, (RepConv, RepVGGDW)):
        return "conv1" in module._modules
    return bool(getattr(module, "has_training_parts", False))


def _fuse_module(module: nn.Module) -> None:
    """Fold one layer; the instance's `forward` then points at the short form, as stored models expect."""
    if not _has_parts_to_fuse(module):
        if isinstance(module, ConvTranspose) and "bn" in module._modules:
            del module.bn
            module.forward = module.forward_fuse  # type: ignore[method-assign]
        return
    if isinstance(module, Conv2):
        module.fuse_convs()
    if isinstance(module, Conv):
        module.conv = fuse_conv_and_bn(module.conv, module.bn)
        del module.bn
        module.forward = module.forward_fuse  # type: ignore[method-assign]
    elif isinstance(module, ConvTranspose):
        fuse_deconv_and_bn(module.conv_transpose, cast("nn.BatchNorm2d", module.bn))
        del module.bn
        module.forward = module.forward_fuse  # type: ignore[method-assign]
    elif isinstance(module, RepConv):
        module.fuse_convs()
        module.forward = module.forward_fuse  # type: ignore[method-assign]
    elif isinstance(module, RepVGGDW):
        module.fuse()
        module.forward = module.forward_fuse  # type: ignore[method-assign]
    else:  # a head with parts that only training uses
        module.fuse()  # type: ignore[operator]
