"""Runs killed at random moments and continued end in the same bits as undisturbed ones.

`YOLO_KILLS=10` makes ten kills for each task instead of two: the acceptance test of 20 in all. Where they struck is
written to kills.txt beside the folders of the runs.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.engine import kills

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("YOLO_KILLS", "2"))
RENAMINGS = 10  # files renamed in an undisturbed run: arguments, checkpoints and their copies


@pytest.fixture(scope="module", params=["detect", "segment"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Task, folder, what an undisturbed run gives, and its length in seconds."""
    folder = tmp_path_factory.mktemp(request.param)
    kills.write_set(folder, request.param)
    done, length_s = kills.run(kills.run_args(folder, request.param, 0), folder / "whole")
    assert done
    return request.param, folder, kills.facts(folder / "whole"), length_s


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_run_ends_in_the_same_bits(undisturbed, seed: int) -> None:
    task, folder, expected, length_s = undisturbed
    rng = random.Random(f"{task} {seed}")
    args = kills.run_args(folder, task, save_steps=seed % 2)
    place = folder / f"killed{seed}"
    struck = kills.finish(args, place, rng, length_s, RENAMINGS)
    with (folder.parent / "kills.txt").open("a") as record:
        record.write(f"{task} {seed} save_steps={seed % 2}: {struck}\n")
    assert kills.differences(expected, kills.facts(place)) == []
