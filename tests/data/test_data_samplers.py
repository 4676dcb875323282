"""Order, seeds and pools of batches."""

import pickle
from itertools import islice

import pytest
import torch

from ultralytics.data.samplers import (
    ContiguousDistributedSampler,
    EpochBatchSampler,
    RandomOrder,
    SampleIndex,
    sample_seed,
)

DOCUMENTED_SEED = 6148914691236517204
DOCUMENTED = [[3, 6, 1, 0, 5, 7, 2, 8, 9, 4], [7, 3, 9, 5, 2, 4, 8, 0, 1, 6]]


def stream(workers: int = 0, start: int = 0, size: int = 10, batch: int = 4) -> EpochBatchSampler:
    sampler = EpochBatchSampler(RandomOrder(size, DOCUMENTED_SEED), batch, seed=1, workers=workers)
    sampler.set_epoch(start)
    return sampler


def described(batch: list[int]) -> list[tuple[object, ...]]:
    return [(int(i), i.epoch, i.seed, i.pool) for i in batch]  # type: ignore[attr-defined]


def test_order_is_the_documented_one() -> None:
    order = RandomOrder(10, DOCUMENTED_SEED)
    assert [order(0), order(1)] == DOCUMENTED
    assert order(0) == DOCUMENTED[0]
    assert RandomOrder(10, DOCUMENTED_SEED)(1) == DOCUMENTED[1]


def test_order_is_what_torchs_own_sampler_draws() -> None:
    generator = torch.Generator().manual_seed(5)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    theirs = torch.utils.data.RandomSampler(range(33), generator=generator)
    order = RandomOrder(33, 5)
    assert [list(theirs) for _ in range(4)] == [order(epoch) for epoch in range(4)]


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("start", [1, 2, 5])
def test_a_later_start_continues_exactly(workers: int, start: int) -> None:
    whole = [described(b) for b in islice(stream(workers), 3 * (start + 2))]
    later = [described(b) for b in islice(stream(workers, start), 6)]
    assert later == whole[3 * start :]


def test_seeds_differ_and_lie_in_range() -> None:
    seeds = {sample_seed(s, e, p) for s in range(10) for e in range(10) for p in range(100)}
    assert len(seeds) == 10_000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_pool_holds_the_batches_of_the_same_worker() -> None:
    sampler = EpochBatchSampler(lambda epoch: range(20), 4, workers=2)
    pools = [set(batch[0].pool) for batch in islice(sampler, 7)]  # type: ignore[attr-defined]
    assert pools[0] == {0, 1, 2, 3}
    assert pools[1] == {4, 5, 6, 7}
    assert pools[2] == {0, 1, 2, 3, 8, 9, 10, 11}
    # five batches per epoch: the sixth batch goes to the second worker
    assert pools[5] == {0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15}


def test_pool_is_bounded_and_shared() -> None:
    sampler = EpochBatchSampler(lambda epoch: range(1000), 4)
    batch = list(islice(sampler, 100))[-1]
    assert len(batch[0].pool) == 32  # type: ignore[attr-defined]
    assert all(i.pool is batch[0].pool for i in batch)  # type: ignore[attr-defined]
    assert set(batch) <= set(batch[0].pool)  # type: ignore[attr-defined]


def test_unmarked_streams_give_plain_numbers() -> None:
    sampler = EpochBatchSampler(lambda epoch: range(5), 2, drop_last=True, marked=False)
    assert len(sampler) == 2
    assert list(islice(sampler, 3)) == [[0, 1], [2, 3], [0, 1]]
    assert type(next(iter(sampler))[0]) is int


def test_an_index_is_a_number_that_keeps_its_seed() -> None:
    index = SampleIndex(3, 2, 9, (3, 4))
    again = pickle.loads(pickle.dumps(index))
    assert (again == 3, again.epoch, again.seed, again.pool) == (True, 2, 9, (3, 4))
    assert [10, 11, 12, 13][index] == 13


@pytest.mark.parametrize(
    ("n", "batch", "ranks", "parts"),
    [
        (10, 4, 2, [range(8), range(8, 10)]),
        (10, 4, 3, [range(4), range(4, 8), range(8, 10)]),
        (3, 8, 2, [range(2), range(2, 3)]),
    ],
)
def test_contiguous_parts(n: int, batch: int, ranks: int, parts: list[range]) -> None:
    found = [ContiguousDistributedSampler(range(n), ranks, batch, rank) for rank in range(ranks)]
    assert [list(s) for s in found] == [list(p) for p in parts]
    assert [len(s) for s in found] == [len(p) for p in parts]


def test_contiguous_parts_shuffle_within_the_rank() -> None:
    sampler = ContiguousDistributedSampler(range(20), 2, 5, 1, shuffle=True)
    first = list(sampler)
    assert sorted(first) == list(range(10, 20))
    sampler.set_epoch(1)
    assert list(sampler) != first
