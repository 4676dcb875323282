"""Weights as safetensors: tensors and text, nothing that could run, readable without this library.

The file holds the state of a network in float16 and, under the metadata key "ultralytics", a JSON object that says how
to build it: class, model file, names, plain attributes, and the training record of the checkpoint. A network is rebuilt
from its model file; one that cannot be is refused when it is saved, not when somebody needs it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.errors import CheckpointError, ConfigValueError, UltralyticsError
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks.base import BaseModel
from ultralytics.nn.tasks.globals import Unknown, resolve
from ultralytics.nn.tasks.parse import parse_activation
from ultralytics.nn.tasks.transfer import adopt_class_width, class_widths
from ultralytics.utils.files import atomic_write

if TYPE_CHECKING:
    from ultralytics.nn.tasks.checkpoint import Checkpoint

__all__ = ["PORTABLE_SUFFIX", "read_portable", "write_portable"]

PORTABLE_SUFFIX = ".safetensors"
METADATA_KEY = "ultralytics"
SCHEMA = 1
EXTRA = "attribute."  # prefix of tensors that are plain attributes of the network
# Attributes that are rebuilt, stored under keys of their own, or belong to one process only.
NOT_STORED = frozenset(
    {"args", "criterion", "model", "pt_path", "save", "stride", "training", "transforms", "yaml"}
)
# Entries of a checkpoint that are kept beside the weights.
KEPT_FACTS = (
    *("train_args", "train_metrics", "train_results"),
    *("date", "version", "git", "license", "docs"),
)
IN_PLACE = re.compile(r",? ?inplace=\w+")

Record = dict[str, Any]  # Any: JSON values


def write_portable(ckpt: Mapping[str, Any], path: str | Path) -> None:
    """Write the network of a checkpoint dictionary as safetensors. The file appears complete or not at all.

    Args:
        ckpt: as for `write_checkpoint`; its network must be one that its model file builds.
        path: where to.

    Raises:
        CheckpointError: the network cannot be rebuilt from its model file; save it as .pt.
    """
    from safetensors.torch import save

    network: Any = ckpt.get("ema") or ckpt.get("model")  # Any: a task model
    record = _describe(network) | {key: ckpt[key] for key in KEPT_FACTS if ckpt.get(key)}
    _check_rebuilds(network, record, path)
    tensors = {**network.state_dict(), **_extra_tensors(network)}
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(record, default=str)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, save(stored, metadata={"format": "pt", METADATA_KEY: text}))


def read_portable(path: str | Path) -> tuple[BaseModel, Checkpoint]:
    """The float32 network of a safetensors file, and a dictionary like that of a .pt file.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, holds no network of this library, or does not fit its description.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights file {path}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error})") from error
    record = _parsed(metadata, path)
    try:
        network = _rebuild(record, {name: tuple(value.shape) for name, value in state.items()})
        _fill(network, state)
    except (UltralyticsError, Unknown, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its own description: {error}") from error
    facts = {key: record.get(key) for key in KEPT_FACTS}
    return network, {"epoch": -1, "model": network, "ema": None, "optimizer": None, **facts}


def _describe(network: Any) -> Record:
    cls = type(network)
    return {
        "schema": SCHEMA,
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "yaml": network.yaml,
        "fused": bool(network.is_fused()),
        "end2end": bool(network.end2end),
        "activations": _activations(network),
        "attributes": {
            name: value
            for name, value in vars(network).items()
            if not name.startswith("_") and name not in NOT_STORED and _is_json(value)
        },
    }


def _activations(network: nn.Module) -> dict[str, str]:
    """Activation of every convolution, as text that a model file could hold."""
    convs = ((name, module) for name, module in network.named_modules() if isinstance(module, Conv))
    return {name: "nn." + IN_PLACE.sub("", repr(module.act)) for name, module in convs}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _extra_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Plain attributes that are tensors, such as embeddings of class names."""
    return {
        EXTRA + name: value
        for name, value in vars(network).items()
        if isinstance(value, Tensor) and name not in NOT_STORED
    }


def _check_rebuilds(network: nn.Module, record: Record, path: str | Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    try:
        with torch.device("meta"):
            made = _rebuild(
                json.loads(json.dumps(record, default=str), object_hook=_numbers), wanted
            )
        found = {name: tuple(value.shape) for name, value in made.state_dict().items()}
    except (UltralyticsError, Unknown, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: this network cannot be built from its model file ({error}); save it as .pt"
        ) from error
    odd = sorted(wanted.items() ^ found.items())
    if odd:
        raise CheckpointError(
            f"{path}: this network differs from what its model file builds, first at {odd[0][0]}; "
            "save it as .pt"
        )


def _parsed(metadata: Mapping[str, str], path: str | Path) -> Record:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise CheckpointError(
            f"{path} has no entry {METADATA_KEY!r} in its metadata, so its network is unknown; build the "
            "network from a model file and load these tensors with load_state_dict"
        )
    try:
        record = json.loads(text, object_hook=_numbers)
    except ValueError as error:
        raise CheckpointError(f"{path}: the description of the network is damaged") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise CheckpointError(f"{path}: the description is not of schema {SCHEMA}")
    return record


def _numbers(table: Record) -> dict[Any, Any]:
    """JSON turns numbers that are keys into text; class and keypoint names are kept by number."""
    if table and all(key.isdecimal() for key in table):
        return {int(key): value for key, value in table.items()}
    return table


def _rebuild(record: Record, shapes: Mapping[str, tuple[int, ...]]) -> Any:  # Any: a task model
    module, _, name = str(record["class"]).rpartition(".")
    cls = resolve(module, name)
    if not (isinstance(cls, type) and issubclass(cls, BaseModel)):
        raise ConfigValueError(f"{record['class']} is no task model")
    content = record["yaml"]
    network = _built(cls, content, content.get("nc"))
    widths = class_widths(shapes, len(network.model) - 1)
    if widths and widths != class_widths(_shapes(network), len(network.model) - 1):
        # the hidden width of class branches follows the class count the first training had
        adopt_class_width(network, _built(cls, content, max(widths)))
    for attribute, value in record["attributes"].items():
        if callable(getattr(cls, attribute, None)):
            raise ConfigValueError(f"attribute {attribute!r} hides a method")
        if not isinstance(getattr(cls, attribute, None), property):
            setattr(network, attribute, value)
    if record["fused"]:
        network.end2end = record["end2end"]
        network.fuse(verbose=False)
    _set_activations(network, record["activations"])
    return network.eval()


def _built(
    cls: Any, content: Record, nc: int | None
) -> Any:  # Any: a task model class; a task model
    copy = json.loads(json.dumps(content), object_hook=_numbers)
    return cls({**copy, "nc": nc}, ch=copy.get("channels", 3), verbose=False)


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _set_activations(network: nn.Module, texts: Mapping[str, str]) -> None:
    own = _activations(network)
    for name, text in texts.items():
        if own.get(name) != text:
            network.get_submodule(name).act = parse_activation(text)


def _fill(network: nn.Module, state: dict[str, Tensor]) -> None:
    extra = {name for name in state if name.startswith(EXTRA)}
    weights = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if name not in extra
    }
    network.load_state_dict(weights, strict=True)
    for name in extra:
        attribute = name.removeprefix(EXTRA)
        if not attribute.isidentifier() or callable(getattr(type(network), attribute, None)):
            raise ConfigValueError(f"tensor {name!r} hides a method")
        setattr(network, attribute, state[name].float())
