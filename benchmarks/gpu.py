"""Training on a GPU: images per second, share of the time the GPU is idle, peak memory, beside another package.

    python benchmarks/gpu.py --product PYTHON [--reference PYTHON] --data DIR [--variants fp16,bf16,fp16+compile]

PYTHON is the interpreter of an environment with that package, DIR holds the sets `bccd` and `nuclei-seg`. Every run is
a process of its own that trains from a model file through the public interface; the sides take turns. The first epoch
of a run is not counted. The table goes to docs/benchmarks/gpu.md; without a CUDA device nothing is measured.
`--device cpu --quick` tries the script itself, on tiny images, and prints the table only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent / "docs" / "benchmarks" / "gpu.md"
SETS = {"yolo11n.yaml": "bccd", "yolo11n-seg.yaml": "nuclei-seg"}
VARIANTS = "fp16,bf16,fp16+compile,bf16+compile"
PRECISIONS = {"fp32": False, "fp16": True, "bf16": "bf16"}
TARGET = 0.70  # time per epoch, as a share of the other package's
NOTHING_MEASURED = 2
WANTED = ("images_per_s", "epoch_s", "idle_share", "peak_gib")
Facts = dict[str, Any]  # Any: numbers and texts


# ---------------------------------------------------------------- one training, in a process of its own


class Usage:
    """Share of the time in which the GPU computes, from nvidia-smi, between `start` and `stop`."""

    def __init__(self, device: str) -> None:
        self.device, self.samples, self.is_on = device, [], False
        self.samples: list[float]

    def listen(self) -> None:
        """Read samples until the process ends; without nvidia-smi there are none."""
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        try:
            source = subprocess.Popen(
                [*command, "-i", self.device, "-lms", "100"], stdout=subprocess.PIPE, text=True
            )
        except OSError:
            return
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def _read(self, source: Any) -> None:
        for line in source.stdout:
            if self.is_on and line.strip().isdigit():
                self.samples.append(float(line) / 100)

    def idle_share(self) -> float | None:
        """One minus the mean use; None when nothing was seen."""
        return 1 - statistics.fmean(self.samples) if self.samples else None


def train(job: Facts) -> Facts:
    """Train as the job says and return what was measured."""
    import torch

    from ultralytics import YOLO

    is_gpu = job["device"] != "cpu"
    usage, epochs, started = Usage(job["device"]), [], [0.0]
    if is_gpu:
        usage.listen()

    def begin(trainer: Any) -> None:
        usage.is_on = bool(epochs)
        started[0] = time.perf_counter()

    def end(trainer: Any) -> None:
        if is_gpu:
            torch.cuda.synchronize()
        usage.is_on = False
        epochs.append(time.perf_counter() - started[0])
        job["images"] = len(trainer.train_loader.dataset)

    model = YOLO(job["model"])
    model.add_callback("on_train_epoch_start", begin)
    model.add_callback("on_train_epoch_end", end)
    model.train(**job["train"], device=job["device"])
    seconds = statistics.median(epochs[1:])
    return {
        "epoch_s": seconds,
        "images_per_s": job["images"] / seconds,
        "idle_share": usage.idle_share(),
        "peak_gib": torch.cuda.max_memory_reserved() / 2**30 if is_gpu else None,
    }


def describe(device: str) -> Facts:
    """Machine and versions, as the interpreter of one side sees them."""
    import platform

    import torch

    import ultralytics

    has_gpu = torch.cuda.is_available()
    facts = {
        "package": ultralytics.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cuda": torch.version.cuda,
        "has_gpu": has_gpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "device": "processor",
    }
    if has_gpu and device != "cpu":
        facts["device"] = torch.cuda.get_device_name(int(device))
    return facts


def serve(text: str) -> None:
    """Do one job and print its result as the last line."""
    job = json.loads(text)
    found = describe(job["device"]) if job["kind"] == "describe" else train(job)
    print("RESULT " + json.dumps(found), flush=True)


# ---------------------------------------------------------------- all of them, side by side


def ask(python: str, job: Facts, timeout: float) -> Facts:
    """Result of a job under one interpreter; its last words when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "YOLO_CONFIG_DIR": f"{folder}/settings",
            "YOLO_OFFLINE": "true",
            "YOLO_AUTOINSTALL": "false",
        }
        command = [python, str(Path(__file__).resolve()), "--job", json.dumps(job)]
        try:
            done = subprocess.run(
                command, env=env, cwd=folder, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"took more than {timeout:.0f} s"}
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: Facts = json.loads(line.removeprefix("RESULT "))
            return found
    words = (done.stderr or done.stdout).strip().splitlines()
    return {"failed": words[-1] if words else f"status {done.returncode}"}


def job_of(model: str, variant: str, args: argparse.Namespace) -> Facts:
    """The training of one row."""
    precision, _, compiled = variant.partition("+")
    data = next((args.data.resolve() / SETS[model]).glob("*.yaml"))
    arguments = {
        "data": str(data),
        "imgsz": args.imgsz,
        "batch": args.batch,
        "epochs": args.epochs,
        "workers": args.workers,
        "amp": PRECISIONS[precision],
        "compile": compiled == "compile",
        "val": False,
        "plots": False,
        "save": False,
        "pretrained": False,
        "verbose": False,
        "close_mosaic": 0,
        "project": "runs",
        "name": "run",
    }
    if args.quick:
        arguments["fraction"] = 0.05
    return {"kind": "train", "model": model, "device": args.device, "train": arguments}


def measure(args: argparse.Namespace) -> list[Facts]:
    """One row for each model and variant, medians over rounds."""
    sides = {"product": args.product, "reference": args.reference}
    rows = []
    for model in args.models.split(","):
        for variant in args.variants.split(","):
            job = job_of(model, variant, args)
            found: dict[str, list[Facts]] = {side: [] for side, python in sides.items() if python}
            for _ in range(args.rounds):
                for side in found:
                    found[side].append(ask(sides[side], job, args.timeout))
                    print(model, variant, side, found[side][-1], file=sys.stderr, flush=True)
            rows.append(
                {"model": model, "variant": variant} | {s: middle(r) for s, r in found.items()}
            )
    return rows


def middle(runs: list[Facts]) -> Facts:
    """Median of every figure; the failure of a run that failed."""
    failed = next((run for run in runs if "failed" in run), None)
    if failed:
        return failed
    kept = {name: [run[name] for run in runs if run[name] is not None] for name in WANTED}
    return {name: statistics.median(values) if values else None for name, values in kept.items()}


def table(rows: list[Facts], facts: dict[str, Facts], args: argparse.Namespace) -> str:
    """The page: machine, versions, figures."""
    ours = facts["product"]
    lines = [
        f"# Training on {'a GPU' if args.device != 'cpu' else 'a processor, to try the script'}",
        "",
        f"Device {ours['device']}, CUDA {ours['cuda']}, {ours['cores']} cores, {ours['system']}; "
        f"{datetime.now(timezone.utc):%Y-%m-%d}.",
        *(
            f"{side}: package {f['package']}, torch {f['torch']}, Python {f['python']}."
            for side, f in facts.items()
        ),
        f"imgsz {args.imgsz}, batch {args.batch}, {args.workers} workers, {args.epochs} epochs of which the first "
        f"is not counted, median of {args.rounds} round(s). Time is that of the batches of an epoch; target "
        f"ratio {TARGET:.2f}.",
        "",
        "| model | arithmetic | images/s | reference | time ratio | idle | reference | peak GiB | reference |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        mine, other = row["product"], row.get("reference", {})
        ratio = None
        if mine.get("epoch_s") and other.get("epoch_s"):
            ratio = mine["epoch_s"] / other["epoch_s"]
        cells = [row["model"], row["variant"]]
        cells += [shown(side, "images_per_s", ".1f") for side in (mine, other)]
        cells.append("" if ratio is None else f"{ratio:.2f}")
        cells += [shown(side, "idle_share", ".0%") for side in (mine, other)]
        cells += [shown(side, "peak_gib", ".2f") for side in (mine, other)]
        lines.append("| " + " | ".join(cells) + " |")
    failures = [
        f"- {row['model']} {row['variant']} {side}: {row[side]['failed']}"
        for row in rows
        for side in ("product", "reference")
        if "failed" in row.get(side, {})
    ]
    return "\n".join([*lines, *(["", "Failed:", "", *failures] if failures else [])]) + "\n"


def shown(figures: Facts, name: str, form: str) -> str:
    """A figure, or what there is instead."""
    if "failed" in figures:
        return "failed"
    value = figures.get(name)
    return "" if value is None else format(value, form)


def main() -> int:
    """Measure what the command line asks for; 2 when there is no device to measure on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--product")
    parser.add_argument("--reference")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", default=",".join(SETS))
    parser.add_argument("--variants", default=VARIANTS)
    parser.add_argument("--device", default="0")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--quick", action="store_true", help="tiny images and few of them")
    parser.add_argument("--out", type=Path, help=f"default: {TABLE}, nothing with --device cpu")
    args = parser.parse_args()
    if args.job:
        serve(args.job)
        return 0
    if not args.product or not args.data:
        parser.error("--product and --data are needed")
    if args.quick:
        args.imgsz, args.batch, args.epochs = 64, 4, 2
    sides = {"product": args.product, "reference": args.reference}
    about = {"kind": "describe", "device": args.device}
    facts = {side: ask(python, about, args.timeout) for side, python in sides.items() if python}
    if any("failed" in found for found in facts.values()):
        print(f"cannot start: {facts}", file=sys.stderr)
        return NOTHING_MEASURED
    if args.device != "cpu" and not facts["product"]["has_gpu"]:
        print(
            "no CUDA device here, nothing was measured; --device cpu --quick tries the script",
            file=sys.stderr,
        )
        return NOTHING_MEASURED
    text = table(measure(args), facts, args)
    out = args.out or (TABLE if args.device != "cpu" else None)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
