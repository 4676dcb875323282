"""Object keypoint similarity against the formula, written out with loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ultralytics.geometry.keypoints import kpt_iou


def test_known_value() -> None:
    labelled = torch.tensor([[[0.0, 0, 2], [10, 0, 2], [5, 5, 0]]])
    predicted = torch.tensor([[[1.0, 0, 1], [10, 2, 1], [50, 5, 1]]])
    got = kpt_iou(labelled, predicted, torch.tensor([100.0]), [0.05, 0.1, 0.1])
    assert got.item() == pytest.approx(0.606531, abs=1e-5)
    labelled[..., 2] = 0
    assert kpt_iou(labelled, predicted, torch.tensor([100.0]), [0.05, 0.1, 0.1]).item() == 0


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_loops_agree(kind: object) -> None:
    generator = torch.Generator().manual_seed(1)
    labelled = torch.rand(3, 4, 3, generator=generator) * 20
    labelled[..., 2] = (labelled[..., 2] > 8).float()
    predicted = torch.rand(5, 4, 3, generator=generator) * 20
    area = torch.rand(3, generator=generator) * 200 + 10
    sigmas = [0.05, 0.1, 0.2, 0.3]
    got = kpt_iou(labelled, predicted, area, kind(sigmas))  # type: ignore[operator]
    for n in range(3):
        for m in range(5):
            terms = [
                math.exp(
                    -((labelled[n, k, :2] - predicted[m, k, :2]) ** 2).sum().item()
                    / (2 * (2 * sigmas[k]) ** 2 * area[n].item())
                )
                for k in range(4)
                if labelled[n, k, 2] > 0
            ]
            expected = sum(terms) / len(terms) if terms else 0
            assert got[n, m].item() == pytest.approx(expected, abs=1e-5)
