"""Validation of YOLOE: the classes of the data set become those of a copy of the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.data import build_dataloader
from ultralytics.data.augment import LoadVisualPrompt
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.segment import SegmentationValidator
from ultralytics.models.yolo.world.val import plain_names
from ultralytics.utils.logging import LOGGER

__all__ = ["YOLOEDetectValidator", "YOLOESegValidator"]


class YOLOEDetectValidator(DetectionValidator):
    """Measures a YOLOE network. Arguments are those of the base class.

    Attributes:
        load_vp: take the classes from labelled regions of a data set in place of texts.
        refer_data: the data set of these regions; the measured one when None.
    """

    load_vp = False
    refer_data: Any = None  # Any: a description or its file

    def get_model(self, model: Any, trainer: Any = None) -> Any:
        """As the base class; alone, the network (a copy) detects the classes of the data set."""
        if self.refer_data is not None and not self.load_vp:
            raise ConfigValueError("refer_data is only read with load_vp=True")
        backend = super().get_model(model, trainer)
        if trainer is None:
            self._give_classes(backend)
        return backend

    def _give_classes(self, backend: Any) -> None:
        network = backend.base_model
        if network.model[-1].has_vocabulary:
            return
        refer = check_det_dataset(self.refer_data) if self.refer_data else self.data
        names = plain_names(refer)
        if names != plain_names(self.data):
            LOGGER.warning("The names of refer_data and data differ; those of refer_data are used.")
        if self.load_vp:
            loader = self.get_vpe_dataloader(refer)
            network.set_classes(names, self.get_visual_pe(loader, network))
        elif names != list(backend.names.values()) or getattr(network, "pe", None) is None:
            network.set_classes(names, network.get_text_pe(names))
        network.names = dict(enumerate(names))
        backend.backend.names = network.names

    def get_vpe_dataloader(self, data: dict[str, Any]) -> Any:  # Any: a checked description
        """Loader of labelled pictures whose regions are prompts."""
        before, self.data = self.data, data
        try:
            folder = data.get(self.args.split) or data["val"]
            dataset = self.build_dataset(folder, mode="val", batch=self.args.batch)
        finally:
            self.data = before
        dataset.transforms.append(LoadVisualPrompt())
        return build_dataloader(
            dataset, self.args.batch, self.args.workers, shuffle=False, device=self.device.type
        )

    @torch.inference_mode()
    def get_visual_pe(self, dataloader: Any, model: nn.Module) -> Tensor:
        """Mean embedding (1, nc, D) of every class over the pictures it is in, of unit length.

        Classes without a region keep zeros and are reported.
        """
        head: Any = model.model[-1]  # type: ignore[index]  # Any: a YOLOE head
        names = plain_names(dataloader.dataset.data)
        total = torch.zeros(len(names), head.embed, device=self.device)
        for batch in dataloader:
            batch = self.preprocess(batch)
            found: Any = model.get_visual_pe(batch["img"], batch["visuals"].to(self.device))  # type: ignore[operator]
            for image, embeddings in enumerate(found):
                present = batch["cls"][batch["batch_idx"] == image].flatten().long().unique()
                total[present] += embeddings[: len(present)].float()
        absent = [name for name, row in zip(names, total, strict=True) if not row.any()]
        if absent:
            LOGGER.warning(f"No region shows {', '.join(absent)}; these classes cannot be found.")
        return nn.functional.normalize(total, dim=-1)[None].clone()


class YOLOESegValidator(YOLOEDetectValidator, SegmentationValidator):
    """The same with masks."""
