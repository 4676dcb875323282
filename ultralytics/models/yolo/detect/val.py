"""Detection validator: boxes against boxes, in pixels of the network input as the interface defines it.

Predictions of a batch come to the host in one copy; everything per image happens there. A validation that stands alone
also evaluates the boxes in original pixels the COCO way (`metrics.coco`). Specification chapter 45, sections 5.1 and 6.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.engine.tiled_validation import from_original
from ultralytics.engine.validator import BaseValidator, Batch
from ultralytics.errors import NotAvailable
from ultralytics.geometry.boxes import xywh2xyxy, xyxy2xywh
from ultralytics.geometry.iou import box_iou
from ultralytics.geometry.letterbox import scale_boxes
from ultralytics.models.yolo.detect.host import (
    check_max_det,
    labels_on_host,
    on_host,
    prepare_head,
)
from ultralytics.models.yolo.detect.predict import DetectionPredictor
from ultralytics.models.yolo.detect.records import (
    by_size,
    category_ids,
    common_folder,
    image_id,
    label_name,
    load_json,
    log_coco,
    result_rows,
    size_keys,
    unique_names,
)
from ultralytics.utils.environment import rank
from ultralytics.utils.gather import gather_from_ranks
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.coco import (
    CocoEvaluator,
    CocoNumbers,
    OverlapEvaluator,
    evaluate_files,
)
from ultralytics.utils.metrics.confusion import ConfusionMatrix
from ultralytics.utils.metrics.detection import DetMetrics
from ultralytics.utils.nms import non_max_suppression

__all__ = ["DetectionValidator"]

Prediction = dict[str, Tensor]

MATRIX_CONF = 0.25  # lowest confidence in the confusion matrix, unless the user chose one
COCO_SPLITS = ("val2017.txt", "test-dev2017.txt")


class DetectionValidator(BaseValidator):
    """Measures a detector. Arguments are those of the base class.

    A task built on it says what is different by the attributes below, extends `_prepare_batch`, `_prepare_pred` and
    `_process_batch` for what it matches, and `scale_preds`, `_add_to_coco`, `_result_fields` and `_json_rows` for what
    becomes of it in original pixels.

    Attributes:
        task: name of the task.
        rotated: boxes have an angle.
        has_columns: something follows the class scores of a prediction.
        metric_type: class of the metrics.
        label_keys: entries of a batch that `_prepare_batch` reads.
        host_keys: entries of a prediction that are matched on the host; see `on_host`.
        drawn_keys: entries of a prediction that pictures show.
        coco_kinds: evaluators of a validation that stands alone, by the letter of what they measure.
        file_judges: evaluations against an annotation file, by their COCO name, in the order of the metric's kinds.
        tile_predictor: class of the predictor that reads tiles of large images.
        annotation_file: annotations of COCO's own validation split.
    """

    task = "detect"
    rotated = False
    has_columns = False
    metric_type: type[DetMetrics] = DetMetrics
    label_keys: tuple[str, ...] = ("cls", "bboxes", "batch_idx")
    host_keys: tuple[str, ...] = ("bboxes", "conf", "cls")
    drawn_keys: tuple[str, ...] = ("bboxes", "conf", "cls")
    coco_kinds: ClassVar[Mapping[str, type[OverlapEvaluator]]] = {"B": CocoEvaluator}
    file_judges: ClassVar[Mapping[str, Callable[..., CocoNumbers]]] = {"bbox": evaluate_files}
    tile_predictor: Any = DetectionPredictor  # Any: a predictor's class
    annotation_file = "instances_val2017.json"

    def __init__(
        self,
        dataloader: Any = None,  # Any: see BaseValidator
        save_dir: str | Path | None = None,
        args: Any = None,
        _callbacks: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dataloader, save_dir, args, _callbacks)
        self.is_coco = False
        self.is_lvis = False
        self.class_map: list[int] = []
        self.args.task = self.task
        self.iouv = torch.linspace(0.5, 0.95, 10)
        self.niou = self.iouv.numel()
        self.metrics = self.metric_type()
        self._coco: dict[str, OverlapEvaluator] = {}

    # ---------------------------------------------------------------- data

    def build_dataset(self, img_path: Any, mode: str = "val", batch: int | None = None) -> Any:
        """Data set of a split, without augmentation."""
        return build_yolo_dataset(
            self.args,
            img_path,
            batch or self.args.batch,
            self.data,
            mode=mode,
            stride=self.stride or 32,
        )

    def get_dataloader(self, dataset_path: Any, batch_size: int) -> Any:
        """Loader of a split in fixed order."""
        return build_dataloader(
            self.build_dataset(dataset_path, batch=batch_size, mode="val"),
            batch_size,
            self.args.workers,
            shuffle=False,
            rank=-1,
            device=self.device.type,
        )

    @staticmethod
    def _check_max_det(args: Any, datasets: Mapping[str, Any]) -> None:
        """Warn about images with more objects than `max_det`; raise it if it is the default."""
        check_max_det(args, datasets.values())

    # ---------------------------------------------------------------- one batch

    def preprocess(self, batch: Batch) -> Batch:
        """Pixels on the device in [0, 1]; labels follow only where a loss needs them."""
        non_blocking = self.device.type == "cuda"
        for key, value in batch.items():
            if isinstance(value, Tensor) and (self.training or key == "img"):
                batch[key] = value.to(self.device, non_blocking=non_blocking)
        batch["img"] = batch["img"].float() / 255
        return batch

    def postprocess(self, preds: Any) -> list[Prediction]:
        """bboxes (N, 4) xyxy, conf, cls and extra columns of every image, best first."""
        found: Any = non_max_suppression(  # Any: a list, as no indexes are asked for
            preds,
            self.args.conf,
            self.args.iou,
            nc=(self.nc or 0) if self.has_columns else 0,
            multi_label=True,
            agnostic=self.args.single_cls or self.args.agnostic_nms,
            max_det=self.args.max_det,
            end2end=self.end2end,
            rotated=self.rotated,
        )
        return [
            {"bboxes": x[:, :4], "conf": x[:, 4], "cls": x[:, 5], "extra": x[:, 6:]} for x in found
        ]

    def with_tiles(self, preds: Any, tiled: Mapping[int, Any], batch: Batch) -> Any:
        """Predictions of a batch, those of some images made of results of tiles."""
        size_hw = batch["img"].shape[2:]
        return [
            self._of_result(tiled[si], pred, size_hw, batch["ratio_pad"][si])
            if si in tiled
            else pred
            for si, pred in enumerate(preds)
        ]

    def _of_result(self, result: Any, pred: Prediction, size_hw: Any, ratio_pad: Any) -> Prediction:
        """A result in original pixels as a prediction in pixels of the network input.

        Args:
            result: of the image.
            pred: prediction of the whole image, which is replaced.
            size_hw: of the network input.
            ratio_pad: how the image lies in it.
        """
        boxes = result.boxes.xyxy.clone()
        moved = scale_boxes(result.orig_shape, boxes, size_hw, from_original(ratio_pad))
        return {"bboxes": moved, "conf": result.boxes.conf, "cls": result.boxes.cls}

    def init_metrics(self, model: Any) -> None:
        """Names and settings of a network and a data set; metrics start empty."""
        folder = self.data.get(self.args.split, "")
        path = folder.replace(os.sep, "/") if isinstance(folder, str) else ""
        self.is_coco = "coco" in path and path.endswith(COCO_SPLITS)
        self.is_lvis = "lvis" in path and not self.is_coco
        self.names = model.names
        self.nc = len(self.names)
        self.class_map = category_ids(self.nc, self.is_coco)
        if not self.training:
            self._check_max_det(self.args, {"val": self.dataloader.dataset})
            self.args.save_json |= self.is_coco or self.is_lvis
        if self.training:
            model.end2end = self.args.nms is False
        self.end2end = prepare_head(model, self.args)
        self.metrics.names = self.names
        self.metrics.clear_stats()
        self.metrics.clear_image_metrics()
        for letter in self.coco_kinds:
            self.metrics.set_coco(letter, None)
        self._coco = (
            {} if self.training else {letter: kind() for letter, kind in self.coco_kinds.items()}
        )
        keep = self._draws and self.args.visualize
        self.confusion_matrix = ConfusionMatrix(self.names, self.args.task, save_matches=keep)
        im_files = self.dataloader.dataset.im_files
        self._names_of_images, self._image_root = unique_names(im_files), common_folder(im_files)
        if self.args.save_txt and rank() <= 0:
            for file in (self.save_dir / "labels").glob("*.txt"):
                file.unlink()

    def update_metrics(self, preds: list[Prediction], batch: Batch) -> None:
        """Match the predictions of a batch image by image, and write what was asked for."""
        preds, batch = (
            on_host(preds, self.host_keys),
            {**batch, **labels_on_host(batch, self.label_keys)},
        )
        for si, pred in enumerate(preds):
            self.seen += 1
            pbatch = self._prepare_batch(si, batch)
            predn = self._prepare_pred(pred)
            cls = pbatch["cls"].numpy()
            self.metrics.update_stats(
                {
                    **self._process_batch(predn, pbatch),
                    "target_cls": cls,
                    "target_img": np.unique(cls),
                    "conf": predn["conf"].numpy(),
                    "pred_cls": predn["cls"].numpy(),
                    "im_name": self._names_of_images(pbatch["im_file"]),
                }
            )
            if self._draws or not self.training:
                self._count_confusion(predn, pbatch, batch["img"][si])
            if self._coco or self.args.save_json or self.args.save_txt:
                self._keep_scaled(predn, pbatch)

    def _prepare_batch(self, si: int, batch: Batch) -> Batch:
        """Targets of one image in pixels of the network input, and its shapes."""
        rows = batch["batch_idx"] == si
        cls = batch["cls"][rows].squeeze(-1)
        height, width = batch["img"].shape[2:]
        return {
            "cls": cls,
            "bboxes": self._target_boxes(batch["bboxes"][rows], height, width),
            "ori_shape": batch["ori_shape"][si],
            "imgsz": (height, width),
            "ratio_pad": batch["ratio_pad"][si],
            "im_file": batch["im_file"][si],
        }

    def _target_boxes(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """Targets in pixels from fractions xywh."""
        return xywh2xyxy(boxes) * torch.tensor([width, height, width, height])

    def _overlap(self, targets: Tensor, found: Tensor) -> Tensor:
        """Overlap (M, N) of every target with every prediction."""
        return box_iou(targets, found)

    def _prepare_pred(self, pred: Prediction) -> Prediction:
        """Predictions of one image; with `single_cls` all of class 0."""
        return {**pred, "cls": pred["cls"] * 0} if self.args.single_cls else pred

    def _process_batch(self, preds: Prediction, batch: Batch) -> dict[str, Any]:
        """tp (N, 10): which predictions of one image are correct at which IoU."""
        if not len(batch["cls"]) or not len(preds["cls"]):
            return {"tp": np.zeros((len(preds["cls"]), self.niou), dtype=bool)}
        overlap = self._overlap(batch["bboxes"], preds["bboxes"])
        return {"tp": self.match_predictions(preds["cls"], batch["cls"], overlap).numpy()}

    def _count_confusion(self, predn: Prediction, pbatch: Batch, image: Tensor) -> None:
        conf = self.args.conf
        if conf == self._default_conf:  # not the user's: the matrix would drown in faint boxes
            conf = max(conf, MATRIX_CONF)
        self.confusion_matrix.process_batch(predn, pbatch, conf=conf)
        if self.confusion_matrix.matches is not None:
            self.confusion_matrix.plot_matches(image, pbatch["im_file"], self.save_dir)

    def _keep_scaled(self, predn: Prediction, pbatch: Batch) -> None:
        """Use the predictions in original pixels: COCO evaluation, JSON rows, label files."""
        scaled = self.scale_preds(predn, pbatch)
        if self._coco:
            self._add_to_coco(scaled, pbatch)
        if not len(predn["cls"]):
            return
        if self.args.save_json:
            self.pred_to_json(scaled, pbatch)
        if self.args.save_txt:
            name = label_name(pbatch["im_file"], self._image_root)
            file = self.save_dir / "labels" / name
            self.save_one_txt(scaled, self.args.save_conf, pbatch["ori_shape"], file)

    def _add_to_coco(self, scaled: Prediction, pbatch: Batch) -> None:
        """Add one image to the COCO evaluation: predictions in original pixels, targets as prepared."""
        geometry = (pbatch["imgsz"], pbatch["bboxes"].clone(), pbatch["ori_shape"])
        targets = scale_boxes(*geometry, ratio_pad=pbatch["ratio_pad"])
        boxes: Any = self._coco["B"]  # Any: a CocoEvaluator
        boxes.add(
            scaled["bboxes"].numpy(),
            scaled["conf"].numpy(),
            scaled["cls"].numpy(),
            targets.numpy(),
            pbatch["cls"].numpy(),
        )

    # ---------------------------------------------------------------- results

    def get_stats(self) -> dict[str, Any]:
        """Metrics by key with "fitness"; with `save_json` also room for the sizes of COCO."""
        self.metrics.process(save_dir=self.save_dir, plot=self._draws, on_plot=self.on_plot)
        self.metrics.clear_stats()
        for letter, evaluator in self._coco.items():
            self.metrics.set_coco(letter, evaluator.evaluate())
        self._coco = {}
        has_sizes = self.args.save_json and "B" in self.coco_kinds
        sizes = dict.fromkeys(size_keys("B"), 0.0) if has_sizes else {}
        return {**sizes, **self.metrics.results_dict}

    def gather_stats(self) -> None:
        """Join the matches of all ranks on rank 0."""
        mine = {
            "stats": self.metrics.stats,
            "images": [part.image_metrics for part in self.metrics.parts],
            "jdict": self.jdict,
            "seen": self.seen,
            "matrix": self.confusion_matrix.matrix,
            "coco": self._coco,
        }
        for other in gather_from_ranks(mine):
            for key, parts in self.metrics.stats.items():
                parts.extend(other["stats"][key])
            for part, images in zip(self.metrics.parts, other["images"], strict=True):
                part.image_metrics.update(images)
            self.jdict.extend(other["jdict"])
            self.seen += other["seen"]
            self.confusion_matrix.matrix += other["matrix"]
            for letter, evaluator in other["coco"].items():
                self._coco[letter].extend(evaluator)
        if rank() > 0:
            self.metrics.clear_stats()

    def finalize_metrics(self) -> None:
        """Hand speed, confusion matrix and folder to the metric object; draw the matrix."""
        if self._draws:
            for normalize in (True, False):
                self.confusion_matrix.plot(
                    normalize=normalize, save_dir=self.save_dir, on_plot=self.on_plot
                )
        self.metrics.speed = self.speed
        self.metrics.confusion_matrix = self.confusion_matrix
        self.metrics.save_dir = self.save_dir

    @property
    def metric_keys(self) -> list[str]:
        """Names of the metrics."""
        return list(self.metrics.keys)

    def get_desc(self) -> str:
        """Header of the table."""
        columns = ["Images", "Instances"]
        for kind in self.metrics.kinds:
            columns += [f"{kind.title}(P", "R", "mAP50", "mAP50-95)"]
        return f"{'Class':>22}" + "".join(f"{column:>11}" for column in columns)

    def print_results(self) -> None:
        """Log the table, at which confidence P and R hold, and the COCO numbers."""
        metrics = self.metrics
        instances = int(metrics.nt_per_class.sum())
        self._print_row("all", self.seen, instances, metrics.mean_results())
        if not instances:
            LOGGER.warning(f"No labels found in the {self.args.split!r} split: nothing to measure.")
        if self.training or not self.args.verbose:
            return
        if self.nc and self.nc > 1:
            for i, c in enumerate(metrics.ap_class_index):
                counts = (metrics.nt_per_image[c], metrics.nt_per_class[c])
                self._print_row(self.names[int(c)], *counts, metrics.class_result(i))
        if instances and metrics.box.best_conf is not None:
            LOGGER.info(
                f"P and R hold at confidence {metrics.box.best_conf:.3f}, where mean F1 is highest."
            )
        for kind in metrics.kinds if instances else ():
            if kind.letter in metrics.coco_numbers:
                log_coco(
                    f"COCO evaluation of the {kind.plural} in original pixels (- means no such object):",
                    metrics.coco_numbers[kind.letter],
                )

    @staticmethod
    def _print_row(name: str, images: int, instances: int, values: Sequence[float]) -> None:
        LOGGER.info(
            f"{name:>22}{images:>11}{instances:>11}" + "".join(f"{v:>11.3g}" for v in values)
        )

    # ---------------------------------------------------------------- files

    def plot_val_samples(self, batch: Batch, ni: int) -> None:
        """Draw a batch with its targets as val_batch{ni}_labels.jpg."""
        self._draw_batch(batch, batch, f"val_batch{ni}_labels.jpg")

    def plot_predictions(
        self, batch: Batch, preds: list[Prediction], ni: int, max_det: int | None = None
    ) -> None:
        """Draw a batch with its predictions as val_batch{ni}_pred.jpg.

        Args:
            batch: the images.
            preds: predictions of each.
            ni: number of the batch.
            max_det: most boxes drawn in an image; None follows the settings.
        """
        shown = [{k: v[: max_det or self.args.max_det] for k, v in p.items()} for p in preds]
        labels = {key: torch.cat([p[key] for p in shown]) for key in self.drawn_keys}
        counts = torch.tensor([len(p["cls"]) for p in shown])
        labels["batch_idx"] = torch.repeat_interleave(torch.arange(len(shown)), counts)
        if labels["bboxes"].shape[1] == 4:
            labels["bboxes"] = xyxy2xywh(labels["bboxes"])
        self._draw_batch(batch, labels, f"val_batch{ni}_pred.jpg")

    def _draw_batch(self, batch: Batch, labels: dict[str, Any], name: str) -> None:
        from ultralytics.utils.plotting import plot_images

        plot_images(
            labels=labels,
            images=batch["img"],
            paths=batch["im_file"],
            fname=self.save_dir / name,
            names=self.names,
            on_plot=self.on_plot,
            threaded=False,
        )

    def scale_preds(self, predn: Prediction, pbatch: Batch) -> Prediction:
        """Predictions in pixels of the original image; the given ones are left alone."""
        boxes = scale_boxes(
            pbatch["imgsz"],
            predn["bboxes"].clone(),
            pbatch["ori_shape"],
            ratio_pad=pbatch["ratio_pad"],
        )
        return {**predn, "bboxes": boxes}

    def save_one_txt(
        self, predn: Prediction, save_conf: bool, shape: tuple[int, int], file: Path
    ) -> None:
        """Write the label file of one image: class, normalised centre box, and confidence if wanted."""
        from ultralytics.engine.results import Results

        blank = np.zeros((int(shape[0]), int(shape[1])), dtype=np.uint8)
        result = Results(blank, path="", names=self.names, **self._result_fields(predn))
        result.save_txt(file, save_conf=save_conf)

    def _result_fields(self, predn: Prediction) -> dict[str, Any]:
        """Scaled predictions of one image as the fields of a `Results`."""
        rows = [predn["bboxes"], predn["conf"][:, None], predn["cls"][:, None]]
        return {"boxes": torch.cat(rows, dim=1)}

    def pred_to_json(self, preds: Prediction, batch: Batch) -> None:
        """Add the scaled predictions of one image to `jdict`, as COCO result rows."""
        self.jdict.extend(self._json_rows(preds, batch))

    def _json_rows(self, preds: Prediction, batch: Batch) -> list[dict[str, Any]]:
        """Result rows of one image, best first; a task adds what it found beside the box."""
        boxes = preds["bboxes"].double()
        ltwh = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
        found = {"bbox": [[round(value, 3) for value in box] for box in ltwh]}
        numbers = [self.class_map[int(cls)] for cls in preds["cls"].tolist()]
        return result_rows(batch["im_file"], numbers, preds["conf"].tolist(), found)

    def eval_json(self, stats: dict[str, Any]) -> dict[str, Any]:
        """Add the COCO numbers by object size; for COCO itself its annotation file decides.

        LVIS has rules of its own, which are not applied; its rows are written all the same.
        """
        if self.is_lvis:
            LOGGER.warning("The LVIS evaluation is not part of this version; see predictions.json.")
            return stats
        annotations = Path(self.data["path"]) / "annotations" / self.annotation_file
        if self.is_coco and annotations.is_file():
            titles = [kind.title for kind in self.metrics.kinds]
            return self.coco_evaluate(
                stats, self.jdict, annotations, list(self.file_judges), titles
            )
        for letter, numbers in self.metrics.coco_numbers.items():
            stats |= by_size(numbers, letter)
        return stats

    def coco_evaluate(
        self,
        stats: dict[str, Any],
        pred_json: str | Path | list[dict[str, Any]],
        anno_json: str | Path | dict[str, Any],
        iou_types: str | list[str] = "bbox",
        suffix: str | list[str] = "Box",
    ) -> dict[str, Any]:
        """Evaluate JSON predictions against a COCO annotation file and put the numbers into `stats`.

        Args:
            stats: metrics to complete; mAP50, mAP50-95 and fitness are replaced for COCO.
            pred_json: result rows, or the file that holds them.
            anno_json: annotations, or the file that holds them.
            iou_types: what is measured, one name or several; see `file_judges`.
            suffix: title of each in the metrics; its first letter is the letter of the keys.

        Raises:
            NotAvailable: another kind of overlap.
        """
        types = [iou_types] if isinstance(iou_types, str) else list(iou_types)
        titles = [suffix] if isinstance(suffix, str) else list(suffix)
        unknown = [name for name in types if name not in self.file_judges]
        if unknown:
            raise NotAvailable(
                f"the COCO evaluation of {unknown} is not part of the {self.task} task; "
                f"use {list(self.file_judges)}"
            )
        images = {image_id(Path(file)) for file in self.dataloader.dataset.im_files}
        rows, annotations = load_json(pred_json), load_json(anno_json)
        stats = dict(stats)
        for name, title in zip(types, titles, strict=True):
            letter = title[0]
            coco = self.file_judges[name](rows, annotations, images)
            self.metrics.set_coco(letter, coco)
            log_coco(f"COCO evaluation ({name}) against the annotation file:", coco)
            if self.is_coco:
                stats[f"metrics/mAP50({letter})"] = coco.ap50
                stats[f"metrics/mAP50-95({letter})"] = coco.ap
                stats["fitness"] = 0.9 * coco.ap + 0.1 * coco.ap50
            stats |= by_size(coco, letter)
        return stats
