"""Helpers of `ultralytics.utils.ops` that are not geometry, and its public names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ultralytics.utils import ops


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(ops, name)) for name in ops.__all__)


@pytest.mark.parametrize(
    ("x", "divisor", "expected"),
    [(1, 8, 8), (8, 8, 8), (16.2, 8, 24), (0.5, 32, 32), (100, torch.tensor([8, 32]), 128)],
)
def test_next_multiple(x: float, divisor: int | torch.Tensor, expected: int) -> None:
    assert ops.make_divisible(x, divisor) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b@c#d!e", "a_b_c_d_e"),
        ("rtsp://u:p@h/x?y=1&z=2", "rtsp_//u_p_h/x_y_1_z_2"),
        ("plain-name_1.mp4", "plain-name_1.mp4"),
        ("x(1)*[2]^{3}", "x_1__[2]_{3}"),
    ],
)
def test_clean_names(text: str, expected: str) -> None:
    assert ops.clean_str(text) == expected


def test_batch_to_images() -> None:
    batch = torch.tensor([[[[0.0, 0.5], [1.0, 0.999]]]])
    images = ops.convert_torch2numpy_batch(batch)
    assert images.dtype == np.uint8
    assert images.shape == (1, 2, 2, 1)
    assert images.flatten().tolist() == [0, 127, 255, 254]


@pytest.mark.parametrize("kind", [torch.zeros, np.zeros])
def test_empty_like_is_float32(kind: object) -> None:
    made = ops.empty_like(kind((2, 3)))  # type: ignore[operator]
    assert made.shape == (2, 3)
    assert str(made.dtype).endswith("float32")


def test_cheapest_matching_is_optimal() -> None:
    cost = np.random.default_rng(0).random((4, 6))
    rows, columns = ops.linear_sum_assignment(cost)
    best = min(cost[range(4), list(p)].sum() for p in itertools.permutations(range(6), 4))
    assert rows.tolist() == [0, 1, 2, 3]
    assert cost[rows, columns].sum() == pytest.approx(best)
    with pytest.raises(ValueError, match="infeasible"):
        ops.linear_sum_assignment([[np.inf, np.inf], [1, 2]])


def test_stage_timer_adds_up() -> None:
    timer = ops.Profile(t=1.0, device=torch.device("cpu"))
    with timer:
        pass
    first = timer.dt
    with timer:
        pass
    assert timer.t == pytest.approx(1.0 + first + timer.dt)
    assert str(timer) == f"Elapsed time is {timer.t} s"

    @ops.Profile()
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
