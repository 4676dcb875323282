"""What every file of scenarios needs: timing, peak memory, and the command line that runs one scenario."""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Figures = dict[str, float]
Scenario = Callable[[argparse.Namespace], Figures]


def median_ms(work: Callable[[], object], repeats: int, warmup: int = 1) -> float:
    """Median wall time of a call in milliseconds."""
    for _ in range(warmup):
        work()
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples)


def peak_mb() -> float:
    """Largest memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(scenarios: Sequence[Scenario]) -> None:
    """Run the scenario that the command line names and print its figures."""
    by_name = {scenario.__name__: scenario for scenario in scenarios}
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=by_name)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    context = parser.parse_args()
    if context.threads:
        os.environ["OMP_NUM_THREADS"] = str(context.threads)
        import torch

        torch.set_num_threads(context.threads)
    print("FIGURES " + json.dumps(by_name[context.name](context)))
