from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from ultralytics.data.augment import BaseMixTransform, BaseTransform, Compose
from ultralytics.data.augment.compose import unify_texts


def add(number: int) -> Any:
    return lambda data: [*data, number]


class Recorder(BaseTransform):
    def get_params(self, labels: dict[str, Any]) -> dict[str, Any]:
        return {"seen": []}

    def apply_image(self, labels: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        params["seen"].append("image")
        return labels

    def apply_depth(self, labels: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        params["seen"].append("depth")
        return {**labels, **params}


class Partner(BaseMixTransform):
    def apply_image(self, labels: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        labels["partners"] = [part["im_file"] for part in labels["mix_labels"]]
        return labels


def test_parts_share_what_was_drawn_and_run_in_order() -> None:
    assert Recorder()({})["seen"] == ["image", "depth"]


def test_a_transform_that_overrides_nothing_changes_nothing() -> None:
    labels = {"img": 1}
    assert BaseTransform()(labels) is labels


def test_compose_is_a_list_that_can_be_called() -> None:
    steps = Compose(add(1))
    steps.append(add(3))
    steps.insert(1, add(2))
    assert steps([]) == [1, 2, 3]
    assert steps[[0, 2]]([]) == [1, 3]
    assert len(steps.tolist()) == 3
    assert steps[1]([]) == [2]
    steps[0] = add(9)
    steps[[1, 2]] = [add(8), add(7)]
    assert steps([]) == [9, 8, 7]


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, [add(1)]), ([0], add(1)), ([0, 1], [add(1)]), ("0", add(1)), (5, add(1))],
)
def test_compose_refuses_wrong_assignments(index: Any, value: Any) -> None:
    with pytest.raises(AssertionError):
        Compose([add(1), add(2)])[index] = value


def test_compose_names_its_transforms() -> None:
    class Named:
        def __repr__(self) -> str:
            return "named"

    assert repr(Compose([Named(), Named()])) == "Compose(named, named)"


def test_a_mix_draws_its_gate_first_and_leaves_no_partners_behind(toy: Any) -> None:
    data = toy()
    mix = Partner(data, pre_transform=lambda part: {**part, "im_file": "seen"}, p=1.0)
    random.seed(3)
    gate, number = random.uniform(0, 1), random.randint(0, len(data) - 1)
    random.seed(3)
    labels = mix(data.get_image_and_label(0))
    assert labels["partners"] == ["seen"]
    assert "mix_labels" not in labels
    assert gate <= 1
    assert 0 <= number < len(data)


def test_a_mix_that_does_not_happen_draws_only_its_gate(toy: Any) -> None:
    random.seed(5)
    labels = {"img": np.zeros((2, 2, 3))}
    assert Partner(toy(), p=0.0)(labels) is labels
    after = random.random()
    random.seed(5)
    random.uniform(0, 1)
    assert random.random() == after


def test_texts_become_an_ordered_union() -> None:
    first = {"texts": [["cat"], ["dog", "hound"]], "cls": np.array([[1.0], [0.0]], np.float32)}
    other = {"texts": [["dog", "hound"], ["cow"]], "cls": np.array([[1.0], [0.0]], np.float32)}
    unify_texts([first, other])
    assert first["texts"] == other["texts"] == [["cat"], ["dog", "hound"], ["cow"]]
    assert first["cls"].ravel().tolist() == [1, 0]
    assert other["cls"].ravel().tolist() == [2, 1]
