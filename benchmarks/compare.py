"""Time this package against another of the same interface, side by side, and print ratios.

    python benchmarks/compare.py --product PYTHON --reference PYTHON --data DIR [--only nms_rotated,build] [--rounds 3]

PYTHON is the interpreter of an environment in which that package is installed. Every scenario of every file in this
folder runs in a process of its own, the two sides in turn, so that drift of the machine hits both. A ratio is product
over reference on the median of rounds, turned so that below 1 means the product is better.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FAILED = 1
Figures = dict[str, float]


def scenarios() -> dict[str, Path]:
    """Names in the `SCENARIOS` lists of this folder -> the file that holds them."""
    found: dict[str, Path] = {}
    for file in sorted(HERE.glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.List)):
                continue
            if getattr(node.targets[0], "id", "") == "SCENARIOS":
                names = [item.id for item in node.value.elts if isinstance(item, ast.Name)]
                found |= dict.fromkeys(names, file)
    return found


def run(python: str, file: Path, name: str, args: argparse.Namespace, config: str) -> Figures:
    """Figures of one scenario under one interpreter."""
    env = {
        **os.environ,
        "YOLO_CONFIG_DIR": config,
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "PYTHONWARNINGS": "ignore",
    }
    command = [python, str(file), name, "--data", str(args.data.resolve())]
    if args.threads:
        command += ["--threads", str(args.threads)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, env=env, cwd=folder, capture_output=True, text=True, timeout=args.timeout
        )
    for line in done.stdout.splitlines():
        if line.startswith("FIGURES "):
            figures: Figures = json.loads(line.removeprefix("FIGURES "))
            return figures
    raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1:] or "no output")


def compare(name: str, file: Path, args: argparse.Namespace) -> dict[str, Figures]:
    """Medians of both sides and their ratio, for every figure of a scenario."""
    sides = {"product": args.product, "reference": args.reference}
    rows: dict[str, list[Figures]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as config:
        for _ in range(args.rounds):
            for side, python in sides.items():
                rows[side].append(run(python, file, name, args, f"{config}/{side}"))
    table = {}
    for key in rows["product"][0]:
        ours, theirs = (statistics.median(row[key] for row in rows[side]) for side in sides)
        ratio = theirs / ours if key.endswith("_per_s") else ours / theirs
        table[key] = {"product": ours, "reference": theirs, "ratio": ratio}
    return table


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--product", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--data", type=Path, default=HERE)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    known = scenarios()
    wanted = args.only.split(",") if args.only else list(known)
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
    results, status = {}, 0
    for name in wanted:
        try:
            table = compare(name, known[name], args)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{name:20} failed: {error}", flush=True)
            status = FAILED
            continue
        for key, row in table.items():
            results[f"{name}.{key}"] = row
            figures = "  ".join(f"{side} {value:11.2f}" for side, value in row.items())
            print(f"{name:20} {key:20} {figures}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return status


if __name__ == "__main__":
    sys.exit(main())
