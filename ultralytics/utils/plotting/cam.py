"""Where a network looked: activation maps over a picture, and pictures of single feature maps.

Layer-CAM: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP 30, 2021,
equations 5-7.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ultralytics.utils.files import increment_path
from ultralytics.utils.logging import LOGGER

__all__ = ["class_activation_map", "feature_visualization"]

OVERLAY = 0.5  # share of the heat map
MAPS_PER_ROW = 8


def class_activation_map(
    model: nn.Module,
    im: Tensor,
    paths: Sequence[str | Path],
    save_dir: str | Path,
    *args: Any,
    conf: float = 0.25,
    classes: Sequence[int] | None = None,
    topk: int = 16,
    **kwargs: Any,
) -> Any:  # Any: the output of the network
    """Run a network, write one heat map per picture, and return the output without its gradients.

    Per picture the most confident predictions are traced back to the feature maps that enter the head; a map shows,
    per place, the strongest of them over all levels.

    Args:
        model: native network whose last layer is the head; its output holds (B, 4 + classes + ..., anchors),
            (B, rows, 6 or more) of an end-to-end head, (B, classes), or logits (B, classes, h, w).
        im: NCHW input, RGB 0-1; a leaf that may be asked for gradients.
        paths: of the pictures; files are called `<stem>_cam.jpg`.
        save_dir: where they are written.
        *args: passed to the network.
        conf: least confidence of a traced prediction; the best one is traced when none reaches it.
        classes: trace these classes only.
        topk: most predictions per picture.
        **kwargs: passed to the network.
    """
    entering: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        levels = inputs[0] if isinstance(inputs[0], (list, tuple)) else [inputs[0]]
        entering.extend(levels)
        return (
            [level.clone() for level in levels],
            *inputs[1:],
        )  # heads write into their input list

    layers: Any = model.model  # Any: a sequence of layers
    handle = layers[-1].register_forward_pre_hook(keep)
    try:
        with torch.enable_grad():
            output = model(im.requires_grad_(True), *args, **kwargs)
    finally:
        handle.remove()
    scores = _scores(
        output, len(getattr(model, "names", ())), bool(getattr(model, "end2end", False)), classes
    )
    heat = _heat(scores, entering, im.shape[2:], conf, topk)
    for picture, level, path in zip(im.detach(), heat, paths, strict=True):
        _write_overlay(picture, level, Path(save_dir) / f"{Path(path).stem}_cam.jpg")
    return _detached(output)


def _scores(output: Any, class_count: int, end2end: bool, classes: Sequence[int] | None) -> Tensor:
    """Confidence of every prediction, (B, predictions), still tied to the graph."""
    first = output
    while isinstance(
        first, (list, tuple)
    ):  # predictions may come with prototypes, and both with raw outputs
        first = first[0]
    if first.ndim == 4:  # logits of every pixel
        maps = first.softmax(dim=1) if first.shape[1] > 1 else first.sigmoid()
        return (maps if classes is None else maps[:, list(classes)]).amax(dim=1).flatten(1)
    if first.ndim == 2:  # one row of class probabilities per picture
        return first if classes is None else first[:, list(classes)]
    if end2end:
        scores, labels = first[..., 4], first[..., 5]
        if classes is None:
            return scores
        wanted = torch.isin(labels.detach(), torch.tensor(list(classes), device=labels.device))
        return scores * wanted
    rows = first[:, 4 : 4 + class_count] if class_count else first[:, 4:]
    return (rows if classes is None else rows[:, list(classes)]).amax(dim=1)


def _heat(
    scores: Tensor, levels: Sequence[Tensor], size_hw: Sequence[int], conf: float, topk: int
) -> Tensor:
    """Map per picture, (B, H, W) with values 0-1."""
    heat = torch.zeros(scores.shape[0], *size_hw, device=scores.device)
    best = scores.detach().topk(min(topk, scores.shape[1]), dim=1)
    for rank in range(best.indices.shape[1]):
        traced = (best.values[:, rank] > conf) | (rank == 0)
        if not traced.any():
            break
        chosen = scores.gather(1, best.indices[:, rank : rank + 1])[:, 0]
        gradients = torch.autograd.grad(
            (chosen * traced).sum(), levels, retain_graph=True, allow_unused=True
        )
        for level, gradient in zip(levels, gradients, strict=True):
            if gradient is not None:
                heat = torch.maximum(heat, _level_map(level.detach(), gradient, size_hw))
    return heat


def _level_map(activation: Tensor, gradient: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Positive gradients times activations, summed over channels, stretched to the input and scaled to 1."""
    weighted = (gradient.relu() * activation).sum(dim=1, keepdim=True).relu()
    grown = F.interpolate(weighted, size=tuple(size_hw), mode="bilinear", align_corners=False)[:, 0]
    return grown / grown.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def _write_overlay(picture: Tensor, level: Tensor, file: Path) -> None:
    import cv2

    rgb = (picture.permute(1, 2, 0) * 255).clamp(0, 255).to(torch.uint8).cpu().numpy()
    bgr = (
        np.ascontiguousarray(rgb[..., ::-1])
        if rgb.shape[2] == 3
        else np.repeat(rgb[..., :1], 3, axis=2)
    )
    heat = cv2.applyColorMap((level * 255).to(torch.uint8).cpu().numpy(), cv2.COLORMAP_JET)
    file.parent.mkdir(parents=True, exist_ok=True)
    target = increment_path(file)
    cv2.imwrite(str(target), cv2.addWeighted(bgr, 1 - OVERLAY, heat, OVERLAY, 0))
    LOGGER.info(f"Activation map saved to {target}")


def _detached(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.detach()
    if isinstance(output, dict):
        return {key: _detached(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return type(output)(_detached(value) for value in output)
    return output


def feature_visualization(
    x: Tensor,
    module_type: str,
    stage: int,
    n: int = 32,
    save_dir: str | Path = Path("runs/detect/exp"),
) -> None:
    """Write the first feature maps of the first picture as one PNG and as an array.

    Args:
        x: (B, C, H, W) output of a layer; maps of a single row or column and heads are skipped.
        module_type: dotted name of the layer's class.
        stage: number of the layer.
        n: most maps.
        save_dir: where `stage<stage>_<class>_features.png` and `.npy` are written.
    """
    name = module_type.rpartition(".")[2]
    heads = ("Detect", "Segment", "Pose", "Classify", "OBB", "RTDETRDecoder")
    if name in heads or not isinstance(x, Tensor) or min(x.shape[2:]) <= 1:
        return
    from matplotlib.figure import Figure

    maps = x[0, :n].detach().float().cpu().numpy()
    rows = -(-len(maps) // MAPS_PER_ROW)
    figure = Figure(figsize=(MAPS_PER_ROW, rows), tight_layout=True)
    for place, feature in enumerate(maps, 1):
        axes = figure.add_subplot(rows, MAPS_PER_ROW, place)
        axes.imshow(feature)
        axes.axis("off")
    target = Path(save_dir) / f"stage{stage}_{name}_features"
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target.with_suffix(".png"), dpi=300, bbox_inches="tight")
    np.save(target.with_suffix(".npy"), x[0].detach().cpu().numpy())
