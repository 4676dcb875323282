"""Which names of a pickle mean what. Everything a weights file may refer to is listed or derived here.

Sources: specification chapter 10, sections 6.3 (names) and 6.4 (old paths). `sys.modules` is never touched.
"""

from __future__ import annotations

import pathlib
import sys
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from inspect import getattr_static
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import CheckpointError
from ultralytics.nn import modules
from ultralytics.nn.modules import activation, block, conv, head, transformer
from ultralytics.nn.tasks.layers import registered_classes
from ultralytics.registry import all_tasks
from ultralytics.utils.namespace import IterableSimpleNamespace

__all__ = [
    "FOREIGN",
    "Distillation",
    "Inert",
    "Unknown",
    "callable_from_pickle",
    "can_be_read_back",
    "remember_classes",
    "resolve",
]

MODULE_HOMES = (activation, conv, block, transformer, head)
MOVED = {
    "ultralytics.yolo.utils": "ultralytics.utils",
    "ultralytics.yolo.v8": "ultralytics.models.yolo",
    "ultralytics.yolo.data": "ultralytics.data",
    "ultralytics.yolo.engine": "ultralytics.engine",
}
RENAMED = {
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.modules.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
    "ultralytics.utils.loss.v10DetectLoss": "ultralytics.utils.loss.E2EDetectLoss",
}
# Whatever is found below these is kept as an empty shell: training state that inference never needs.
INERT_HOMES = (
    "ultralytics.utils.loss",
    "ultralytics.utils.tal",
    "ultralytics.utils.callbacks",
    "ultralytics.models",
    "ultralytics.engine",
    "ultralytics.events",
)
# Training with a teacher: the wrapper is opened for its student, the rest is not needed.
DISTILLATION_HOME = "ultralytics.nn.distill_model"
# Packages of another code base whose files look the same from outside.
FOREIGN = ("models", "models.yolo", "models.common", "models.experimental")
NOT_LAYERS = frozenset({"DataParallel"})
TRANSFORMS = frozenset(
    {
        "CenterCrop",
        "Compose",
        "ConvertImageDtype",
        "Grayscale",
        "Normalize",
        "Pad",
        "Resize",
        "ToTensor",
    }
)


# Classes of networks that this process wrote: they run here already, so their files may be read back here.
_WRITTEN: dict[str, type[nn.Module]] = {}


class Unknown(LookupError):
    """A name that is neither listed nor registered."""


class Inert:
    """Stands for an object that is not needed: it takes any state and does nothing."""

    state: Any = None  # Any: whatever the file holds

    def __setitem__(self, key: object, value: object) -> None:
        """Entries of dictionary-like objects are dropped."""

    def append(self, value: object) -> None:
        """Entries of list-like objects are dropped."""

    def extend(self, values: object) -> None:
        """Entries of list-like objects are dropped."""


class Distillation(nn.Module):
    """Stands for the wrapper of an unfinished run with a teacher: holds its parts, computes nothing."""


# Functions a file may call, each replaced by a version that cannot do more than it should.


def _rebuild_tensor(
    storage: Any,  # Any: torch.storage.TypedStorage
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool = False,
    hooks: object = None,
    metadata: object = None,
) -> Tensor:
    """A tensor on stored bytes; hooks are dropped."""
    return torch._utils._rebuild_tensor_v2(
        storage, offset, size, stride, requires_grad, OrderedDict()
    )


def _rebuild_parameter(data: Tensor, requires_grad: bool, hooks: object = None) -> nn.Parameter:
    return nn.Parameter(data, requires_grad)


def _attribute(owner: object, name: str) -> object:
    """The two uses a model file has for getattr: a layer's own forward method, and an enumeration member."""
    if name in ("forward", "forward_fuse"):
        kind = owner if isinstance(owner, type) else type(owner)
        if issubclass(kind, nn.Module):
            function = getattr(kind, name, None)
            if isinstance(function, FunctionType):
                is_free = owner is kind or isinstance(getattr_static(kind, name), staticmethod)
                return function if is_free else MethodType(function, owner)
    if isinstance(owner, type) and issubclass(owner, Enum) and name in owner.__members__:
        return owner[name]
    raise Unknown(f"getattr(..., {name!r})")


def _default_dictionary(*_: object) -> dict[str, Any]:
    return {}


def _path(*parts: str) -> pathlib.Path:
    return pathlib.Path(*(str(part) for part in parts))


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise Unknown(f"_codecs.encode(..., {encoding!r})")
    return text.encode("latin1")


class _NumpyType(Inert):
    """Remembers the type code of a stored numpy number."""

    def __init__(self, code: str = "f8", *_: object) -> None:
        self.code = code


def _number_type(code: str, *rest: object) -> _NumpyType:
    return _NumpyType(code, *rest)


def _number(kind: _NumpyType, data: bytes) -> int | float | bool:
    """A stored numpy scalar as a plain number."""
    import numpy as np

    code = kind.code if isinstance(kind, _NumpyType) else ""
    if code[:1] not in ("f", "i", "u", "b"):
        raise Unknown(f"numpy scalar of type {code!r}")
    plain = np.frombuffer(data, dtype=np.dtype(code))[0].item()
    return plain if isinstance(plain, (int, float)) else float(plain)


CALLABLES: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": _default_dictionary,
    "builtins.set": set,
    "__builtin__.set": set,
    "builtins.getattr": _attribute,
    "__builtin__.getattr": _attribute,
    "_codecs.encode": _encode,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
    "numpy.dtype": _number_type,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
    **{
        f"{home}.{kind}": _path
        for home in ("pathlib", "pathlib._local")
        for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
}
_ALLOWED_CALLS = frozenset(map(id, CALLABLES.values()))


def callable_from_pickle(function: object) -> bool:
    """Whether a file may call this object: one of the listed functions, or an enumeration by value."""
    if id(function) in _ALLOWED_CALLS:
        return True
    return isinstance(function, type) and issubclass(function, (Enum, Inert))


def remember_classes(network: nn.Module) -> None:
    """Let this process read back the files it writes of a network with classes of the user's own.

    Raises:
        CheckpointError: a class is defined inside a function, where no reader can find it.
    """
    for cls in {type(module) for module in network.modules()}:
        home, name = cls.__module__, cls.__qualname__
        try:
            resolve(home, name)
        except Unknown as error:
            if "<locals>" in name:
                raise CheckpointError(
                    f"class {cls.__name__} is defined inside a function, so a weights file cannot refer to it; "
                    "move it to the top level of a module"
                ) from error
            _WRITTEN[f"{home}.{name}"] = cls


def can_be_read_back(transforms: Any) -> bool:  # Any: a torchvision pipeline
    """Whether a weights file that holds this pipeline can be opened again."""
    parts = [transforms, *getattr(transforms, "transforms", ())]
    try:
        for part in parts:
            resolve(type(part).__module__, type(part).__qualname__)
    except Unknown:
        return False
    return True


def resolve(module: str, name: str) -> Any:  # Any: a class, function or constant
    """The object behind a pickled name.

    Raises:
        Unknown: the name is not allowed.
    """
    for old, new in MOVED.items():
        if module == old or module.startswith(old + "."):
            module = new + module[len(old) :]
    path = RENAMED.get(f"{module}.{name}", f"{module}.{name}")
    module, _, name = path.rpartition(".")
    if path in CALLABLES:
        return CALLABLES[path]
    if path == "ultralytics.utils.IterableSimpleNamespace":
        return IterableSimpleNamespace
    if path in ("builtins.list", "__builtin__.list"):  # argument of defaultdict
        return Inert
    registered = registered_classes().get(path) or _WRITTEN.get(path) or _network_of_task(path)
    if registered is not None:
        return registered
    if module == DISTILLATION_HOME:
        return Distillation if name == "DistillationModel" else Inert
    if module.startswith("torch"):
        return _from_torch(module, name)
    if module.startswith("ultralytics.nn."):
        return _from_library(module, name)
    if any(module == home or module.startswith(home + ".") for home in INERT_HOMES):
        return Inert
    raise Unknown(path)


def _network_of_task(path: str) -> type[nn.Module] | None:
    """The class of a registered task that is pickled under this path; the library's own are found elsewhere."""
    for task in all_tasks().values():
        if task.model.replace(":", ".") == path and not path.startswith("ultralytics."):
            network: type[nn.Module] = task.load("model")
            return network
    return None


def _from_torch(module: str, name: str) -> Any:  # Any: a layer class or a torch.dtype
    if module == "torch" and isinstance(kind := getattr(torch, name, None), torch.dtype):
        return kind
    if module.startswith("torch.nn.modules."):
        # the class must live where the file says, which rules out anything merely imported there
        found = getattr(nn, name, None)
        if module == "torch.nn.modules.linear" and name == "NonDynamicallyQuantizableLinear":
            found = nn.modules.linear.NonDynamicallyQuantizableLinear
        is_layer = isinstance(found, type) and issubclass(found, nn.Module)
        if is_layer and found.__module__ == module and name not in NOT_LAYERS:
            return found
    if module == "torchvision.transforms.transforms" and name in TRANSFORMS:
        from torchvision.transforms import transforms

        return getattr(transforms, name)
    if module == "torchvision.transforms.functional" and name == "InterpolationMode":
        from torchvision.transforms import InterpolationMode

        return InterpolationMode
    if module.startswith(("torchvision.models.", "torchvision.ops.")):
        return _from_torchvision(module, name)
    raise Unknown(f"{module}.{name}")


def _from_torchvision(module: str, name: str) -> type[nn.Module]:
    """Layers and networks of torchvision, in the module the file says; nothing is imported for a file."""
    import torchvision  # noqa: F401  # loads all of its networks and layers

    found: Any = getattr(sys.modules.get(module), name, None)  # Any: whatever has the name
    if isinstance(found, type) and issubclass(found, nn.Module) and found.__module__ == module:
        return found
    raise Unknown(f"{module}.{name}")


def _from_library(module: str, name: str) -> type[nn.Module]:
    from ultralytics.nn import tasks

    homes: tuple[Any, ...] = ()  # Any: module objects
    if module == "ultralytics.nn.modules":  # early releases had one flat module
        homes = (*MODULE_HOMES, modules)
    elif module == "ultralytics.nn.tasks":
        homes = (tasks,)
    else:
        homes = tuple(home for home in MODULE_HOMES if home.__name__ == module)
    for home in homes:
        found = vars(home).get(name)
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
    raise Unknown(f"{module}.{name}")
