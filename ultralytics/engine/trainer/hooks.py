"""What a task or a user changes about a trainer: data, network, batches, names and pictures.

`BaseTrainer` adds the run. Everything here may be overridden; the four methods that raise must be. Specification
chapter 40, section 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.engine.trainer import own_transforms
from ultralytics.errors import ConfigValueError, DatasetError, UltralyticsError
from ultralytics.nn.backends.formats import WEIGHT_SUFFIXES
from ultralytics.utils.namespace import IterableSimpleNamespace

__all__ = ["Batch", "TrainerHooks", "copies_beside", "takes_device_batches"]

Batch = dict[str, Any]  # Any: tensors and tuples by key


class TrainerHooks:
    """Methods of a trainer that tasks and users override.

    Attributes:
        val_batch_factor: images of a validation batch per image of a training batch.
        loss_is_sum: the loss adds up images; False for one that is a mean over them or their labels.
        skips_parameters: weights may be without gradient in some steps, which a run on several devices must then
            search for; False where every weight takes part in every step.
        sync_batchnorm: normalise over the images of all ranks (GPUs only).
        can_distill: the network may learn from a teacher; it then needs a Detect head.
        takes_device_batches: said by a class that defines `preprocess_batch` of tensors wherever they are, so that
            they may be copied to a GPU before it. A class that replaces the method says so anew.
        dry_run: train once on the batch with most labels before the first epoch; None: on GPUs.
    """

    val_batch_factor = 2  # validation needs no gradients; a task that needs the memory says 1
    loss_is_sum = True
    skips_parameters = True
    sync_batchnorm = False
    can_distill = True
    takes_device_batches = False
    dry_run: bool | None = None

    args: IterableSimpleNamespace
    resume: bool
    model: Any  # Any: a name until setup_model has built the network
    data: dict[str, Any]
    device: torch.device
    csv: Path
    loss_names: tuple[str, ...]
    train_loader: Any  # Any: a loader with a data set

    @property
    def transforms(self) -> Any:  # Any: Compose, or torchvision's for classification
        """Steps that make a training sample, a list that may be edited or replaced; None before the data is loaded.

        Edits reach worker processes at the start of the next epoch. What a subclass sets before the data is loaded
        is an attribute of its own, and stays that.
        """
        if "transforms" in vars(self):
            return vars(self)["transforms"]
        loader = getattr(self, "train_loader", None)
        return None if loader is None else own_transforms.transforms_of(loader.dataset)

    @transforms.setter
    def transforms(self, value: Any) -> None:
        if "transforms" in vars(self) or not hasattr(self, "train_loader"):
            vars(self)["transforms"] = value
        else:
            own_transforms.set_transforms(self.train_loader.dataset, value)

    def on_plot(self, path: str | Path, data: dict[str, Any] | None = None) -> None:
        """Register a picture written by this run."""
        raise NotImplementedError

    def get_dataset(self) -> dict[str, Any]:
        """Check the data set; `args.data` becomes the resolved YAML file."""
        try:
            data = self.check_data()
        except UltralyticsError:
            raise
        except (OSError, ValueError, TypeError, SyntaxError, KeyError, RuntimeError) as error:
            raise DatasetError(f"data={self.args.data}: {error}") from error
        if data.get("yaml_file"):
            self.args.data = str(data["yaml_file"])
        unknown = [c for c in self.args.classes or () if not 0 <= c < data["nc"]]
        if unknown:
            raise ConfigValueError(
                f"classes={self.args.classes}: {self.args.data} has no class {unknown[0]}; its "
                f"classes are 0 to {data['nc'] - 1}"
            )
        if self.args.single_cls:
            data["names"], data["nc"] = {0: "item"}, 1
        return data

    def check_data(self) -> dict[str, Any]:
        """Description of the data set; tasks with another form of data override this."""
        from ultralytics.data.utils import check_det_dataset

        return check_det_dataset(self.args.data, required=("train", self.args.split))

    def setup_model(self) -> dict[str, Any] | None:
        """Build or load the network; returns the checkpoint when the model name is a weights file."""
        from ultralytics.nn.tasks import load_checkpoint

        if isinstance(self.model, nn.Module):
            return None
        cfg, weights, ckpt = self.model, None, None
        if str(self.model).lower().endswith(WEIGHT_SUFFIXES):
            weights, ckpt = load_checkpoint(self.model)
            cfg = weights.yaml
        if not self.resume:
            if isinstance(self.args.pretrained, (str, Path)):
                weights, _ = load_checkpoint(self.args.pretrained)
            elif self.args.pretrained is False:
                weights = None
        self.model = self.get_model(cfg=cfg, weights=weights)
        return ckpt

    def get_model(
        self, cfg: Any = None, weights: nn.Module | None = None, verbose: bool = True
    ) -> nn.Module:
        """Network of the task. Task trainers override this."""
        raise NotImplementedError("this trainer has no network; override get_model")

    def get_validator(self) -> Any:
        """Validator of the task. Task trainers override this."""
        raise NotImplementedError("this trainer has no validator; override get_validator")

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        """Loader of a split. Task trainers override this."""
        raise NotImplementedError("this trainer has no loader; override get_dataloader")

    def build_dataset(self, img_path: Any, mode: str = "train", batch: int | None = None) -> Any:
        """Data set of a split. Task trainers override this."""
        raise NotImplementedError("this trainer has no data set; override build_dataset")

    def preprocess_batch(self, batch: Batch) -> Batch:
        """Move a batch to the device and scale it."""
        return batch

    def set_model_attributes(self) -> None:
        """Give the network the class names of the data set."""
        self.model.names = self.data["names"]

    def set_class_weights(self) -> None:
        """Give the network class weights, where a task has them."""

    def label_loss_items(
        self, loss_items: dict[str, Tensor] | None = None, prefix: str = "train"
    ) -> Any:
        """Loss values by labelled name, rounded to 5 decimals; the names alone without values."""
        if loss_items is None:
            return [f"{prefix}/{name}" for name in self.loss_names]
        return {f"{prefix}/{k}": round(float(v), 5) for k, v in loss_items.items()}

    def progress_string(self) -> str:
        """Header of the progress rows of an epoch."""
        columns = ["Epoch", "GPU_mem", *self.loss_names, "Instances", "Size"]
        return "\n" + ("%11s" * len(columns)) % tuple(columns)

    def plot_training_samples(self, batch: Batch, ni: int) -> None:
        """Draw a training batch, where a task has a picture of it."""

    def plot_training_labels(self) -> None:
        """Draw label statistics, where a task has them."""

    def plot_metrics(self) -> None:
        """Draw results.csv as results.png."""
        from ultralytics.utils.plotting import plot_results

        plot_results(file=self.csv, on_plot=self.on_plot)


def takes_device_batches(kind: type) -> bool:
    """Whether the class that a trainer class has its `preprocess_batch` from says so."""
    owner = next(parent for parent in kind.__mro__ if "preprocess_batch" in vars(parent))
    return bool(vars(owner).get("takes_device_batches", False))


def copies_beside(trainer: TrainerHooks) -> bool:
    """Whether batches may reach `preprocess_batch` of a trainer with their tensors on the device."""
    return "preprocess_batch" not in vars(trainer) and takes_device_batches(type(trainer))
