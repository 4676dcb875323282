"""Hostile and damaged weights files: nothing from them runs, and one clear error says what to do."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ultralytics.errors import CheckpointError, ConfigValueError, UnsafeCheckpoint
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import (
    DetectionModel,
    load_checkpoint,
    read_exact_state,
    torch_safe_load,
    write_checkpoint,
    yaml_model_load,
)

NARROW = {"n": [0.33, 0.125, 128]}


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    content = {**yaml_model_load("yolo11n.yaml"), "scales": NARROW}
    return DetectionModel(content, nc=2, verbose=False).eval()


@pytest.fixture(scope="module")
def good(model: DetectionModel) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": model, "train_args": {}}, buffer)
    return buffer.getvalue()


def _with_pickle(path: Path, good: bytes, change: Callable[[bytes], bytes]) -> Path:
    """A sound archive around a changed pickle."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in records.items():
            archive.writestr(name, change(data) if name.endswith("/data.pkl") else data)
    return path


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.args


def _write(path: Path, content: Any, protocol: int = 2) -> Path:
    torch.save(content, path, pickle_protocol=protocol)
    return path


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("place", ["root", "entry", "args", "names", "attribute", "child"])
def test_a_command_in_the_file_is_not_run(
    place: str, protocol: int, model: DetectionModel, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    payload = Call(os.system, f"touch {proof}")
    content: Any = {"model": model, "train_args": {}}
    if place == "root":
        content = payload
    elif place == "entry":
        content["date"] = payload
    elif place == "args":
        content["train_args"] = {"data": payload}
    else:
        content["model"] = broken = pickle.loads(pickle.dumps(model))
        if place == "names":
            broken.names = {0: payload}
        elif place == "attribute":
            broken.model[0].note = payload
        else:
            broken.model[0]._modules["act"] = payload
    path = _write(tmp_path / "m.pt", content, protocol)
    for read in (load_checkpoint, torch_safe_load):
        with pytest.raises(UnsafeCheckpoint, match=r"system.*register_module.*trust=True"):
            read(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(Call(getattr, Call(__import__, "os"), "system"), id="getattr-chain"),
        pytest.param(Call(getattr, Conv, "__init__"), id="getattr-of-a-constructor"),
        pytest.param(Call(getattr, Conv, "__globals__"), id="getattr-of-globals"),
        pytest.param(Call(getattr, "text", "format"), id="getattr-of-text"),
        pytest.param(Call(Call, eval, "1"), id="class-of-another-module"),
        pytest.param(Call(eval, "1"), id="eval"),
        pytest.param(Call(torch.load, "x"), id="torch-function"),
        pytest.param(Call(nn.Linear, 3, 4), id="constructor-of-a-layer"),
        pytest.param(Call(Conv, 3, 4), id="constructor-of-our-layer"),
        pytest.param(Call(nn.utils.parametrize.register_parametrization, 1), id="torch-helper"),
        pytest.param(Call(zipfile.ZipFile, "x"), id="standard-library"),
        pytest.param(Call(bytearray, 10), id="builtin-type"),
    ],
)
def test_calls_outside_the_table_are_refused(payload: Call, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        torch_safe_load(_write(tmp_path / "m.pt", {"model": payload}))


def _changed(model: DetectionModel, change: Callable[[Any], None]) -> DetectionModel:
    twin: DetectionModel = pickle.loads(pickle.dumps(model))
    change(twin)
    return twin


def _set(target: nn.Module, name: str, value: object) -> None:
    target.__dict__[name] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda m: _set(m, "predict", "x"), "hides a method", id="text-over-method"),
        pytest.param(
            lambda m: _set(m.model[0], "forward", m.model[1].forward),
            "is a function",
            id="forward-of-another",
        ),
        pytest.param(
            lambda m: _set(m.model[0], "eval", m.model[0].forward_fuse),
            "is a function",
            id="method-over-method",
        ),
        pytest.param(
            lambda m: m.model[0]._forward_hooks.update({0: m.model[1].forward}),
            "not empty",
            id="hook",
        ),
        pytest.param(
            lambda m: m.model[0]._modules.update({"act": "text"}),
            "act is a str",
            id="child-that-is-text",
        ),
        pytest.param(
            lambda m: m.model[0]._buffers.update({"b": {}}),
            "b is a dict",
            id="buffer-that-is-no-tensor",
        ),
        pytest.param(
            lambda m: _set(m, "yaml", {"nc": nn.Identity()}),
            "yaml is a dict",
            id="module-inside-data",
        ),
    ],
)
def test_objects_that_would_misbehave_are_refused(
    change: Callable[[Any], None], message: str, model: DetectionModel, tmp_path: Path
) -> None:
    path = _write(tmp_path / "m.pt", {"model": _changed(model, change)})
    with pytest.raises(UnsafeCheckpoint, match=message):
        load_checkpoint(path)


def test_crafted_activation_text_stays_text(model: DetectionModel, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    text = f"__import__('os').system('touch {proof}')"
    twin = _changed(model, lambda m: m.yaml.update(activation=text))
    opened, _ = load_checkpoint(_write(tmp_path / "m.pt", {"model": twin}))
    with pytest.raises(ConfigValueError, match="activation"):
        DetectionModel(opened.yaml, nc=2, verbose=False)
    assert not proof.exists()


def test_trust_must_be_said(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    path = _write(tmp_path / "m.pt", {"model": Call(os.system, f"touch {proof}")})
    torch_safe_load(path, trust=True)
    assert proof.exists()


def test_every_unknown_name_is_listed(tmp_path: Path) -> None:
    content = {"a": Call(os.system, "true"), "b": Call(eval, "1"), "c": Call(bytearray, 1)}
    with pytest.raises(UnsafeCheckpoint, match=r"builtin.*bytearray.*eval.*system"):
        torch_safe_load(_write(tmp_path / "m.pt", content))


def test_a_missing_part_of_the_library_is_told_apart_from_danger(
    good: bytes, tmp_path: Path
) -> None:
    path = _with_pickle(
        tmp_path / "m.pt", good, lambda data: data.replace(b"\nConcat\n", b"\nConcax\n")
    )
    with pytest.raises(CheckpointError, match=r"does not have: .*conv\.Concax"):
        load_checkpoint(path)


# damage


def test_cut_files_are_reported_at_every_length(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    lengths = [1, 2, 3, 4, 5, 30, 64, 100, len(good) - 1, len(good) - 21, len(good) - 22]
    lengths += list(range(200, len(good), max(len(good) // 60, 1)))
    for length in lengths:
        path.write_bytes(good[:length])
        with pytest.raises(CheckpointError, match=r"m\.pt"):
            load_checkpoint(path)
        with pytest.raises(CheckpointError, match=r"m\.pt"):
            read_exact_state(path)


def test_flipped_bytes_are_noticed(good: bytes, tmp_path: Path) -> None:
    damaged = bytearray(good)
    damaged[good.index(b"data.pkl") + 500] ^= 0x5A
    path = tmp_path / "m.pt"
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("offset", range(40, 12000, 149))
def test_a_changed_pickle_never_escapes_the_error_type(
    offset: int, good: bytes, tmp_path: Path
) -> None:
    def flip(data: bytes) -> bytes:
        return data[:offset] + bytes([data[offset] ^ 0x15]) + data[offset + 1 :]

    path = _with_pickle(tmp_path / "m.pt", good, flip)
    with suppress(CheckpointError):  # a change may hit a value that is not checked
        content, _ = torch_safe_load(path)
        assert isinstance(content, dict)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"hello", "no archive", id="text"),
        pytest.param(b"\x80\x02}q\x00.", "no archive", id="bare-pickle"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "no archive", id="pointer"),
    ],
)
def test_files_of_another_kind(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        torch_safe_load(path)


def test_archives_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="zip archive, but not a weights file"):
        torch_safe_load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"x")
        archive.writestr("m/constants.pkl", b"x")
    with pytest.raises(CheckpointError, match="TorchScript"):
        torch_safe_load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([1, 2], "holds a list", id="list"),
        pytest.param({"epoch": 1}, "no network", id="no-network"),
        pytest.param({"model": None, "ema": None}, "no network", id="nothing"),
        pytest.param({"a.weight": torch.ones(2)}, "only weights", id="state-dict"),
        pytest.param({"model": {"a.weight": torch.ones(2)}}, "only weights", id="inner-state-dict"),
        pytest.param({"model": nn.Identity()}, "not a task model", id="other-module"),
    ],
)
def test_content_of_another_kind(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(_write(tmp_path / "m.pt", content))


def test_files_of_another_code_base_are_named(good: bytes, tmp_path: Path) -> None:
    record = b"\x80\x02cmodels.yolo\nDetectionModel\nq\x00."
    path = _with_pickle(tmp_path / "m.pt", good, lambda _: record)
    with pytest.raises(CheckpointError, match="YOLOv5 repository"):
        torch_safe_load(path)


def test_wrong_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must end in \.pt"):
        torch_safe_load(tmp_path / "m.onnx")
    with pytest.raises(FileNotFoundError):
        torch_safe_load(tmp_path / "m.pt")


def test_the_extra_record_is_read_without_unpickling_objects(
    model: DetectionModel, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    path = tmp_path / "m.pt"
    write_checkpoint({"model": model}, path, exact={"x": Call(os.system, f"touch {proof}")})
    with pytest.raises(CheckpointError, match="resume state"):
        read_exact_state(path)
    assert not proof.exists()


class OwnLayer(nn.Module):
    """A class of the user's that was never registered."""


def test_a_process_reads_back_what_it_wrote_and_others_refuse_it(tmp_path: Path) -> None:
    network = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    network.extra = OwnLayer()
    write_checkpoint({"model": network, "ema": None}, tmp_path / "own.pt")
    found, _ = load_checkpoint(tmp_path / "own.pt")
    assert type(found.extra) is OwnLayer
    code = f"from ultralytics.nn.tasks import load_checkpoint; load_checkpoint({str(tmp_path / 'own.pt')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "UnsafeCheckpoint" in done.stderr
    assert "OwnLayer" in done.stderr


def test_a_class_inside_a_function_cannot_be_stored(tmp_path: Path) -> None:
    class Hidden(nn.Module):
        """Found by nobody."""

    network = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    network.extra = Hidden()
    with pytest.raises(CheckpointError, match="class Hidden is defined inside a function"):
        write_checkpoint({"model": network}, tmp_path / "own.pt")
    assert not (tmp_path / "own.pt").exists()
