"""Balanced order of images: weights by arithmetic, expected counts, determinism, ranks, both kinds of labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from torch.utils.data import SequentialSampler

from tests.multiprocess.parts import DETECT
from tests.painted import paint
from ultralytics.data.balance import class_weights, image_weights
from ultralytics.data.build import build_dataloader
from ultralytics.data.samplers import BalancedOrder, RankOrder
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect import DetectionTrainer


class Set:
    """Images with the classes of their labels; one class per image unless said otherwise."""

    augment = True

    def __init__(self, classes: list[list[int]]) -> None:
        self.labels = [{"cls": np.array(c, float).reshape(-1, 1)} for c in classes]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> int:
        return int(i)


@pytest.mark.parametrize(
    ("power", "expected"), [(0.5, [2.0, 1.0, 1.0, 4.0]), (1.0, [4.0, 1.0, 1.0, 16.0])]
)
def test_weights_of_classes(power: float, expected: list[float]) -> None:
    found = class_weights(np.array([4, 16, 0, 1]), power)
    assert found.tolist() == pytest.approx(expected)


def test_an_image_counts_as_its_rarest_class() -> None:
    # class 0 occurs six times, class 1 twice, class 2 once
    images = [[0, 0], [0, 1], [], [0, 2], [0, 0, 1]]
    assert image_weights(Set(images), 1.0).tolist() == [1, 3, 1, 6, 3]


def test_full_balance_shows_classes_equally_often() -> None:
    classes = [[0]] * 80 + [[1]] * 15 + [[2]] * 5
    order = BalancedOrder(image_weights(Set(classes), 1.0), seed=3)
    counts = sum((Counter(classes[i][0] for i in order(e)) for e in range(60)), Counter())
    observed = [counts[c] for c in range(3)]
    assert sum(observed) == 60 * 100
    assert max(abs(o - 2000) for o in observed) <= 60  # less than one image an epoch


def test_each_image_comes_as_often_as_its_share_rounded() -> None:
    weights = np.random.default_rng(0).uniform(0.2, 5, 97)
    order = BalancedOrder(weights, seed=1)
    share = weights / weights.sum() * 97
    total = np.zeros(97)
    for epoch in range(300):
        counts = np.bincount(order(epoch), minlength=97)
        assert (counts >= np.floor(share)).all()
        assert (counts <= np.ceil(share)).all()
        total += counts
    # the part above the whole number is drawn with its own probability: a binomial count per image
    part = share % 1
    extra = total - 300 * np.floor(share)
    scores = (extra - 300 * part) / np.sqrt(300 * part * (1 - part))
    chi_square = float((scores**2).sum())
    assert 0.001 < stats.chi2.sf(chi_square, 97) < 0.999


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    weights = np.linspace(1, 3, 20)
    order = BalancedOrder(weights, seed=7)
    late = order(5)
    assert [order(e) for e in range(6)][5] == late
    assert BalancedOrder(weights, seed=7)(5) == late
    assert BalancedOrder(weights, seed=8)(5) != late
    assert order(4) != late


def test_ranks_share_the_order_of_one_process() -> None:
    order = BalancedOrder(np.linspace(1, 3, 21), seed=7)
    parts = [RankOrder(order, rank, 2)(3) for rank in range(2)]
    whole = order(3)
    assert [x for pair in zip(*parts, strict=True) for x in pair] == [*whole, whole[0]]


def test_loaders_follow_the_weights_and_start_at_any_epoch() -> None:
    data: Any = Set([[0]] * 18 + [[1]] * 2)
    loader = build_dataloader(data, batch=4, workers=0, balance=1.0)
    passes = [[i for batch in loader for i in batch.tolist()] for _ in range(3)]
    assert all(sum(i >= 18 for i in one) == 10 for one in passes)
    loader.set_epoch(2)
    assert [i for batch in loader for i in batch.tolist()] == passes[2]
    plain = build_dataloader(data, batch=4, workers=0)
    assert sorted(i for batch in plain for i in batch.tolist()) == list(range(20))


def test_folders_of_classes_are_balanced_too() -> None:
    data = SimpleNamespace(samples=[["a", 0, "", None]] * 3 + [["b", 1, "", None]])
    data_of: Any = type("Folder", (), {"__len__": lambda _: 4, "samples": data.samples})()
    assert image_weights(data_of, 1.0).tolist() == [1, 1, 1, 3]


@pytest.mark.parametrize(
    ("data", "shuffle", "text"),
    [
        (Set([[0], [1]]), False, "needs shuffled images"),
        (Set([[], []]), True, "no labels"),
        (type("Maps", (Set,), {"use_class_maps": True})([[0]]), True, "use cls_pw"),
    ],
)
def test_what_cannot_be_balanced_is_refused(data: Any, shuffle: bool, text: str) -> None:
    with pytest.raises(ConfigValueError, match=text):
        build_dataloader(data, batch=1, workers=0, shuffle=shuffle, balance=0.5)


def test_a_run_shows_the_rare_class_more_often(short_run: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(DETECT)
    paint(tmp_path, "train", 8, seed=0)
    paint(tmp_path, "val", 4, seed=1)
    for number, file in enumerate(sorted((tmp_path / "labels" / "train").iterdir())):
        rows = [row.split(" ", 1)[1] for row in file.read_text().splitlines()]
        file.write_text("".join(f"{int(number > 0)} {row}\n" for row in rows))
    data = tmp_path / "data.yaml"
    data.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    seen: list[str] = []

    class Watched(DetectionTrainer):
        def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
            if self.model.training:
                seen.extend(batch["im_file"])
            return super().preprocess_batch(batch)

    given = {"model": str(tmp_path / "tiny.yaml"), "data": str(data), "balance": 1.0, "epochs": 4}
    trainer = Watched(overrides=short_run | given)
    trainer.train()
    # one label of class 0 and eleven of class 1, one or two an image: weights 11 and seven times 1
    rare, *others = trainer.train_loader.dataset.im_files
    counts = Counter(seen)
    assert 4 * 4 <= counts[rare] <= 4 * 5  # 8 images times 11 of 18
    assert all(counts[file] <= 4 for file in others)
    assert sum(counts.values()) == 32
    assert isinstance(trainer.test_loader.sampler, SequentialSampler)
