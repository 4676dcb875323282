"""What training does for GPUs, as far as a processor can show it: memory, copies, reading, precision, compilation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.short_of_memory import short_of_memory
from ultralytics.data import build_dataloader, side_copy
from ultralytics.data.side_copy import SideCopies, on_device
from ultralytics.engine.trainer import memory, rehearsal
from ultralytics.engine.trainer.hooks import copies_beside
from ultralytics.engine.trainer.optim import make_optimizer
from ultralytics.engine.trainer.progress import LateValues, report_batch
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.utils.torch_utils import precision, select_device
from ultralytics.utils.torch_utils.precision import Precision, attempt_compile, choose_precision

Args = dict[str, Any]
CPU = torch.device("cpu")
FULL = Precision("fp32", "cpu")


# ---------------------------------------------------------------- AutoBatch


class Pretended:
    """A device of which every image takes the same share; more than `most` images do not fit."""

    def __init__(self, total: float, base: float, per_image: float, most: float = math.inf) -> None:
        self.total, self.base, self.per_image, self.most = total, base, per_image, most
        self.images: list[int] = []
        self.cleared = 0

    def saw(self, images: int) -> None:
        self.images.append(images)
        if images > self.most:
            raise torch.cuda.OutOfMemoryError("pretended")

    def reserved(self) -> float:
        return self.base + self.per_image * self.images[-1]

    def available(self) -> float:
        return self.total - 1  # another process has one GiB

    def clear(self) -> None:
        self.cleared += 1


class Measured(nn.Module):
    """A network that tells a pretended device how many images it sees."""

    def __init__(self, device: Pretended, channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.BatchNorm2d(4))
        self.stride = torch.tensor([8.0, 16.0, 32.0])
        self.names = {0: "one"}
        self.device = device
        self.eval()

    def __deepcopy__(self, memo: Any) -> Measured:
        made = Measured(self.device, self.body[0].in_channels)
        made.load_state_dict(self.state_dict())
        return made

    def forward(self, x: Tensor) -> Tensor:
        assert self.training
        self.device.saw(len(x))
        found: Tensor = self.body(x)
        return found


def batch_for(device: Pretended, fraction: float, **kwargs: Any) -> int:
    return memory.auto_batch(Measured(device), 64, fraction, FULL, meter=device, **kwargs)


def test_the_batch_uses_the_asked_share_of_what_is_available() -> None:
    device = Pretended(total=11.0, base=1.0, per_image=0.1)
    assert batch_for(device, 0.6) == 50  # (10 * 0.6 - 1) / 0.1
    assert device.images == [1, 2, 4, 8, 16]
    assert batch_for(Pretended(11.0, 1.0, 0.1), 0.9) == 80


def test_large_devices_are_measured_with_more_images() -> None:
    device = Pretended(total=80.0, base=1.0, per_image=0.5)
    batch_for(device, 0.6)
    assert device.images == [1, 2, 4, 8, 16, 32, 64]


def test_labels_cost_memory_too() -> None:
    free, crowded = Pretended(11.0, 1.0, 0.1), Pretended(11.0, 1.0, 0.1)
    anchors = 8 * 8 + 4 * 4 + 2 * 2
    objects = 50_000
    per_image = 0.1 + anchors * 6 * (objects + 2) * 4 / 2**30
    assert batch_for(crowded, 0.6, max_num_obj=objects) == int(5 / per_image)
    assert batch_for(free, 0.6) > int(5 / per_image)


def test_no_batch_above_one_that_failed_or_above_the_set() -> None:
    assert batch_for(Pretended(11.0, 1.0, 0.1, most=8), 0.9) == 8
    small = Pretended(11.0, 1.0, 0.1)
    assert batch_for(small, 0.9, dataset_size=10) == 10
    assert small.images == [1, 2, 4, 8]
    assert batch_for(Pretended(1e5, 0.0, 0.001), 0.9) == 1024


def test_more_memory_than_there_is_counts_as_failed() -> None:
    device = Pretended(total=4.0, base=1.0, per_image=0.5)  # pages to the host instead of failing
    assert batch_for(device, 1.0) == 4  # of 3 GiB
    assert device.images == [1, 2, 4, 8]


def test_one_usable_size_is_taken_and_none_is_an_error() -> None:
    assert batch_for(Pretended(11.0, 1.0, 0.1, most=1), 0.9) == 1
    with pytest.raises(RuntimeError, match="imgsz=64"):
        batch_for(Pretended(11.0, 1.0, 0.1, most=0), 0.9)


def test_measuring_leaves_the_network_as_it_was_and_takes_its_channels() -> None:
    device = Pretended(11.0, 1.0, 0.1)
    model = Measured(device, channels=5)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert memory.auto_batch(model, 64, 0.6, FULL, meter=device) == 50
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not model.training
    assert device.cleared == len(device.images) + 1


def test_a_map_of_one_cell_is_not_measured_with_one_image() -> None:
    device = Pretended(11.0, 1.0, 0.1)
    memory.auto_batch(Measured(device), 32, 0.6, FULL, meter=device)
    assert device.images == [2, 4, 8, 16]


def test_processors_get_the_default_batch(caplog: pytest.LogCaptureFixture) -> None:
    model = Measured(Pretended(11.0, 1.0, 0.1))
    with caplog.at_level("WARNING", "ultralytics"):
        assert memory.auto_batch(model, 64, 0.6, FULL) == 16
        assert memory.auto_batch(model, 64, 0.6, FULL, dataset_size=5) == 5
    assert "using batch=5" in caplog.text


def test_the_trainer_measures_at_its_largest_size(
    short_run: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Args = {}

    def measure(**kwargs: Any) -> int:
        asked.update(kwargs)
        return 4

    monkeypatch.setattr(memory, "auto_batch", measure)
    args = short_run | {"model": "yolo11n.yaml", "batch": 0.7, "multi_scale": 0.4, "epochs": 1}
    trainer = DetectionTrainer(overrides=args)
    trainer._setup_train()
    assert (asked["imgsz"], asked["fraction"]) == (96, 0.7)  # 64 * 1.4, whole strides
    assert (asked["max_num_obj"], asked["dataset_size"]) == (4 * 2, 8)
    assert (trainer.batch_size, trainer.args.batch) == (4, 4)


# ---------------------------------------------------------------- dry run and lack of memory


class Rehearsed(DetectionTrainer):
    """Makes the dry run on a processor."""

    dry_run = True


def final_weights(kind: type[DetectionTrainer], args: Args) -> dict[str, Tensor]:
    trainer = kind(overrides=args)
    trainer.train()
    state: dict[str, Tensor] = trainer.model.state_dict()
    return state | {f"ema.{k}": v for k, v in trainer.ema.ema.state_dict().items()}


@pytest.mark.slow
def test_a_dry_run_changes_nothing_of_the_run_after_it(
    short_run: Args, caplog: pytest.LogCaptureFixture
) -> None:
    args = short_run | {"model": "yolo11n.yaml", "multi_scale": 0.5, "nbs": 8, "exist_ok": True}
    plain = final_weights(DetectionTrainer, args)
    with caplog.at_level("INFO", "ultralytics"):
        rehearsed = final_weights(Rehearsed, args)
    assert "Dry run of a dense batch: 4 images with " in caplog.text
    assert all(torch.equal(value, rehearsed[name]) for name, value in plain.items())


def test_the_dry_run_takes_the_fullest_images(
    short_run: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Rehearsed(overrides=short_run | {"model": "yolo11n.yaml", "mosaic": 0.0})
    trainer._setup_train()
    counts = rehearsal.label_counts(trainer.train_loader.dataset)
    assert counts is not None
    assert counts.tolist() == [1, 2, 1, 2, 1, 2, 1, 2]  # as painted
    assert rehearsal.densest(counts, 4) == [1, 3, 5, 7]
    seen: list[Args] = []
    monkeypatch.setattr(rehearsal, "_try", lambda _, batch: seen.append(batch))
    rehearsal.rehearse(trainer)
    assert [file.rpartition("/")[2] for file in seen[0]["im_file"]] == [
        f"{i}.png" for i in (1, 3, 5, 7)
    ]


def test_processors_make_no_dry_run_by_themselves(
    short_run: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_samples", lambda *_: pytest.fail("made"))
    for dry_run, kind in ((None, "cpu"), (False, "cuda")):
        state = SimpleNamespace(dry_run=dry_run, device=torch.device(kind), is_shared=False)
        assert rehearsal.rehearse(state) is None


def test_a_dry_run_without_memory_makes_the_batch_smaller_and_says_so(
    short_run: Args, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind = short_of_memory(Rehearsed, 2, monkeypatch)
    trainer = kind(overrides=short_run | {"model": "yolo11n.yaml", "batch": 8, "nbs": 8})
    trainer._setup_train()
    with caplog.at_level("INFO", "ultralytics"):
        rehearsal.rehearse(trainer)
    assert (trainer.batch_size, trainer.accumulate, trainer.train_loader.batch_size) == (2, 4, 2)
    assert "batch=8: going on with batch=4 (try 1 of 3)" in caplog.text
    assert "optimizer step: 4; the epoch starts anew" in caplog.text
    assert "Dry run of a dense batch: 2 images" in caplog.text
    trainer._close_loaders()


def test_pending_gradients_survive_a_dry_run(short_run: Args) -> None:
    trainer = Rehearsed(overrides=short_run | {"model": "yolo11n.yaml"})
    trainer._setup_train()
    parameter = next(trainer.model.parameters())
    parameter.grad = torch.full_like(parameter, 0.25)  # of a run that was resumed inside a step
    pending = parameter.grad
    trainer._model_train()
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    rehearsal.rehearse(trainer)
    assert parameter.grad is pending
    assert bool((pending == 0.25).all())
    assert all(p.grad is None for p in trainer.model.parameters() if p is not parameter)
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())


# ---------------------------------------------------------------- copies and late reading


class Streams:
    """Stands for `torch.cuda` and writes down what is asked of it."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.is_done = False
        owner = self

        class Stream:
            def __init__(self, device: torch.device | None = None, name: str = "side") -> None:
                self.name = name

            def wait_stream(self, other: Stream) -> None:
                owner.log.append((self.name, "waits for", other.name))

        class Event:
            def record(self) -> None:
                owner.log.append("record")

            def query(self) -> bool:
                return owner.is_done

        self.Stream, self.Event = Stream, Event
        self.main = Stream(name="main")

    def current_stream(self, device: torch.device) -> Any:
        return self.main

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        self.log.append(("enter", stream.name))
        yield
        self.log.append(("leave", stream.name))


def test_copies_are_queued_beside_and_waited_for_by_the_main_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = Streams()
    monkeypatch.setattr(
        Tensor, "record_stream", lambda t, s: streams.log.append((tuple(t.shape), s.name))
    )
    copies = SideCopies(torch.device("meta"), streams)
    batch = {"img": torch.zeros(2, 3), "cls": torch.zeros(4), "im_file": ("a", "b")}
    copied = copies(batch)
    assert {k: v.device.type for k, v in copied.items() if k != "im_file"} == {
        "img": "meta",
        "cls": "meta",
    }
    assert copied["im_file"] == ("a", "b")
    assert batch["img"].device.type == "cpu"  # the loader's own batch is left alone
    assert streams.log == [
        ("enter", "side"),
        ("leave", "side"),
        ("main", "waits for", "side"),
        ((2, 3), "main"),
        ((4,), "main"),
    ]


def test_other_devices_get_batches_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_copy, "SideCopies", lambda _: pytest.fail("made"))
    batches = [{"img": torch.zeros(1)}, "anything"]
    assert all(a is b for a, b in zip(on_device(batches, CPU), batches, strict=True))


@pytest.mark.parametrize(
    ("gpus", "device", "pinned"), [(1, "cuda", True), (1, "cpu", False), (0, "cuda", False)]
)
def test_batches_for_gpus_are_page_locked(
    gpus: int, device: str, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    data = torch.utils.data.TensorDataset(torch.zeros(4))
    assert build_dataloader(data, batch=2, workers=0, device=device).pin_memory is pinned


def test_only_known_ways_to_prepare_a_batch_get_it_on_the_device() -> None:
    class Named(DetectionTrainer):
        """Replaces nothing that matters."""

    class Own(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            return super().preprocess_batch(batch)

    class Asking(Own):
        takes_device_batches = True

        def preprocess_batch(self, batch: Args) -> Args:
            return super().preprocess_batch(batch)

    def says(kind: type[Any]) -> bool:
        return copies_beside(kind.__new__(kind))

    assert all(says(k) for k in (DetectionTrainer, SegmentationTrainer, ClassificationTrainer))
    assert [says(k) for k in (Named, Own, Asking)] == [True, False, True]
    patched = DetectionTrainer.__new__(DetectionTrainer)
    patched.preprocess_batch = lambda batch: batch
    assert not copies_beside(patched)


def test_late_values_are_read_when_they_have_arrived() -> None:
    streams = Streams()
    late = LateValues(streams, is_pinned=False)
    late.request({"box": torch.tensor(1.0), "cls": torch.tensor(2.0)})
    assert late.latest == {}
    late.request({"box": torch.tensor(3.0), "cls": torch.tensor(4.0)})  # still under way
    assert late.latest == {}
    assert streams.log == ["record"]
    streams.is_done = True
    late.request({"box": torch.tensor(5.0), "cls": torch.tensor(6.0)})
    assert late.latest == {"box": 1.0, "cls": 2.0}
    late.request({"box": torch.tensor(7.0), "cls": torch.tensor(8.0)})
    assert late.latest == {"box": 5.0, "cls": 6.0}
    assert streams.log == ["record"] * 3


class Row:
    def __init__(self) -> None:
        self.rows: list[str] = []

    def set_description(self, text: str) -> None:
        self.rows.append(text)


@pytest.mark.parametrize(
    ("device", "shown"),
    [("cpu", ["1", "2", "3", "4"]), ("cuda", ["1", "4"]), ("mps", ["1", "3", "4"])],
)
def test_rows_of_accelerators_are_few_and_the_last_one_is_exact(
    device: str, shown: list[str]
) -> None:
    streams = Streams()
    streams.is_done = True
    times = iter([10.0, 10.1, 10.4])
    trainer = SimpleNamespace(
        device=torch.device(device),
        clock=lambda: next(times),
        reported_at=0.0,
        late_losses=LateValues(streams, is_pinned=False),
        nonfinite=None,
        _get_memory=lambda: 0.0,
        epoch=0,
        epochs=1,
    )
    row, batch = Row(), {"img": torch.zeros(2, 3, 32, 32)}
    for number in (1.0, 2.0, 3.0, 4.0):
        trainer.tloss = {"loss": torch.tensor(number)}
        report_batch(trainer, row, batch, is_last=number == 4.0)
    assert [text.split()[2] for text in row.rows] == shown


# ---------------------------------------------------------------- precision, devices, compilation


class Loud(nn.Module):
    """A network whose values pass the largest half-precision number on the way, or lose its few digits."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x) * self.gain
        return (y - y.mean()) / self.gain


def test_the_self_test_runs_the_network_of_the_user() -> None:
    torch.manual_seed(0)
    quiet, loud = Loud(1.0), Loud(1e6)
    for dtype, expected in ((torch.float16, False), (torch.bfloat16, True)):
        assert precision.is_half_precision_sound(quiet, CPU, dtype)
        assert precision.is_half_precision_sound(loud, CPU, dtype) is expected
    assert quiet.training


def test_bfloat16_is_tested_and_used_as_asked(caplog: pytest.LogCaptureFixture) -> None:
    class Fine(nn.Module):
        """Its output is the small difference of large values, which has no digits left in bfloat16."""

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 4, 1)
            nn.init.constant_(self.body.weight, 1e-3)
            nn.init.constant_(self.body.bias, 100.0)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.body(x).float() - 100.0
            return found

    with caplog.at_level("WARNING", "ultralytics"):
        assert choose_precision("bf16", CPU, nn.Conv2d(3, 4, 3)).kind == "bf16"
        assert not caplog.text
        assert choose_precision("bf16", CPU, Fine()).kind == "bf16"
    assert "goes on with amp=bf16 as asked" in caplog.text


@pytest.mark.parametrize(
    ("name", "poor"),
    [
        ("NVIDIA GeForce GTX 1660 Ti", True),
        ("Quadro T1000", True),
        ("Tesla T4", False),
        ("NVIDIA H200", False),
    ],
)
def test_cards_without_sound_half_precision(
    name: str, poor: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    monkeypatch.setattr(precision, "is_half_precision_sound", lambda *_: True)
    found = choose_precision(True, torch.device("cuda"), nn.Conv2d(3, 4, 3))
    assert found.kind == ("fp32" if poor else "fp16")
    assert ("unreliably" in caplog.text) is poor


def test_gpus_without_bfloat16_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    with pytest.raises(ConfigValueError, match="amp=True for float16"):
        choose_precision("bf16", torch.device("cuda"), nn.Conv2d(3, 4, 3))


def test_mps_works_in_float32_or_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision(True, torch.device("mps"), nn.Conv2d(3, 4, 3)).kind == "fp32"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigValueError, match="no MPS device"):
        select_device("mps", verbose=False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert select_device("mps", verbose=False) == torch.device("mps")


@pytest.mark.parametrize(
    ("name", "device", "fused"),
    [("SGD", "cuda", True), ("AdamW", "cuda", True), ("Adam", "cuda", True), ("SGD", "cpu", None)],
)
def test_gpus_get_the_fused_kernels(
    name: str, device: str, fused: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Args = {}

    def build(groups: Any, **kwargs: Any) -> str:
        asked.update(kwargs)
        return "made"

    monkeypatch.setattr(torch.optim, name, build)
    model = nn.Conv2d(3, 4, 3)
    placed = SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(model, "parameters", lambda: iter([placed]))
    assert make_optimizer(model, name, 0.01, 0.9, 0.0005) == "made"
    assert asked.get("fused") is fused


def test_modes_and_compilers_that_do_not_exist(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = nn.Conv2d(3, 4, 3)
    with pytest.raises(ConfigValueError, match=r"max-autotune.*choose one of"):
        attempt_compile(model, CPU, "max-autotun")
    assert attempt_compile(model, CPU, mode=False) is model
    monkeypatch.setattr(precision.shutil, "which", lambda _: None)
    assert attempt_compile(model, CPU, mode=True) is model
    assert "needs a C++ compiler" in caplog.text
    monkeypatch.setattr(precision, "find_spec", lambda _: None)
    assert attempt_compile(model, torch.device("cuda"), mode=True) is model
    assert "needs the package triton" in caplog.text


SHALLOW = """
nc: 2
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [8, 3, 2]]
head:
  - [[2, 3], 1, Detect, [nc]]
"""


@pytest.mark.slow
def test_a_compiled_network_trains(
    short_run: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = torch.compile
    # captured and run as captured: generating code takes minutes on a busy machine
    monkeypatch.setattr(torch, "compile", lambda net, mode, backend: real(net, backend="eager"))
    file = tmp_path / "shallow.yaml"
    file.write_text(SHALLOW)
    args = short_run | {"model": str(file), "epochs": 1}
    plain = DetectionTrainer(overrides=args)
    plain.train()
    compiled = DetectionTrainer(overrides=args | {"compile": True})  # seeds anew
    compiled.train()
    assert hasattr(compiled.model, "_orig_mod")
    assert compiled.last.is_file()
    losses = ([float(v) for v in t.tloss.values()] for t in (plain, compiled))
    assert next(losses) == pytest.approx(next(losses), rel=1e-2)
