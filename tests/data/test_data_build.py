"""Loaders: order, epochs, resume, workers."""

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from tests.data.conftest import MakeSet
from ultralytics.cfg import get_cfg
from ultralytics.data import build, build_dataloader, build_yolo_dataset
from ultralytics.data.build import InfiniteDataLoader, seed_worker
from ultralytics.data.utils import check_det_dataset


class Numbers(Dataset[Any]):
    """Returns what it was asked for, and facts about the process."""

    def __init__(self, n: int = 10, augment: bool = False) -> None:
        self.n = n
        self.augment = augment
        self.offset = 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return (
            int(index) + self.offset,
            getattr(index, "seed", None),
            cv2.getNumThreads(),
            random.random(),
        )

    @staticmethod
    def collate_fn(samples: list[Any]) -> list[Any]:
        return samples


def loader(
    workers: int = 0, n: int = 10, batch: int = 4, augment: bool = False, **options: Any
) -> InfiniteDataLoader:
    torch.manual_seed(0)
    return build_dataloader(Numbers(n, augment), batch, workers, device="cpu", **options)


def numbers(loader: InfiniteDataLoader) -> list[list[int]]:
    return [[sample[0] for sample in batch] for batch in loader]


def test_order_is_the_documented_one() -> None:
    one = loader()
    assert one.generator.initial_seed() == 6148914691236517204
    assert numbers(one) == [[3, 6, 1, 0], [5, 7, 2, 8], [9, 4]]
    assert numbers(one) == [[7, 3, 9, 5], [2, 4, 8, 0], [1, 6]]
    assert (len(one), one.batch_size) == (3, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fresh_loader_continues_an_epoch_exactly(workers: int) -> None:
    whole, fresh, jumping = loader(workers), loader(workers), loader(workers)
    epochs = [[[s[:2] for s in batch] for batch in whole] for _ in range(4)]
    fresh.set_epoch(2)
    again = [[[s[:2] for s in batch] for batch in fresh] for _ in range(2)]
    assert again == epochs[2:]
    for epoch in (3, 0, 1):
        jumping.set_epoch(epoch)
        assert [[s[:2] for s in batch] for batch in jumping] == epochs[epoch]
    for one in (whole, fresh, jumping):
        one.close()


def test_worker_count_does_not_change_seeds_and_order() -> None:
    alone, two = loader(0, n=23), loader(2, n=23)
    for _ in range(2):
        assert [[s[:2] for s in b] for b in alone] == [[s[:2] for s in b] for b in two]
    two.close()


def test_a_pass_left_early_goes_on_where_it_stopped() -> None:
    one = loader()
    assert [s[0] for s in next(iter(one))] == [3, 6, 1, 0]
    assert [s[0] for s in next(iter(one))] == [5, 7, 2, 8]
    one.set_epoch(0)
    assert numbers(one)[0] == [3, 6, 1, 0]
    next(iter(one))
    one.reset()
    assert numbers(one) == numbers(_at(2))


def _at(epoch: int) -> InfiniteDataLoader:
    one = loader()
    one.set_epoch(epoch)
    return one


def test_reset_lets_workers_see_changes() -> None:
    one = loader(2)
    first = numbers(one)
    one.dataset.offset = 100  # type: ignore[attr-defined]
    one.reset()
    second = numbers(one)
    assert sorted(i for b in first for i in b) == list(range(10))
    assert sorted(i for b in second for i in b) == list(range(100, 110))
    assert second == [[i + 100 for i in b] for b in numbers(_at(1))]
    one.close()


def test_workers_leave_opencv_without_threads() -> None:
    here = cv2.getNumThreads()
    two = loader(2)
    assert {sample[2] for batch in two for sample in batch} == {1}
    assert cv2.getNumThreads() == here
    two.close()


def test_worker_seeds_differ() -> None:
    two = loader(2)
    values = [batch[0][3] for batch in two]
    assert len(set(values)) == len(values)
    two.close()


@pytest.mark.parametrize(
    ("workers", "n", "batch", "cores", "expected"),
    [(8, 4, 4, 8, 0), (2, 10, 4, 8, 2), (0, 10, 4, 8, 0), (8, 6, 4, 8, 2), (8, 10, 4, 1, 1)],
)
def test_number_of_workers(
    workers: int, n: int, batch: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_cores", lambda: cores)
    assert loader(workers, n, batch).num_workers == expected


def test_without_shuffling() -> None:
    plain = loader(shuffle=False)
    assert numbers(plain) == numbers(plain) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert next(iter(plain))[0][1] is None
    assert next(iter(loader(shuffle=False, augment=True)))[0][1] is not None


@pytest.mark.parametrize(("n", "dropped"), [(10, True), (8, False), (3, False)])
def test_dropping_the_last_batch(n: int, dropped: bool) -> None:
    assert loader(n=n, drop_last=True).drop_last is dropped
    assert len(numbers(loader(n=n, drop_last=True))) == max(n // 4, 1)


def test_batch_is_cut_to_the_set() -> None:
    assert numbers(loader(n=3, batch=16, shuffle=False)) == [[0, 1, 2]]
    with pytest.raises(ValueError, match="from 0 images"):
        loader(n=0)


def test_ranks_share_the_set() -> None:
    parts = []
    for rank in range(2):
        one = build_dataloader(_Sharded(10), 2, 0, rank=-1, device="cpu", shuffle=False)
        sampler = torch.utils.data.DistributedSampler(Numbers(10), 2, rank, shuffle=True, seed=3)
        one = InfiniteDataLoader(
            Numbers(10), batch_size=2, sampler=sampler, collate_fn=Numbers.collate_fn
        )
        epochs = [[s for batch in one for s in batch] for _ in range(2)]
        later = InfiniteDataLoader(
            Numbers(10), batch_size=2, sampler=sampler, collate_fn=Numbers.collate_fn
        )
        later.set_epoch(1)
        assert [s[:2] for batch in later for s in batch] == [s[:2] for s in epochs[1]]
        sampler.set_epoch(1)
        assert [s[0] for s in epochs[1]] == list(sampler)
        parts.append(epochs[0])
    assert sorted(s[0] for part in parts for s in part) == list(range(10))
    assert len({s[1] for part in parts for s in part}) == 10


class _Sharded(Numbers):
    batch_size = 2


def test_no_pinned_memory_on_a_processor() -> None:
    assert loader().pin_memory is False


def test_seed_worker_follows_torch() -> None:
    before = random.getstate(), np.random.get_state(), cv2.getNumThreads()
    torch.manual_seed(7)
    seed_worker(0)
    values = random.random(), np.random.rand()
    seed_worker(1)
    assert (random.random(), np.random.rand()) == values
    random.setstate(before[0])
    np.random.set_state(before[1])
    cv2.setNumThreads(before[2])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mixup", [0.0, 0.5], ids=["fused", "listed"])
def test_samples_of_a_continued_run_are_the_same(
    make_set: MakeSet, workers: int, mixup: float
) -> None:
    data = check_det_dataset(make_set(sizes=[(40, 60)] * 9))
    cfg = get_cfg(overrides={"task": "detect", "imgsz": 64, "mixup": mixup})

    def fresh() -> InfiniteDataLoader:
        torch.manual_seed(0)
        dataset = build_yolo_dataset(cfg, data["train"], 2, data, mode="train")
        return build_dataloader(dataset, 2, workers, device="cpu")

    whole, later = fresh(), fresh()
    epochs = [list(whole) for _ in range(3)]
    later.set_epoch(2)
    for expected, found in zip(epochs[2], later, strict=True):
        assert found["im_file"] == expected["im_file"]
        for key in ("img", "cls", "bboxes", "batch_idx"):
            assert torch.equal(found[key], expected[key])
    whole.close()
    later.close()


def test_closing_mosaic_reaches_the_workers(make_set: MakeSet) -> None:
    data = check_det_dataset(make_set())
    cfg = get_cfg(
        overrides={"task": "detect", "imgsz": 64, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
        | dict.fromkeys(("scale", "translate", "fliplr"), 0.0)
    )
    torch.manual_seed(0)
    dataset = build_yolo_dataset(cfg, data["train"], 2, data, mode="train")
    one = build_dataloader(dataset, 2, 2, device="cpu")
    files = [Path(f).stem for batch in one for f in batch["im_file"]]
    dataset.close_mosaic(cfg)
    one.reset()
    plain = {
        Path(f).stem: img
        for batch in one
        for f, img in zip(batch["im_file"], batch["img"], strict=True)
    }
    one.close()
    assert sorted(files) == sorted(plain)
    for i in range(6):
        assert plain[f"im{i}"][0, 32, 50] == 20 + 10 * i
