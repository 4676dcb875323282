"""Detection validator: boxes against boxes, in pixels of the network input as the interface defines it.

Predictions of a batch come to the host in one copy; everything per image happens there. A validation that stands alone
also evaluates the boxes in original pixels the COCO way (`metrics.coco`). Specification chapter 45, sections 5.1 and 6.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.engine.validator import BaseValidator, Batch
from ultralytics.errors import NotAvailable
from ultralytics.geometry.boxes import xywh2xyxy, xyxy2xywh
from ultralytics.geometry.iou import box_iou
from ultralytics.geometry.letterbox import scale_boxes
from ultralytics.models.yolo.detect.records import (
    by_size,
    category_ids,
    common_folder,
    image_id,
    label_name,
    load_json,
    size_keys,
    unique_names,
)
from ultralytics.utils.environment import RANK
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.coco import CocoEvaluator, evaluate_files
from ultralytics.utils.metrics.confusion import ConfusionMatrix
from ultralytics.utils.metrics.detection import DetMetrics
from ultralytics.utils.nms import non_max_suppression

__all__ = ["DetectionValidator"]

Prediction = dict[str, Tensor]

DEFAULT_MAX_DET = 300
MATRIX_CONF = 0.25  # lowest confidence in the confusion matrix, unless the user chose one
COCO_SPLITS = ("val2017.txt", "test-dev2017.txt")


class DetectionValidator(BaseValidator):
    """Measures a detector. Arguments are those of the base class.

    Tasks built on it set `rotated` when boxes have an angle, `has_columns` when something follows the class scores of
    a prediction, and `measures_coco` when the boxes of a validation alone are also evaluated the COCO way.
    """

    rotated = False
    has_columns = False
    measures_coco = True

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
        self.args.task = "detect"
        self.iouv = torch.linspace(0.5, 0.95, 10)
        self.niou = self.iouv.numel()
        self.metrics = DetMetrics()
        self._coco: CocoEvaluator | None = None

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
        most = max((_most_objects(dataset) for dataset in datasets.values()), default=0)
        if most <= args.max_det:
            return
        if args.max_det == DEFAULT_MAX_DET:
            LOGGER.warning(f"One image holds {most} objects; max_det is raised to {most}.")
            args.max_det = most
        else:
            LOGGER.warning(f"One image holds {most} objects, more than max_det={args.max_det}.")

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
        self._prepare_head(model)
        self.metrics.names = self.names
        self.metrics.clear_stats()
        self.metrics.clear_image_metrics()
        self.metrics.coco = None
        keep = self._draws and self.args.visualize
        self.confusion_matrix = ConfusionMatrix(self.names, self.args.task, save_matches=keep)
        self._coco = CocoEvaluator() if self.measures_coco and not self.training else None
        im_files = self.dataloader.dataset.im_files
        self._names_of_images, self._image_root = unique_names(im_files), common_folder(im_files)
        if self.args.save_txt:
            for file in (self.save_dir / "labels").glob("*.txt"):
                file.unlink()

    def _prepare_head(self, model: Any) -> None:
        """Which branch of a dual head runs, and how many boxes it gives."""
        if self.training:
            model.end2end = self.args.nms is False
        self.end2end = bool(getattr(model, "end2end", False))
        network = model.base_model if getattr(model, "pt", False) else model
        layers = getattr(network, "model", None)
        head = layers[-1] if isinstance(layers, nn.Sequential) else None
        if head is not None and hasattr(head, "max_det"):
            head.max_det = self.args.max_det
            head.agnostic_nms = self.args.agnostic_nms

    def update_metrics(self, preds: list[Prediction], batch: Batch) -> None:
        """Match the predictions of a batch image by image, and write what was asked for."""
        preds, batch = _on_host(preds), {**batch, **_labels_on_host(batch)}
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
            if self._coco is not None or self.args.save_json or self.args.save_txt:
                self._keep_scaled(predn, pbatch)

    def _prepare_batch(self, si: int, batch: Batch) -> Batch:
        """Targets of one image in pixels of the network input, and its shapes."""
        rows = batch["batch_idx"] == si
        cls = batch["cls"][rows].squeeze(-1)
        height, width = batch["img"].shape[2:]
        boxes = xywh2xyxy(batch["bboxes"][rows]) * torch.tensor([width, height, width, height])
        return {
            "cls": cls,
            "bboxes": boxes,
            "ori_shape": batch["ori_shape"][si],
            "imgsz": (height, width),
            "ratio_pad": batch["ratio_pad"][si],
            "im_file": batch["im_file"][si],
        }

    def _prepare_pred(self, pred: Prediction) -> Prediction:
        """Predictions of one image; with `single_cls` all of class 0."""
        return {**pred, "cls": pred["cls"] * 0} if self.args.single_cls else pred

    def _process_batch(self, preds: Prediction, batch: Batch) -> dict[str, Any]:
        """tp (N, 10): which predictions of one image are correct at which IoU."""
        if not len(batch["cls"]) or not len(preds["cls"]):
            return {"tp": np.zeros((len(preds["cls"]), self.niou), dtype=bool)}
        overlap = box_iou(batch["bboxes"], preds["bboxes"])
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
        if self._coco is not None:
            geometry = (pbatch["imgsz"], pbatch["bboxes"].clone(), pbatch["ori_shape"])
            targets = scale_boxes(*geometry, ratio_pad=pbatch["ratio_pad"])
            self._coco.add(
                scaled["bboxes"].numpy(),
                scaled["conf"].numpy(),
                scaled["cls"].numpy(),
                targets.numpy(),
                pbatch["cls"].numpy(),
            )
        if not len(predn["cls"]):
            return
        if self.args.save_json:
            self.pred_to_json(scaled, pbatch)
        if self.args.save_txt:
            name = label_name(pbatch["im_file"], self._image_root)
            file = self.save_dir / "labels" / name
            self.save_one_txt(scaled, self.args.save_conf, pbatch["ori_shape"], file)

    # ---------------------------------------------------------------- results

    def get_stats(self) -> dict[str, Any]:
        """Metrics by key with "fitness"; with `save_json` also room for the sizes of COCO."""
        self.metrics.process(save_dir=self.save_dir, plot=self._draws, on_plot=self.on_plot)
        self.metrics.clear_stats()
        if self._coco is not None:
            self.metrics.coco = self._coco.evaluate()
            self._coco = None
        sizes = dict.fromkeys(size_keys("B"), 0.0) if self.args.save_json else {}
        return {**sizes, **self.metrics.results_dict}

    def gather_stats(self) -> None:
        """Join the matches of all ranks on rank 0."""
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return
        mine = {
            "stats": self.metrics.stats,
            "images": [part.image_metrics for part in self.metrics._parts],
            "jdict": self.jdict,
            "seen": self.seen,
            "matrix": self.confusion_matrix.matrix,
        }
        ranks = torch.distributed.get_world_size()
        received: list[Any] = [None] * ranks  # Any: dictionaries like `mine`
        torch.distributed.gather_object(mine, received if RANK == 0 else None, dst=0)
        if RANK != 0:
            self.metrics.clear_stats()
            return
        for other in received[1:]:
            for key, parts in self.metrics.stats.items():
                parts.extend(other["stats"][key])
            for part, images in zip(self.metrics._parts, other["images"], strict=True):
                part.image_metrics.update(images)
            self.jdict.extend(other["jdict"])
            self.seen += other["seen"]
            self.confusion_matrix.matrix += other["matrix"]

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
        columns = ("Images", "Instances", "Box(P", "R", "mAP50", "mAP50-95)")
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
        if instances and metrics.coco is not None:
            LOGGER.info("COCO evaluation of the boxes in original pixels (- means no such object):")
            for line in metrics.coco.lines():
                LOGGER.info(f"  {line}")

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
        labels = {key: torch.cat([p[key] for p in shown]) for key in ("bboxes", "conf", "cls")}
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

        rows = [predn["bboxes"], predn["conf"][:, None], predn["cls"][:, None]]
        blank = np.zeros((int(shape[0]), int(shape[1])), dtype=np.uint8)
        result = Results(blank, path="", names=self.names, boxes=torch.cat(rows, dim=1))
        result.save_txt(file, save_conf=save_conf)

    def pred_to_json(self, preds: Prediction, batch: Batch) -> None:
        """Add the scaled predictions of one image to `jdict`, as COCO result rows."""
        path = Path(batch["im_file"])
        boxes = preds["bboxes"].double()
        rows = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
        scores, classes = preds["conf"].tolist(), preds["cls"].tolist()
        for box, score, cls in zip(rows, scores, classes, strict=True):
            self.jdict.append(
                {
                    "image_id": image_id(path),
                    "file_name": path.name,
                    "category_id": self.class_map[int(cls)],
                    "bbox": [round(value, 3) for value in box],
                    "score": round(score, 5),
                }
            )

    def eval_json(self, stats: dict[str, Any]) -> dict[str, Any]:
        """Add the COCO numbers by object size; for COCO itself its annotation file decides.

        LVIS has rules of its own, which are not applied; its rows are written all the same.
        """
        if self.is_lvis:
            LOGGER.warning("The LVIS evaluation is not part of this version; see predictions.json.")
            return stats
        annotations = Path(self.data["path"]) / "annotations" / "instances_val2017.json"
        if self.is_coco and annotations.is_file():
            return self.coco_evaluate(stats, self.jdict, annotations)
        if self.metrics.coco is not None:
            stats |= by_size(self.metrics.coco, "B")
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
            iou_types: "bbox" is the only kind of this version.
            suffix: its first letter is the letter of the keys.

        Raises:
            NotAvailable: another kind of overlap.
        """
        kinds = [iou_types] if isinstance(iou_types, str) else list(iou_types)
        if kinds != ["bbox"]:
            raise NotAvailable(
                f"the COCO evaluation of {kinds} is not part of this version; use 'bbox'"
            )
        letter = (suffix if isinstance(suffix, str) else suffix[0])[0]
        images = {image_id(Path(file)) for file in self.dataloader.dataset.im_files}
        coco = evaluate_files(load_json(pred_json), load_json(anno_json), images)
        self.metrics.coco = coco
        LOGGER.info("COCO evaluation against the annotation file:")
        for line in coco.lines():
            LOGGER.info(f"  {line}")
        if self.is_coco:
            stats[f"metrics/mAP50({letter})"] = coco.ap50
            stats[f"metrics/mAP50-95({letter})"] = coco.ap
            stats["fitness"] = 0.9 * coco.ap + 0.1 * coco.ap50
        return {**stats, **by_size(coco, letter)}


def _most_objects(dataset: Any) -> int:
    """Largest number of objects in an image; the flat store answers without making label records."""
    store = getattr(dataset, "store", None)
    if store is not None:
        return int(np.diff(store.offsets).max(initial=0))
    return max((len(label["cls"]) for label in dataset.labels), default=0)


def _on_host(preds: list[Prediction]) -> list[Prediction]:
    """The same predictions on the host, by one copy of boxes, confidence and class."""
    if not preds or preds[0]["conf"].device.type == "cpu":
        return preds
    counts = [len(p["conf"]) for p in preds]
    rows = [torch.cat([p["bboxes"], p["conf"][:, None], p["cls"][:, None]], 1) for p in preds]
    blocks = torch.cat(rows).cpu().split(counts)
    return [
        {**p, "bboxes": block[:, :-2], "conf": block[:, -2], "cls": block[:, -1]}
        for p, block in zip(preds, blocks, strict=True)
    ]


def _labels_on_host(batch: Batch) -> dict[str, Tensor]:
    return {key: batch[key].cpu() for key in ("cls", "bboxes", "batch_idx")}
