"""MuSGD against a step-by-step reading of its definition."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ultralytics.optim import MuSGD, muon_update, zeropower_via_newtonschulz5

GRADIENT = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])


def test_newton_schulz_of_a_known_matrix() -> None:
    expected = torch.tensor([[-0.785, 0.099, 0.734], [0.637, 0.377, 0.254]])
    assert_close(
        zeropower_via_newtonschulz5(GRADIENT).float(), expected, atol=0.03, rtol=0
    )  # bfloat16


@pytest.mark.parametrize("shape", [(8, 8), (4, 40), (40, 4), (3, 7, 5)])
def test_newton_schulz_makes_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(zeropower_via_newtonschulz5(matrix).float())
    assert values.max() < 1.35
    assert values.min() > 0.5


def test_two_steps_follow_the_worked_example() -> None:
    parameter = torch.nn.Parameter(torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))
    optimizer = MuSGD(
        [parameter],
        lr=0.01,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
        use_muon=True,
        muon=0.2,
        sgd=1.0,
    )
    expected = [
        [[0.08257, 0.16179, 0.24156], [0.32273, 0.40426, 0.47600]],
        [[0.05706, 0.10735, 0.15880], [0.21304, 0.26803, 0.29936]],
    ]
    for values in expected:
        parameter.grad = GRADIENT.clone()
        optimizer.step()
        assert_close(parameter.detach(), torch.tensor(values), atol=1e-4, rtol=0)


def test_without_muon_it_is_torch_sgd() -> None:
    ours = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    theirs = torch.nn.Parameter(ours.detach().clone())
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
    pair = (MuSGD([ours], **options), torch.optim.SGD([theirs], **options))
    for _ in range(3):
        ours.grad, theirs.grad = GRADIENT.clone(), GRADIENT.clone()
        for optimizer in pair:
            optimizer.step()
    assert_close(ours, theirs)


def test_a_list_of_gradients_equals_one_at_a_time() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 6), (4, 6), (8, 3, 3, 3), (5, 5)]
    grads = [torch.randn(s, generator=generator) for s in shapes]
    together = [torch.zeros(s) for s in shapes]
    apart = [torch.zeros(s) for s in shapes]
    updates = muon_update(grads, together)
    for update, grad, mean, seen in zip(updates, grads, apart, together, strict=True):
        assert_close(update, muon_update(grad, mean), atol=0.02, rtol=0.02)
        assert_close(mean, seen)


def test_tall_kernels_are_scaled_by_their_last_two_sides() -> None:
    tall = torch.randn(2, 1, 8, 2, generator=torch.Generator().manual_seed(3))
    update = muon_update(tall, torch.zeros_like(tall), nesterov=False)
    plain = zeropower_via_newtonschulz5(0.05 * tall.reshape(2, -1)).float().reshape(tall.shape)
    assert_close(update, plain * 2.0, atol=0.02, rtol=0.02)


def test_parameters_without_gradient_are_left_alone() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    MuSGD([parameter], lr=1.0, use_muon=True).step()
    assert_close(parameter.detach(), torch.ones(2, 2))
