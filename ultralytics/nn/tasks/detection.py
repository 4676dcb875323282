"""Box detection networks."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn import tasks
from ultralytics.nn.modules import Detect
from ultralytics.nn.tasks.base import BaseModel, Batch, Call
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.initial import initialize_weights, scale_img

__all__ = ["DetectionModel"]

PROBE_HEIGHT = 256  # px, of the image used to measure strides
PROBE_WIDTHS = (32, 256)  # px; the narrow image costs an eighth, the square one suits every layer
DEFAULT_STRIDE = 32.0
AUGMENTED_SCALES = (1.0, 0.83, 0.67)
AUGMENTED_FLIPS = (False, True, False)


class DetectionModel(BaseModel):
    """Detection network of any generation.

    Args:
        cfg: name or path of a model file, or its content (used in place).
        ch: input channels.
        nc: classes, when other than the file's.
        verbose: log the rows and a summary.
    """

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        self.yaml = cfg if isinstance(cfg, dict) else tasks.yaml_model_load(cfg)
        _replace_silence(self.yaml)
        self.yaml["channels"] = ch
        if nc and nc != self.yaml["nc"]:
            LOGGER.info(f"Overriding model.yaml nc={self.yaml['nc']} with nc={nc}")
            self.yaml["nc"] = nc
        # called through the package, where users replace it
        self.model, self.save = tasks.parse_model(deepcopy(self.yaml), ch=ch, verbose=verbose)
        self.names = {i: f"{i}" for i in range(self.yaml["nc"])}
        self.inplace = self.yaml.get("inplace", True)
        self._measure_strides(ch)
        initialize_weights(self)
        if verbose:
            self.info()
            LOGGER.info("")

    def _measure_strides(self, ch: int) -> None:
        """Run a blank image to learn the size of every map the head gets, then set the head's initial biases."""
        head = self.model[-1]
        if not isinstance(head, Detect):
            self.stride = torch.tensor([DEFAULT_STRIDE], device="cpu")
            return
        head.inplace = self.inplace
        self.eval()  # normalisation keeps its initial statistics
        levels = self._run_blank(ch, head)
        strides = [PROBE_HEIGHT / level.shape[-2] for level in levels]
        # on the CPU, so that it is known even when the network is built without memory
        self.stride = torch.tensor(strides, device="cpu")
        head.stride = self.stride
        self.train()
        head.bias_init()

    @torch.no_grad()
    def _run_blank(self, ch: int, until: nn.Module | None = None) -> Any:  # Any: between rows
        """Output for a blank image of `PROBE_HEIGHT` rows, or what goes into the last row when that is given."""
        for width in PROBE_WIDTHS:
            blank = torch.zeros(1, ch, PROBE_HEIGHT, width)
            try:
                return self._predict_once(blank, call=_calls_until(until, self._caller(blank)))
            except RuntimeError:  # a layer that cannot split so few columns
                if width == PROBE_WIDTHS[-1]:
                    raise
        return None

    def set_head_attr(self, **kwargs: Any) -> None:  # Any: values of head attributes
        """Set attributes the head has; others are reported."""
        head = self.model[-1]
        for name, value in kwargs.items():
            if hasattr(head, name):
                setattr(head, name, value)
            else:
                LOGGER.warning(f"Head has no attribute '{name}'.")

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Loss on one branch, or on both for heads that have two."""
        from ultralytics.utils.loss import E2ELoss, v8DetectionLoss

        dual = getattr(self.model[-1], "one2one_cv2", None) is not None
        return E2ELoss(self) if dual else v8DetectionLoss(self)

    # augmented inference

    def _predict_augment(self, x: Tensor) -> tuple[Tensor, None]:
        """Predictions at three scales, one of them mirrored, joined along the anchors."""
        if self.end2end or type(self.model[-1]) is not Detect:
            LOGGER.warning("this model has no augmented inference; running at one scale.")
            return self._predict_once(x)
        largest = int(self.stride.max())
        parts = []
        for scale, mirrored in zip(AUGMENTED_SCALES, AUGMENTED_FLIPS, strict=True):
            view = scale_img(x.flip(3) if mirrored else x, scale, gs=largest)
            y = self._predict_once(view)[0]
            parts.append(_undo(y, scale, x.shape[-1] if mirrored else None))
        return torch.cat(self._clip_augmented(parts), dim=-1), None

    def _clip_augmented(self, parts: list[Tensor]) -> list[Tensor]:
        """Drop the coarsest level of the largest view and the finest of the smallest."""
        levels = int(self.model[-1].nl)  # type: ignore[arg-type]
        cells = sum(4**i for i in range(levels))
        coarse = parts[0].shape[-1] // cells
        fine = parts[-1].shape[-1] // cells * 4 ** (levels - 1)
        parts[0] = parts[0][..., : parts[0].shape[-1] - coarse]
        parts[-1] = parts[-1][..., fine:]
        return parts


def _calls_until(last: nn.Module | None, call: Call) -> Call:
    """Run rows as `call` does, but give back what would go into the last one."""
    return lambda row, x: x if row is last else call(row, x)


def _undo(y: Tensor, scale: float, mirror_width: int | None) -> Tensor:
    """Boxes (xywh pixels, first four rows) of a scaled and perhaps mirrored view, in the original image."""
    x, rest = (y[:, :4] / scale).split((1, 3), dim=1)
    if mirror_width is not None:
        x = mirror_width - x
    return torch.cat((x, rest, y[:, 4:]), dim=1)


def _replace_silence(content: dict[str, Any]) -> None:
    """Early YOLOv9 files start with a layer that passes the image on."""
    first = content["backbone"][0]
    if first[2] == "Silence":
        LOGGER.warning("the layer 'Silence' of this model file is replaced by nn.Identity.")
        first[2] = "nn.Identity"
