"""Runs that are killed and continued: what the child processes of the test do, and how two runs are compared."""

from __future__ import annotations

import csv
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import torch

from tests.multiprocess.parts import DETECT
from tests.painted import paint

Args = dict[str, Any]

SEGMENT = DETECT.replace("nc: 2", "nc: 2\nend2end: True\nreg_max: 1").replace(
    "Detect, [nc]", "Segment, [nc, 8, 16]"
)
IMAGES = 18  # five batches of four, the last one short; two batches make a step, so one is always pending

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["ultralytics.models.yolo.detect", "ultralytics.models.yolo.segment"]
)


def write_set(folder: Path, task: str) -> Path:
    """A painted set and a tiny network; returns the YAML of the set."""
    paint(folder, "train", IMAGES, seed=0)
    paint(folder, "val", 6, seed=1)
    if task == "segment":
        for file in folder.glob("labels/*/*.txt"):
            file.write_text("".join(map(_polygon, file.read_text().splitlines())))
    (folder / "tiny.yaml").write_text({"detect": DETECT, "segment": SEGMENT}[task])
    path = folder / "set.yaml"
    path.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames: [red, blue]\n")
    return path


def _polygon(line: str) -> str:
    """The corners of a box as an outline."""
    kind, *box = line.split()
    cx, cy, w, h = map(float, box)
    corners = [
        (cx + sx * w / 2, cy + sy * h / 2) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    return f"{kind} " + " ".join(f"{v:.6f}" for corner in corners for v in corner) + "\n"


def run_args(folder: Path, task: str, save_steps: int, workers: int = 0) -> Args:
    """A run of a second or two in which every kind of randomness takes part."""
    return {
        "model": str(folder / "tiny.yaml"),
        "task": task,
        "data": str(folder / "set.yaml"),
        "imgsz": 64,
        "epochs": 4,
        "batch": 4,
        "nbs": 8,
        "close_mosaic": 1,
        "multi_scale": 0.5,
        "mixup": 0.3,
        "warmup_epochs": 1.5,
        "lr0": 0.02,
        "optimizer": "SGD",
        "device": "cpu",
        "workers": workers,
        "plots": False,
        "verbose": False,
        "pretrained": False,
        "exist_ok": True,
        "save_period": 2,
        "save_steps": save_steps,
        "monitor": "val/box_loss:min",
    }


def train(args: Args, folder: str, replaces: int | None, said: Any) -> None:
    """Child process: train or go on in `folder`; `said` hears when training starts and how it ended.

    With `replaces`, the process kills itself around the n-th renaming of a file: before it for even numbers, after it
    for odd ones.
    """
    torch.set_num_threads(1)
    if replaces is not None:
        _kill_at(replaces)
    from ultralytics import YOLO
    from ultralytics.errors import ResumeError

    weights = Path(folder) / "weights"
    found = [weights / n for n in ("last.pt", "step.pt") if (weights / n).is_file()]
    model = YOLO(found[0] if found else args["model"])
    if args["workers"]:
        _allow_workers(args["workers"])
    model.add_callback("on_train_start", lambda trainer: said.put(("start", trainer.start_epoch)))
    place = {"project": str(Path(folder).parent), "name": Path(folder).name}
    try:
        model.train(**({"resume": True} if found else {**args, **place}))
    except ResumeError as error:  # killed after its last file was complete
        if "has finished its" not in str(error):
            raise
    said.put(("end", None))
    said.close()
    said.join_thread()


def _kill_at(number: int) -> None:
    """Kill this process around its n-th renaming."""
    rename, seen = os.replace, [0]

    def replace(source: Any, target: Any) -> None:
        if seen[0] == number // 2 and number % 2 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if seen[0] == number // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    os.replace = replace


def _allow_workers(count: int) -> None:
    """Load with processes, which the default of the CPU avoids."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    plain = DetectionTrainer.get_dataloader

    def get_dataloader(
        self: Any, path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        self.args.workers = count if mode == "train" else 0
        return plain(self, path, batch_size, rank, mode)

    DetectionTrainer.get_dataloader = get_dataloader


def run(
    args: Args, folder: Path, delay_s: float | None = None, replaces: int | None = None
) -> tuple[bool, float]:
    """One process of a run; killed `delay_s` after its training started, or around a renaming.

    Returns:
        Whether it came to its end, and the seconds from the start of training.
    """
    said = context.Queue()
    child = context.Process(target=train, args=(args, str(folder), replaces, said))
    child.start()
    began = None
    while child.is_alive() and began is None:
        began = _heard(said)
    if delay_s is not None:
        child.join(delay_s)
        child.kill()
    child.join()
    return child.exitcode == 0, time.monotonic() - (began or time.monotonic())


def _heard(said: Any) -> float | None:
    import queue

    try:
        said.get(timeout=0.05)
    except queue.Empty:
        return None
    return time.monotonic()


def finish(args: Args, folder: Path, rng: random.Random, length_s: float, renamings: int) -> str:
    """Run to the end with one random kill on the way, drawn anew when it comes too late; returns where it struck."""
    while True:
        by_file = rng.random() < 0.4
        moment = rng.randrange(2 * renamings) if by_file else rng.uniform(0, length_s)
        times = {"replaces": moment} if by_file else {"delay_s": moment}
        if not run(args, folder, **times)[0]:
            break
        shutil.rmtree(folder)
        length_s, renamings = length_s * 0.7, max(renamings - 3, 1)
    found = [n for n in ("last", "step") if (folder / "weights" / f"{n}.pt").is_file()]
    assert run(args, folder)[0]
    how = f"around renaming {moment // 2}" if by_file else f"after {moment:.2f} s of training"
    return f"{how}, {' and '.join(found) or 'nothing'} written"


def facts(folder: Path) -> Args:
    """Everything of a finished run that must not depend on interruptions."""
    from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load

    weights = folder / "weights"
    state = read_exact_state(weights / "last.pt")
    assert state is not None
    found: Args = {
        k: state[k] for k in ("epoch", "model", "ema", "optimizer", "ema_updates", "rng", "stopper")
    }
    for name in ("last", "best"):
        ckpt = torch_safe_load(weights / f"{name}.pt")[0]
        found[name] = ckpt["model"].state_dict(), ckpt["epoch"], ckpt["train_metrics"]
    found["kept"] = torch_safe_load(weights / "epoch2.pt")[0]["ema"].state_dict()
    found["files"] = sorted(p.name for p in weights.iterdir())
    with (folder / "results.csv").open(newline="") as file:
        found["rows"] = [
            {k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(file)
        ]
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two nested results differ in any bit."""
    if isinstance(one, torch.Tensor):
        is_same = one.dtype == other.dtype and torch.equal(one, other)
        return [] if is_same else [path]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{path}: {sorted(map(str, one.keys() ^ other.keys()))}"]
        return [d for k in one for d in differences(one[k], other[k], f"{path}/{k}")]
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return [f"{path}: {len(one)} and {len(other)}"]
        pairs = enumerate(zip(one, other, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}/{i}")]
    return [] if one == other else [f"{path}: {one} and {other}"]
