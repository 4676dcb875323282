"""A pickle reader that can build models and plain data, and nothing else.

Names are looked up in `globals.resolve`; objects are created without running constructors; the only functions a file
can call are the replacements listed there. Nothing else a pickle may ask for is carried out.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol

from torch import nn

from ultralytics.nn.tasks.globals import Inert, Unknown, callable_from_pickle, resolve
from ultralytics.utils.namespace import IterableSimpleNamespace

__all__ = ["RESTRICTED", "TRUSTING", "RestrictedUnpickler", "names_in"]

TRANSFORM_HOME = "torchvision.transforms"


class _Reader(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...
    def readline(self) -> bytes: ...


_PythonUnpickler: Any = (
    pickle._Unpickler
)  # Any: private, but its opcode table is what can be restricted


class RestrictedUnpickler(_PythonUnpickler):
    """Unpickler with the name table, and without the opcodes that could run something else."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:  # Any: see resolve
        return resolve(module, name)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        empty_namespace = function is IterableSimpleNamespace and not args
        if not (callable_from_pickle(function) or empty_namespace):
            raise Unknown(f"a call of {function!r}")
        inert = isinstance(function, type) and issubclass(function, Inert)
        self.stack[-1] = function() if inert else function(*args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        cls = self.stack[-1]
        if not _creatable(cls) or args:
            raise Unknown(f"an object of {cls!r} with arguments {args!r:.60}")
        self.stack[-1] = cls.__new__(cls)

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.state = state
            return
        if isinstance(state, tuple) and len(state) == 2 and not state[1]:
            state = state[0] or {}
        if not _creatable(type(target)) or not isinstance(state, dict):
            raise Unknown(f"a state for {type(target)!r}")
        if not all(isinstance(key, str) for key in state):
            raise Unknown("an attribute whose name is no text")
        if isinstance(target, nn.Module):
            target.__setstate__(state)
        else:
            vars(target).update(state)

    def _refused(self) -> None:
        raise Unknown("a pickle operation that model files never use")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
    for _opcode in (
        pickle.INST,
        pickle.OBJ,
        pickle.NEWOBJ_EX,
        pickle.EXT1,
        pickle.EXT2,
        pickle.EXT4,
        pickle.NEXT_BUFFER,
        pickle.READONLY_BUFFER,
    ):
        dispatch[_opcode[0]] = _refused


def _creatable(cls: object) -> bool:
    if not isinstance(cls, type):
        return False
    if issubclass(cls, (nn.Module, Inert, IterableSimpleNamespace)) or cls is OrderedDict:
        return True
    return cls.__module__.startswith(TRANSFORM_HOME)


class _TrustingUnpickler(pickle.Unpickler):
    """Ordinary unpickling, except that old names of the library are still understood."""

    def find_class(self, module: str, name: str) -> Any:  # Any: whatever the file names
        try:
            found = resolve(module, name)
        except Unknown:
            return super().find_class(module, name)
        return super().find_class(module, name) if found is Inert else found


def _load_restricted(file: _Reader, **kwargs: Any) -> Any:  # Any: as pickle.load
    return RestrictedUnpickler(file, **kwargs).load()


# What torch.load wants as `pickle_module`.
RESTRICTED = SimpleNamespace(
    __name__="restricted_pickle", Unpickler=RestrictedUnpickler, load=_load_restricted
)
TRUSTING = SimpleNamespace(
    __name__="trusting_pickle", Unpickler=_TrustingUnpickler, load=pickle.load
)


def names_in(data: bytes) -> list[str]:
    """Dotted names a pickle refers to, without reading it. Stops quietly where the data is damaged."""
    found: set[str] = set()
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":
                found.add(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                found.add(".".join(texts[-2:]))
            elif "UNICODE" in opcode.name:
                texts.append(str(argument))
    except (ValueError, IndexError, KeyError, UnicodeDecodeError):
        pass  # the caller reports the damage; names seen so far still help
    return sorted(found)
