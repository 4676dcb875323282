"""Recognising the format of a weights file from its name.

Formats other than native weights belong to the interface; their runtimes are not part of this version.
"""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import urlsplit

__all__ = ["FORMAT_SUFFIXES", "WEIGHT_SUFFIXES", "format_of"]

WEIGHT_SUFFIXES = (".pt", ".safetensors")  # files of native networks
FORMAT_SUFFIXES = {
    **dict.fromkeys(WEIGHT_SUFFIXES, "pt"),
    ".torchscript": "torchscript",
    ".onnx": "onnx",
    "_openvino_model": "openvino",
    ".engine": "engine",
    ".mlpackage": "coreml",
    ".mlmodel": "coreml",
    ".aimodel": "coreai",
    "_saved_model": "saved_model",
    ".pb": "pb",
    "_edgetpu.tflite": "edgetpu",
    ".tflite": "litert",
    "_paddle_model": "paddle",
    ".mnn": "mnn",
    "_ncnn_model": "ncnn",
    "_imx_model": "imx",
    "_rknn_model": "rknn",
    "_executorch_model": "executorch",
    "_axelera_model": "axelera",
    "_deepx_model": "deepx",
    "_qnn.onnx": "qnn",
    "_hailo_model": "hailo",
    "_ascend_model": "ascend",
    "_xilinx_model": "xilinx",
}


def format_of(path: str, dnn: bool = False) -> str:
    """Format name of a file, folder or inference server address.

    The suffix that ends last in the name decides, the longest of those that end together; letter case does not count.

    Args:
        path: name of the weights.
        dnn: run ONNX files with OpenCV; the format is then called "dnn".

    Raises:
        TypeError: the name has no known suffix and is no server address.
    """
    name = PurePath(path).name.lower()
    found = [
        (name.rindex(suffix) + len(suffix), len(suffix), kind)
        for suffix, kind in FORMAT_SUFFIXES.items()
        if suffix in name
    ]
    if found:
        kind = max(found)[2]
        return "dnn" if dnn and kind == "onnx" else kind
    parts = urlsplit(path)
    if parts.scheme in ("http", "grpc") and parts.netloc and parts.path:
        return "triton"
    known = ", ".join(FORMAT_SUFFIXES)
    raise TypeError(f"model={path!r} is not a supported model format. Known suffixes: {known}")
