"""Confusion matrix: which class was predicted for which true class, with background for misses and false alarms.

Rows are predictions, columns truth. Detection tasks have one more row and column, the background.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ultralytics.registry import has_background
from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.average_precision import Floats

__all__ = ["ConfusionMatrix"]

_OBB_COLUMNS = 5


class ConfusionMatrix(DataExportMixin):
    """Counts of predicted against true classes.

    Args:
        names: class names by number.
        task: decides whether there is a row and a column of background.
        save_matches: keep which boxes of the last image were found, missed or false, for
            `plot_matches`; a box of the wrong class is false, and its target missed.
    """

    def __init__(
        self,
        names: Mapping[int, str] | None = None,
        task: str = "detect",
        save_matches: bool = False,
    ) -> None:
        self.names = {} if names is None else names
        self.task = task
        self.nc = len(self.names)
        self._has_background = has_background(task)
        side = self.nc + self._has_background
        self.matrix: Floats = np.zeros((side, side))
        # "GT", "TP", "FP", "FN" -> the boxes, classes and confidences to draw
        self.matches: dict[str, dict[str, Tensor]] | None = {} if save_matches else None

    def process_cls_preds(self, preds: list[Tensor], targets: list[Tensor]) -> None:
        """Count classified images; the first column of each prediction is the best guess."""
        guess = torch.cat(preds)[:, 0].cpu().numpy()
        truth = torch.cat(targets).cpu().numpy()
        np.add.at(self.matrix, (guess.astype(int), truth.astype(int)), 1)

    def process_batch(
        self,
        detections: dict[str, Tensor],
        batch: dict[str, Any],  # tensors and the facts of one image
        conf: float = 0.25,
        iou_thres: float = 0.45,
    ) -> None:
        """Count one image.

        In order of falling confidence (ties keep their order) every detection above `conf` claims the target it
        overlaps most among those still free, whatever the classes, if the overlap exceeds `iou_thres`.

        Args:
            detections: bboxes (N, 4) xyxy or (N, 5) xywhr, conf and cls (N,).
            batch: bboxes (M, 4) or (M, 5) and cls (M,) of the targets, in the same pixels.
            conf: detections must exceed it.
            iou_thres: overlaps must exceed it.
        """
        kept = torch.nonzero(detections["conf"].reshape(-1) > conf).reshape(-1)
        ranking = detections["conf"].reshape(-1)[kept].argsort(descending=True, stable=True)
        kept = kept[ranking]
        found = detections["cls"].reshape(-1)[kept].cpu().numpy().astype(int)
        truth = batch["cls"].reshape(-1).cpu().numpy().astype(int)
        claimed = np.full(len(truth), -1)
        if len(found) and len(truth):
            claimed = _claim(_overlaps(batch["bboxes"], detections["bboxes"][kept]), iou_thres)
        hit = claimed >= 0
        false = np.setdiff1d(np.arange(len(found)), claimed)
        np.add.at(self.matrix, (found[claimed[hit]], truth[hit]), 1)
        np.add.at(self.matrix, (self.nc, truth[~hit]), 1)
        np.add.at(self.matrix, (found[false], self.nc), 1)
        if self.matches is not None:
            right = hit.copy()
            right[hit] = found[claimed[hit]] == truth[hit]
            rows, correct = kept.cpu().numpy(), np.sort(claimed[right])
            self.matches = {
                "GT": _pick(batch, np.arange(len(truth))),
                "FP": _pick(detections, rows[np.setdiff1d(np.arange(len(found)), correct)]),
                "TP": _pick(detections, rows[correct]),
                "FN": _pick(batch, np.flatnonzero(~right)),
            }

    def tp_fp(self) -> tuple[Floats, Floats]:
        """Correct and false predictions of every class, the background left out."""
        correct = self.matrix.diagonal()
        false = self.matrix.sum(1) - correct
        return (correct[:-1], false[:-1]) if self._has_background else (correct, false)

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """One row per predicted class; `normalize` divides every column by its sum."""
        names = _column_names([*self.names.values()], self._has_background)
        values = self.normalized() if normalize else self.matrix
        values = values.round(decimals)
        return [
            {"Predicted": name, **dict(zip(names, row.tolist(), strict=True))}
            for name, row in zip(names, values, strict=True)
        ]

    def normalized(self) -> Floats:
        """The matrix with every column divided by its sum."""
        return self.matrix / (self.matrix.sum(0, keepdims=True) + 1e-9)

    def print(self) -> None:
        """Log the rows."""
        for row in self.matrix:
            LOGGER.info(" ".join(map(str, row)))

    def plot(
        self,
        normalize: bool = True,
        save_dir: str | Path = "",
        on_plot: Callable[..., None] | None = None,
    ) -> None:
        """Write confusion_matrix_normalized.png or confusion_matrix.png into `save_dir`."""
        from ultralytics.utils.plotting.matrix import plot_confusion_matrix

        names = [*self.names.values()]
        if self._has_background:
            names.append("background")
        file = Path(save_dir) / f"confusion_matrix{'_normalized' if normalize else ''}.png"
        values = self.normalized() if normalize else self.matrix
        plot_confusion_matrix(values, names, file, normalized=normalize)
        if on_plot:
            on_plot(file, {"type": "confusion_matrix", "matrix": self.matrix.tolist()})

    def plot_matches(
        self,
        img: Tensor,
        im_file: str,
        save_dir: Path,
        show_labels: bool = True,
        show_conf: bool = True,
    ) -> None:
        """Write save_dir/visualizations/<name of the image>: truth, false alarms, hits and misses in a grid.

        Args:
            img: (3, H, W) RGB in [0, 1], the picture the boxes of the last `process_batch` belong to.
            im_file: path of the image; its name is used.
            save_dir: folder of the run.
            show_labels: write class names.
            show_conf: write confidences.
        """
        if not self.matches:
            return
        from ultralytics.geometry.boxes import xyxy2xywh
        from ultralytics.utils.plotting.images import plot_images

        panels = [self.matches[kind] for kind in ("GT", "FP", "TP", "FN")]
        boxes = torch.cat([panel["bboxes"] for panel in panels])
        labels: dict[str, Any] = {
            "batch_idx": torch.cat([torch.full((len(p["cls"]),), i) for i, p in enumerate(panels)]),
            "cls": torch.cat([p["cls"] for p in panels]),
            "bboxes": boxes if boxes.shape[1] == _OBB_COLUMNS else xyxy2xywh(boxes),
            "conf": torch.cat([p["conf"] for p in panels]),
        }
        file = Path(save_dir) / "visualizations" / Path(im_file).name
        file.parent.mkdir(parents=True, exist_ok=True)
        plot_images(
            labels,
            img.expand(4, *img.shape),
            paths=["Ground Truth", "False Positives", "True Positives", "False Negatives"],
            fname=file,
            names=self.names,
            max_subplots=4,
            conf_thres=0.001,
            show_labels=show_labels,
            show_conf=show_conf,
            threaded=False,
        )


def _overlaps(targets: Tensor, detections: Tensor) -> Floats:
    """(M, N) overlap of targets with detections."""
    if targets.shape[1] == _OBB_COLUMNS:
        from ultralytics.geometry.rotated import batch_probiou

        return batch_probiou(targets, detections).cpu().numpy()
    from ultralytics.geometry.iou import box_iou

    return box_iou(targets, detections[:, :4]).cpu().numpy()


def _claim(overlaps_MN: Floats, threshold: float) -> NDArray[np.intp]:
    """Detection that claims each target, or -1; columns are in claiming order."""
    claimed = np.full(len(overlaps_MN), -1)
    targets, detections = np.nonzero(overlaps_MN > threshold)
    values = overlaps_MN[targets, detections]
    busy: set[int] = set()
    for i in np.lexsort((targets, -values, detections)).tolist():
        target, detection = targets[i], int(detections[i])
        if claimed[target] < 0 and detection not in busy:
            claimed[target] = detection
            busy.add(detection)
    return claimed


def _pick(source: dict[str, Any], rows: NDArray[Any]) -> dict[str, Tensor]:
    """Boxes, classes and confidences (NaN for targets) of some rows, on the host."""
    index = torch.as_tensor(rows, dtype=torch.long)
    cls = source["cls"].reshape(-1).cpu()[index]
    is_target = "conf" not in source
    conf = torch.full_like(cls, torch.nan) if is_target else source["conf"].reshape(-1).cpu()[index]
    return {"bboxes": source["bboxes"].cpu()[index], "cls": cls, "conf": conf}


def _column_names(names: list[str], background: bool) -> list[str]:
    """Names of letters, digits and underscores only; repeated ones get _1, _2 ..."""
    unique: list[str] = []
    seen: dict[str, int] = {}
    for name in names:
        clean = re.sub(r"[^a-zA-Z0-9_]", "_", str(name))
        repeats = seen.get(clean, 0)
        seen[clean] = repeats + 1
        unique.append(f"{clean}_{repeats}" if repeats else clean)
    return [*unique, "background"] if background else unique
