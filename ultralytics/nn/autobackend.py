"""Choose the runtime of a network and look like it.

Only native networks run in this version; every other format of the interface is named in the error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import NotAvailable
from ultralytics.nn.backends.base import BaseBackend
from ultralytics.nn.backends.formats import format_of
from ultralytics.nn.backends.names import check_class_names, default_class_names
from ultralytics.nn.backends.pytorch import PyTorchBackend

__all__ = ["AutoBackend", "check_class_names", "default_class_names"]


class AutoBackend(nn.Module):
    """A network ready to run, whatever it was stored as.

    Attributes that are not found here are those of the runtime: device, names, task, stride, fp16, imgsz, ...

    Args:
        model: module, .pt file, or another weights file.
        device: where it runs; the CPU when not given.
        dnn: run ONNX files with OpenCV.
        data: data set description that names the classes of a network without names.
        fp16: half precision where the device has it.
        fuse: fold batch norms of native networks.
        verbose: log the network's size.
        channels_last: memory layout of native networks; None decides by device.
        end2end: which branch of a dual head is used; None keeps what the network says.

    Raises:
        TypeError: no known format.
        NotAvailable: a format that this version cannot run.
    """

    def __init__(
        self,
        model: nn.Module | str | Path = "yolo26n.pt",
        device: torch.device | str | None = None,
        dnn: bool = False,
        data: str | Path | None = None,
        fp16: bool = False,
        fuse: bool = True,
        verbose: bool = True,
        channels_last: bool | None = None,
        end2end: bool | None = None,
    ) -> None:
        super().__init__()
        self.format = "pt" if isinstance(model, nn.Module) else format_of(str(model), dnn)
        if self.format != "pt":
            raise NotAvailable(
                f"running {self.format} models ({model}) is not part of this version; use the .pt weights"
            )
        chosen = torch.device("cpu" if device is None else device)
        self.backend: BaseBackend = PyTorchBackend(
            model, chosen, fp16, fuse, channels_last, end2end, verbose
        )
        if not self.backend.names:
            self.backend.names = default_class_names(data)
        self.nhwc = False

    @property
    def pt(self) -> bool:
        """Whether the network is a native one."""
        return self.format == "pt"

    @property
    def base_model(self) -> nn.Module:
        """The native network."""
        module: Any = self.backend.model
        return module

    def __getattr__(self, name: str) -> Any:  # Any: attributes of the runtime
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "backend":
                raise
            return getattr(self.backend, name)

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None, **kwargs: Any) -> Any:
        """Run the network without recording gradients.

        Args:
            im: NCHW batch of RGB values 0-1; converted to half precision if the network runs in it.
            augment: also run flipped and scaled copies, where the network offers that.
            embed: layer indexes whose pooled features are returned instead of predictions.
            **kwargs: passed to the network.
        """
        if self.backend.fp16 and im.dtype != torch.float16:
            im = im.half()
        with torch.inference_mode():
            return self.backend(im, augment=augment, embed=embed, **kwargs)

    def warmup(
        self, imgsz: tuple[int, int, int, int] = (1, 3, 640, 640), im: Tensor | None = None
    ) -> None:
        """Run once so that accelerators set themselves up; nothing to do on a CPU.

        Args:
            imgsz: shape of a batch of zeros.
            im: batch to use instead.
        """
        if self.backend.device.type == "cpu":
            return
        dtype = torch.float16 if self.backend.fp16 else torch.float32
        sample = torch.zeros(imgsz, dtype=dtype, device=self.backend.device) if im is None else im
        self.forward(sample)

    def compile_network(self, mode: bool | str) -> None:
        """Compile plain forward passes; see the native runtime."""
        if isinstance(self.backend, PyTorchBackend):
            self.backend.compile_network(mode)
