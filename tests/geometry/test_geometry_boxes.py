"""Box notations: known values, round trips, kinds and types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.testing import assert_close

from ultralytics.geometry import boxes as B

BOX = [10.0, 20.0, 30.0, 60.0]
KNOWN = [
    pytest.param(B.xyxy2xywh, [20, 40, 20, 40], id="xyxy2xywh"),
    pytest.param(B.xywh2xyxy, [-5, -10, 25, 50], id="xywh2xyxy"),
    pytest.param(B.xywh2ltwh, [-5, -10, 30, 60], id="xywh2ltwh"),
    pytest.param(B.ltwh2xywh, [25, 50, 30, 60], id="ltwh2xywh"),
    pytest.param(B.xyxy2ltwh, [10, 20, 20, 40], id="xyxy2ltwh"),
    pytest.param(B.ltwh2xyxy, [10, 20, 40, 80], id="ltwh2xyxy"),
]
INVERSE = [
    (B.xyxy2xywh, B.xywh2xyxy),
    (B.xywh2ltwh, B.ltwh2xywh),
    (B.xyxy2ltwh, B.ltwh2xyxy),
]
numbers = st.floats(-1e3, 1e3, width=64)
arrays = hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=numbers)
Convert = Callable[[Any], Any]


@pytest.mark.parametrize(("convert", "expected"), KNOWN)
def test_known_values_for_tensors_and_arrays(convert: Convert, expected: list[float]) -> None:
    assert_close(convert(torch.tensor(BOX)), torch.tensor(expected, dtype=torch.float32))
    array = convert(np.array([[BOX]]))
    assert array.dtype == np.float64
    np.testing.assert_allclose(array, [[expected]])


@pytest.mark.parametrize(("there", "back"), INVERSE)
@given(boxes=arrays)
def test_round_trips(there: Convert, back: Convert, boxes: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(back(there(boxes)), boxes, atol=1e-9)
    assert_close(there(torch.from_numpy(boxes)), torch.from_numpy(there(boxes)))


@given(boxes=arrays, w=st.integers(1, 2000), h=st.integers(1, 2000))
def test_fractions_round_trip(boxes: np.ndarray[Any, Any], w: int, h: int) -> None:
    there = B.xyxy2xywhn(boxes, w=w, h=h)
    np.testing.assert_allclose(B.xywhn2xyxy(there, w=w, h=h), boxes, atol=1e-8)


@pytest.mark.parametrize("convert", [case.values[0] for case in KNOWN])
def test_input_is_left_alone(convert: Convert) -> None:
    boxes = torch.tensor([BOX])
    convert(boxes)
    assert_close(boxes, torch.tensor([BOX]))


def test_fractions_with_padding_and_clipping() -> None:
    placed = B.xywhn2xyxy(torch.tensor([0.5, 0.5, 0.2, 0.4]), w=640, h=480, padw=3, padh=5)
    assert_close(placed, torch.tensor([259.0, 149.0, 387.0, 341.0]))
    boxes = np.array([-10.0, 20, 700, 400])
    clipped = B.xyxy2xywhn(boxes, w=640, h=480, clip=True, eps=1e-3)
    np.testing.assert_allclose(clipped, [0.499999, 0.4375, 0.999998, 0.791667], atol=1e-6)
    np.testing.assert_allclose(boxes, [0, 20, 639.999, 400])


def test_lists_and_integers_become_floats() -> None:
    assert B.xyxy2xywh([0, 0, 3, 5]).dtype == np.float32
    np.testing.assert_allclose(B.xyxy2xywh(np.array([0, 0, 3, 5])), [1.5, 2.5, 3, 5])
    assert_close(B.xyxy2xywh(torch.tensor([0, 0, 3, 5])), torch.tensor([1.5, 2.5, 3, 5]))
    assert B.xyxy2ltwh(np.array([1, 2, 3, 5])).dtype.kind == "i"


@pytest.mark.parametrize("convert", [B.xyxy2xywh, B.xywh2xyxy, B.xywhn2xyxy, B.xyxy2xywhn])
def test_wrong_width_is_refused(convert: Convert) -> None:
    with pytest.raises(AssertionError, match="last dimension expected 4"):
        convert(np.zeros((2, 5)))
