"""Weights files: reading them without running them, and writing them so that others can read them.

A `.pt` is the zip that torch.save writes around one pickled dictionary (specification chapter 10, section 6). Reading
is restricted to known model classes and plain data unless the caller of one call says `trust=True`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ultralytics.errors import CheckpointError, UltralyticsError, UnsafeCheckpoint
from ultralytics.nn.tasks.globals import FOREIGN, Inert, Unknown, remember_classes, resolve
from ultralytics.nn.tasks.legacy import drop_leftovers, modernize, student_of
from ultralytics.nn.tasks.portable import PORTABLE_SUFFIX, read_portable, write_portable
from ultralytics.nn.tasks.unpickle import RESTRICTED, TRUSTING, names_in
from ultralytics.nn.tasks.verify import verify_model
from ultralytics.registry import MODULES_VARIABLE
from ultralytics.utils.files import atomic_path
from ultralytics.utils.logging import LOGGER

__all__ = ["load_checkpoint", "read_exact_state", "torch_safe_load", "write_checkpoint"]

Checkpoint = dict[str, Any]  # Any: modules, numbers, texts and dictionaries by key
EXACT_RECORD = "exact.pt"


def torch_safe_load(
    weight: str | Path, safe_only: bool | None = None, trust: bool = False
) -> tuple[Checkpoint, str]:
    """Read a weights file into (dictionary, path), on the CPU.

    Args:
        weight: path ending in .pt, or the name of a published model, which is then downloaded.
        safe_only: False is the same as `trust=True`.
        trust: unpickle without restrictions. The file can then run any code; use it only for files you made.

    Raises:
        FileNotFoundError: there is no such file.
        UnsafeCheckpoint: the file refers to something outside known model classes. Nothing from it was run.
        CheckpointError: the file is damaged or of another kind.
    """
    path = _located(weight)
    record = _pickled_record(path)
    trusted = trust or safe_only is False
    reader = TRUSTING if trusted else RESTRICTED
    try:
        content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    except Unknown as error:
        raise _unknown_names(path, record, error) from error
    except (UltralyticsError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"{path} needs the Python module {error.name!r}, which is not installed"
        ) from error
    except Exception as error:  # whatever a damaged file makes a reader do is one kind of failure
        raise CheckpointError(
            f"{path} is damaged or incomplete and cannot be read ({error}); fetch or copy it again"
        ) from error
    ckpt = _as_dictionary(content, path)
    for key in ("model", "ema"):
        entry = ckpt.get(key)
        if isinstance(entry, nn.Module):
            ckpt[key] = network = student_of(entry, path)
            if not trusted:
                verify_model(network, path)
            drop_leftovers(network)
    return ckpt, str(path)


def load_checkpoint(
    weight: str | Path,
    device: torch.device | str | None = None,
    inplace: bool = True,
    fuse: bool = False,
    trust: bool = False,
) -> tuple[Any, Checkpoint]:  # Any: a task model
    """Open the network of a weights file, ready for inference.

    Args:
        weight: as `torch_safe_load`, or the path of a .safetensors file.
        device: where to put the network.
        inplace: let activations overwrite their inputs.
        fuse: fold normalisation.
        trust: as `torch_safe_load`.

    Returns:
        The float32 network in inference mode, and the dictionary the file holds.
    """
    from ultralytics.cfg.load import DEFAULT_CFG_DICT

    model: Any  # Any: a task model, or a user's own
    if str(weight).lower().endswith(PORTABLE_SUFFIX):
        path = str(weight)
        model, ckpt = read_portable(path)
    else:
        ckpt, path = torch_safe_load(weight, trust=trust)
        candidate = ckpt.get("ema") or ckpt.get("model")
        if not isinstance(candidate, nn.Module):
            raise CheckpointError(_no_network(ckpt, candidate, path))
        model = candidate.float()
    model.args = {**DEFAULT_CFG_DICT, **_plain_args(ckpt.get("train_args"))}
    model.pt_path = path
    modernize(model)
    if fuse and hasattr(model, "fuse"):
        model.fuse()
    model = model.eval()
    if device is not None:
        model = model.to(device)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = inplace
    return model, ckpt


def write_checkpoint(
    ckpt: Mapping[str, Any], path: str | Path, exact: Mapping[str, Any] | None = None
) -> None:
    """Write a weights file. The file appears complete or not at all.

    Args:
        ckpt: the dictionary of chapter 10, section 6.1.
        path: where to. A name that ends in .safetensors gets that format, without `exact`.
        exact: tensors and plain containers kept beside it in a record of the same zip that other readers ignore.

    Raises:
        CheckpointError: the network has a class that is defined inside a function.
    """
    if str(path).lower().endswith(PORTABLE_SUFFIX):
        write_portable(ckpt, path)
        return
    for key in ("model", "ema"):
        if isinstance(network := ckpt.get(key), nn.Module):
            remember_classes(network)
    buffer = io.BytesIO()
    torch.save(dict(ckpt), buffer)
    if exact is not None:
        extra = io.BytesIO()
        torch.save(dict(exact), extra)
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
            root = archive.namelist()[0].split("/")[0]
            archive.writestr(f"{root}/{EXACT_RECORD}", extra.getbuffer())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(buffer.getbuffer())


def read_exact_state(path: str | Path) -> dict[str, Any] | None:
    """The `exact` part of a file, or None when it has none. Holds tensors and plain data only.

    Raises:
        CheckpointError: the record is damaged.
    """
    _pickled_record(Path(path))
    with zipfile.ZipFile(path) as archive:
        record = next((n for n in archive.namelist() if _is_exact(n)), None)
        if record is None:
            return None
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(archive.read(record)), map_location="cpu", weights_only=True
            )
        except Exception as error:  # one kind of failure, whatever the damage
            raise CheckpointError(f"the resume state in {path} is damaged ({error})") from error
    return state


def _is_exact(record: str) -> bool:
    return record.count("/") == 1 and record.endswith(f"/{EXACT_RECORD}")


def _located(weight: str | Path) -> Path:
    """The file behind a path or published name."""
    path = Path(str(weight).strip())
    if path.suffix.lower() != ".pt":
        raise CheckpointError(f"{weight} is not a weights file: its name must end in .pt")
    if not path.exists():
        from ultralytics.utils.downloads import attempt_download_asset

        path = Path(attempt_download_asset(str(weight)))
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {weight}")
    return path


def _pickled_record(path: Path) -> bytes:
    """The pickle inside a weights file, after telling other kinds of file apart."""
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty; fetch or copy it again")
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if not is_archive:
        raise CheckpointError(
            f"{path} is not a weights file: it is no archive written by torch.save "
            "(very old files must be re-saved with a current torch first)"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.namelist()
            pickles = [n for n in records if n == "data.pkl" or n.endswith("/data.pkl")]
            if any(n.rpartition("/")[2] == "constants.pkl" for n in records):
                raise CheckpointError(
                    f"{path} is a TorchScript archive, not a weights file; rename it to "
                    "*.torchscript to run it"
                )
            if len(pickles) != 1:
                raise CheckpointError(f"{path} is a zip archive, but not a weights file")
            return archive.read(pickles[0])
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path} is damaged or incomplete ({error}); fetch or copy it again"
        ) from error


def _unknown_names(path: Path, record: bytes, error: Unknown) -> CheckpointError:
    """One message that lists every name the file should not have."""
    unknown = [name for name in names_in(record) if not _is_known(name)]
    if any(name.rpartition(".")[0] in FOREIGN for name in unknown):
        return CheckpointError(
            f"{path} was made with the YOLOv5 repository, whose models are built differently and "
            "cannot be opened here; train or fetch a model of this library (for example yolov5nu.pt)"
        )
    ours = [name for name in unknown if name.startswith("ultralytics.")]
    if ours and len(ours) == len(unknown):
        return CheckpointError(
            f"{path} needs parts that this version does not have: {', '.join(ours)}"
        )
    listed = ", ".join(unknown) or str(error)
    return UnsafeCheckpoint(
        f"{path} was refused, nothing from it was run: it refers to {listed}, which is no known "
        "model class. Register classes of your own with ultralytics.nn.tasks.register_module, list their "
        f"module in the environment variable {MODULES_VARIABLE}, or "
        "load a file you made yourself with load_checkpoint(path, trust=True)"
    )


def _is_known(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if "Storage" in attribute and module in ("torch", "torch.storage"):
        return True
    try:
        resolve(module, attribute)
    except Unknown:
        return False
    return True


def _as_dictionary(content: object, path: Path) -> Checkpoint:
    """The checkpoint dictionary; a whole saved object is wrapped into one."""
    if isinstance(content, dict):
        return content
    if isinstance(content, Inert) and isinstance(content.state, dict):
        content = (content.state.get("_modules") or {}).get("model")
    if isinstance(content, nn.Module):
        inner = getattr(content, "model", None)
        is_wrapper = isinstance(inner, nn.Module) and not isinstance(inner, nn.Sequential)
        LOGGER.warning(f"{path} holds a bare object instead of a checkpoint; using its network.")
        return {"model": inner if is_wrapper else content}
    raise CheckpointError(f"{path} holds a {type(content).__name__}, not a checkpoint")


def _no_network(ckpt: Checkpoint, candidate: object, path: str) -> str:
    values = candidate.values() if isinstance(candidate, dict) else ckpt.values()
    if values and all(isinstance(value, torch.Tensor) for value in values):
        return (
            f"{path} holds only weights without their network; build the network from its YAML "
            "file and use load_state_dict"
        )
    return f"{path} holds no network under 'model' or 'ema'"


def _plain_args(args: object) -> dict[str, Any]:
    return dict(args if isinstance(args, Mapping) else vars(args)) if args else {}
