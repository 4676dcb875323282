"""Classification trainer: folders of classes, cross-entropy, whole pictures."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import torch
from torch import nn

from ultralytics.cfg.load import own_setting
from ultralytics.data import ClassificationDataset, build_dataloader
from ultralytics.data.utils import check_cls_dataset
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.models.yolo.classify.val import ClassificationValidator
from ultralytics.nn.modules import TorchVision
from ultralytics.nn.tasks import ClassificationModel, yaml_model_load
from ultralytics.nn.tasks.globals import can_be_read_back
from ultralytics.utils.environment import rank
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.namespace import IterableSimpleNamespace, explicit_keys
from ultralytics.utils.torch_utils.wrapping import unwrap_model

__all__ = ["ClassificationTrainer"]

DEFAULT_IMGSZ = 224
WITHOUT_EFFECT = ("classes", "cls_pw", "multi_scale")


class ClassificationTrainer(BaseTrainer):
    """Train a classifier. Arguments and errors are those of the base class.

    `imgsz` is 224 unless it is set, and `multi_scale` is not used.
    """

    loss_is_sum = False
    can_distill = False
    skips_parameters = False
    takes_device_batches = True

    def _resolve_args(self, cfg: Any, overrides: dict[str, Any]) -> IterableSimpleNamespace:
        args = super()._resolve_args(cfg, {**overrides, "task": "classify"})
        if not self.resume and "imgsz" not in explicit_keys(args):
            args.imgsz = DEFAULT_IMGSZ
        for name in WITHOUT_EFFECT:
            if getattr(args, name):
                LOGGER.warning(f"{name}={getattr(args, name)} has no effect on classification.")
        args.multi_scale = 0.0
        return args

    # ---------------------------------------------------------------- data

    def check_data(self) -> dict[str, Any]:
        """Folders of the splits and the class names."""
        return check_cls_dataset(self.args.data, split=self.args.split)

    def build_dataset(
        self, img_path: Any, mode: str = "train", batch: int | None = None
    ) -> ClassificationDataset:
        """Data set of a split."""
        return ClassificationDataset(
            root=img_path,
            args=self.args,
            augment=mode == "train",
            prefix=mode,
            names=self.data["names"],
            channels=self.data["channels"],
        )

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        """Loader of a split; the transforms of validation go into the network, for prediction."""
        dataset = self.build_dataset(dataset_path, mode)
        if mode != "train" and isinstance(self.model, nn.Module):
            self._keep_transforms(getattr(dataset, "torch_transforms", None))
        return build_dataloader(
            dataset,
            batch=batch_size,
            workers=self.args.workers,
            shuffle=mode == "train",
            rank=rank,
            drop_last=bool(self.args.compile) and mode == "train",
            device=self.device.type,
            balance=own_setting(self.args, "balance") if mode == "train" else 0.0,
        )

    def _keep_transforms(self, transforms: Any) -> None:  # Any: a torchvision pipeline
        if transforms is None or can_be_read_back(transforms):
            unwrap_model(self.model).transforms = transforms
            return
        LOGGER.warning(
            "Your own validation transforms cannot be stored in weights files; "
            "prediction resizes, crops the centre and scales to [0, 1]."
        )

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Pictures and classes to the device."""
        for key in ("img", "cls"):
            batch[key] = batch[key].to(self.device, non_blocking=self.device.type == "cuda")
        if self.channels_last:
            batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    # ---------------------------------------------------------------- network

    def get_model(
        self, cfg: Any = None, weights: nn.Module | None = None, verbose: bool = True
    ) -> nn.Module:
        """Classification network for the classes of the data set."""
        if weights is not None:
            cfg = _without_published_weights(cfg)
        model = ClassificationModel(
            cfg, nc=self.data["nc"], ch=self.data["channels"], verbose=verbose and rank() == -1
        )
        if weights is not None:
            model.load(weights)
        for module in model.modules():
            if isinstance(module, TorchVision) and self.args.pretrained is False:
                _start_afresh(module)
            if isinstance(module, nn.Dropout) and self.args.dropout:
                module.p = self.args.dropout
        for parameter in model.parameters():
            parameter.requires_grad = True
        return model

    def setup_model(self) -> dict[str, Any] | None:
        """Build or load the network, with as many outputs as there are classes."""
        ckpt = super().setup_model()
        ClassificationModel.reshape_outputs(self.model, self.data["nc"])
        return ckpt

    def set_model_attributes(self) -> None:
        """Class names; the network says how many channels pictures have."""
        super().set_model_attributes()
        self.data["channels"] = self.model.yaml.get("channels", self.data["channels"])

    def get_validator(self) -> ClassificationValidator:
        """Validator on the test loader; the loss has one part."""
        self.loss_names = ("loss",)
        return ClassificationValidator(
            self.test_loader,
            save_dir=self.save_dir,
            args=copy(self.args),
            _callbacks=self.callbacks,
        )

    # ---------------------------------------------------------------- files

    def plot_training_samples(self, batch: dict[str, Any], ni: int) -> None:
        """Draw a training batch as train_batch{ni}.jpg."""
        from ultralytics.utils.plotting import plot_images

        plot_images(
            labels={**batch, "batch_idx": torch.arange(len(batch["img"]))},
            paths=batch.get("im_file"),
            fname=self.save_dir / f"train_batch{ni}.jpg",
            names=self.data["names"],
            on_plot=self.on_plot,
            threaded=False,
        )


def _without_published_weights(cfg: Any) -> dict[str, Any]:  # Any: name or content of a model file
    """Content of a model file whose torchvision networks fetch nothing: other weights are about to replace theirs."""
    content = deepcopy(cfg) if isinstance(cfg, dict) else yaml_model_load(cfg)
    for row in (*content["backbone"], *content["head"]):
        if row[2] == "TorchVision":
            row[3][2:3] = [None]
    return content


def _start_afresh(network: nn.Module) -> None:
    """Random weights in place of published ones."""
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
