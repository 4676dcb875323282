"""Detection trainer: data, network, losses and pictures of the detect task."""

from __future__ import annotations

import math
import random
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ultralytics.cfg.load import own_setting
from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect.val import DetectionValidator
from ultralytics.nn import tasks
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.environment import rank
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.wrapping import unwrap_model

__all__ = ["DetectionTrainer"]

DEFAULT_MAX_DET = 300


class DetectionTrainer(BaseTrainer):
    """Train a detector. Arguments and errors are those of the base class.

    Tasks built on it name their network and validator in `model_type` and `validator_type`.
    """

    skips_parameters = False
    takes_device_batches = True
    model_type: type[DetectionModel] = DetectionModel
    validator_type: type[DetectionValidator] = DetectionValidator

    def build_dataset(self, img_path: Any, mode: str = "train", batch: int | None = None) -> Any:
        """Data set of a split; validation uses rectangular batches."""
        return build_yolo_dataset(
            self.args,
            img_path,
            batch or int(self.batch_size),
            self.data,
            mode=mode,
            rect=mode == "val",
            stride=self._grid(),
        )

    def _grid(self) -> int:
        model = self.model if isinstance(self.model, nn.Module) else None
        return max(int(unwrap_model(model).stride.max()) if model is not None else 0, 32)

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        """Loader of a split; training shuffles unless batches are rectangular."""
        dataset = self.build_dataset(dataset_path, mode, batch_size)
        shuffle = mode == "train"
        if shuffle and getattr(dataset, "rect", False) and not _has_one_shape(dataset):
            LOGGER.warning("rect=True keeps images in order of shape, so they are not shuffled.")
            shuffle = False
        return build_dataloader(
            dataset,
            batch=batch_size,
            workers=self.args.workers if mode == "train" else self.args.workers * 2,
            shuffle=shuffle,
            rank=rank,
            drop_last=bool(self.args.compile) and mode == "train",
            device=self.device.type,
            balance=own_setting(self.args, "balance") if mode == "train" else 0.0,
        )

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Tensors to the device, pixels to [0, 1], and a random size under `multi_scale`."""
        non_blocking = self.device.type == "cuda"
        for key, value in batch.items():
            if isinstance(value, torch.Tensor):
                batch[key] = value.to(self.device, non_blocking=non_blocking)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        image = batch["img"].to(dtype=torch.float32, memory_format=layout).div_(255)
        batch["img"] = self._rescale(image) if self.args.multi_scale > 0 else image
        return batch

    def _rescale(self, image: torch.Tensor) -> torch.Tensor:
        imgsz, spread, grid = self.args.imgsz, self.args.multi_scale, self.stride
        low, high = max(grid, int(imgsz * (1 - spread))), int(imgsz * (1 + spread) + grid)
        factor = random.randrange(low, high) // grid * grid / max(image.shape[2:])
        if factor == 1:
            return image
        size = [math.ceil(side * factor / grid) * grid for side in image.shape[2:]]
        return nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False)

    def set_model_attributes(self) -> None:
        """Class count, names and arguments."""
        self.model.nc = self.data["nc"]
        self.model.names = self.data["names"]
        self.model.args = self.args

    def get_model(
        self,
        cfg: Any = None,  # Any: name, path or content of a model file
        weights: nn.Module | str | Path | None = None,
        verbose: bool = True,
    ) -> nn.Module:
        """Network for the classes and channels of the data set, or for those of the file when there is no data set.

        Args:
            cfg: model file; that of the weights when absent.
            weights: network or file whose fitting weights are taken over.
            verbose: log the rows.
        """
        shown = verbose and rank() == -1
        is_file = isinstance(weights, (str, Path))
        source: Any = (
            tasks.load_checkpoint(str(weights))[0] if is_file else weights
        )  # Any: a network
        if cfg is None and source is not None:
            cfg = deepcopy(source.yaml)
        content = cfg if isinstance(cfg, dict) else tasks.yaml_model_load(cfg)
        kind = self.model_type.suited_to(content)
        model = kind(content, **self._model_arguments(), verbose=shown)
        if source is not None:
            if self.args.cls_remap and self.data.get("names"):
                model.names = self.data["names"]
            model.load(source)
        return model

    def _model_arguments(self) -> dict[str, Any]:
        """What a network must know about the data set."""
        return {"nc": self.data.get("nc"), "ch": self.data.get("channels", 3)}

    def get_validator(self) -> DetectionValidator:
        """Validator on the test loader; loss names become known here."""
        network = unwrap_model(self.model)
        self.loss_names = tuple(_loss_names(network))
        self._raise_max_det()
        return self.validator_type(
            self.test_loader,
            save_dir=self.save_dir,
            args=copy(self.args),
            _callbacks=self.callbacks,
        )

    def _raise_max_det(self) -> None:
        loaders = (self.train_loader, self.test_loader)
        most = max((_most_labels(loader.dataset) for loader in loaders), default=0)
        if most > self.args.max_det:
            if self.args.max_det == DEFAULT_MAX_DET:
                LOGGER.warning(f"One image holds {most} objects; max_det is raised to {most}.")
                self.args.max_det = most
            else:
                LOGGER.warning(
                    f"One image holds {most} objects, more than max_det={self.args.max_det}."
                )
        head = unwrap_model(self.model).model[-1]
        if hasattr(head, "max_det"):
            head.max_det = self.args.max_det

    def get_class_counts(self) -> np.ndarray:
        """Labels of each class in the training set, as (nc,) numbers."""
        ids = _all_labels(self.train_loader.dataset)[:, 0].astype(int)
        return np.bincount(ids, minlength=self.data["nc"])

    def set_class_weights(self) -> None:
        """Inverse-frequency weights `count ** -cls_pw` with mean one; off when `cls_pw` is 0."""
        power = self.args.cls_pw
        if not 0 <= power <= 1:
            raise ConfigValueError(f"cls_pw={power} is outside [0, 1]")
        if power == 0:
            return
        counts = self.get_class_counts().astype(np.float64)
        if not counts.any():
            LOGGER.warning(f"cls_pw={power} has no effect: the training set has no labels.")
            return
        weights = self._class_weights(counts, power)
        network = unwrap_model(self.model)
        network.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)
        LOGGER.info(f"Class weights: {np.round(weights, 3).tolist()}")

    def _class_weights(self, counts: np.ndarray, power: float) -> np.ndarray:
        """Weight of every class from how often it occurs; some class does."""
        present = counts > 0
        weights = np.zeros_like(counts)
        weights[present] = counts[present] ** -power
        weights[~present] = weights[present].mean()
        normed: np.ndarray = weights / weights.mean()
        return normed

    def auto_batch(self, max_num_obj: int = 0, dataset_size: int = 0) -> int:
        """Largest batch that fits, given the label counts of the training set."""
        dataset = self.build_dataset(self.data["train"], mode="train", batch=16)
        return super().auto_batch(4 * _most_labels(dataset), len(dataset))

    def plot_training_samples(self, batch: dict[str, Any], ni: int) -> None:
        """Draw a training batch as train_batch{ni}.jpg."""
        from ultralytics.utils.plotting import plot_images

        plot_images(
            labels=batch,
            paths=batch["im_file"],
            fname=self.save_dir / f"train_batch{ni}.jpg",
            names=self.data["names"],
            on_plot=self.on_plot,
            threaded=False,
        )

    def plot_training_labels(self) -> None:
        """Draw label statistics as labels.jpg."""
        from ultralytics.utils.plotting import plot_labels

        labels = _all_labels(self.train_loader.dataset)
        plot_labels(
            labels[:, 1:],
            labels[:, 0],
            names=self.data["names"],
            save_dir=self.save_dir,
            on_plot=self.on_plot,
        )


def _has_one_shape(dataset: Any) -> bool:
    shapes = np.asarray(dataset.batch_shapes)
    return bool((shapes == shapes[0]).all())


def _most_labels(dataset: Any) -> int:
    """Labels of the fullest image."""
    if hasattr(dataset, "store"):
        return int(dataset.store.counts.max(initial=0))
    return max((len(label["cls"]) for label in getattr(dataset, "labels", ())), default=0)


def _all_labels(dataset: Any) -> np.ndarray:
    """Class and box of every object as (N, 5) rows: class, then centre and size as fractions."""
    if hasattr(dataset, "store"):
        block: np.ndarray = dataset.store.block
        return block
    labels = getattr(dataset, "labels", ())
    rows = [np.hstack([x["cls"].reshape(-1, 1), x["bboxes"]]) for x in labels]
    return np.concatenate(rows) if rows else np.zeros((0, 5), np.float32)


def _loss_names(network: nn.Module) -> Any:
    criterion: Any = network.init_criterion()  # type: ignore[operator]
    return getattr(getattr(criterion, "one2one", criterion), "loss_names", ())
