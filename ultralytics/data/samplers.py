"""Order of samples: which indexes form a batch, with what random seed, in which epoch.

Everything here is a pure function of (seed, epoch, position, number of workers), so a run continued at epoch e sees
exactly what an uninterrupted one would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence, Sized
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

__all__ = [
    "BalancedOrder",
    "ContiguousDistributedSampler",
    "EpochBatchSampler",
    "SampleIndex",
    "sample_seed",
    "stream_seed",
]

GENERATOR_BASE = 6148914691236517205
MASK64 = (1 << 64) - 1
POOL_BATCHES = 8
POOL_LIMIT = 1000


class SampleIndex(int):
    """An index that also carries what makes its sample reproducible.

    Attributes:
        epoch: epoch of the sample.
        seed: seed of all random draws for it, 0 to 2^63 - 1.
        pool: indexes recently sent to the same worker, this batch included; mosaic partners come
            from it. All indexes of a batch share one tuple.
    """

    epoch: int
    seed: int
    pool: tuple[int, ...]

    def __new__(
        cls, value: int, epoch: int = 0, seed: int = 0, pool: tuple[int, ...] = ()
    ) -> SampleIndex:
        self = super().__new__(cls, value)
        self.epoch, self.seed, self.pool = epoch, seed, pool
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # Any: pickle protocol
        return SampleIndex, (int(self), self.epoch, self.seed, self.pool)


def sample_seed(seed: int, epoch: int, position: int) -> int:
    """Well mixed 63-bit seed of a sample (SplitMix64 finalizer over the three numbers)."""
    state = (
        seed * 0x9E3779B97F4A7C15 + epoch * 0xD1342543DE82EF95 + position * 0xAEF17502108EF2D9
    ) & MASK64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = ((state ^ (state >> shift)) * factor) & MASK64
    return (state ^ (state >> 31)) >> 1


def stream_seed(seed: int) -> int:
    """Seed of a loader's order and samples in a run with the given seed, the same on every rank."""
    return (GENERATOR_BASE - 1 + seed) % 2**64


class RandomOrder:
    """Permutation of every epoch as one generator hands them out to successive passes of a loader.

    The generator first gives one 64-bit number (worker seeds), then two permutations per pass, of which the
    first is used: the draws of torch's loader and its random sampler.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self._at: tuple[int, torch.Tensor] | None = None

    def __call__(self, epoch: int) -> list[int]:
        """The permutation of an epoch."""
        generator = torch.Generator()
        if self._at is not None and self._at[0] <= epoch:
            done = self._at[0]
            generator.set_state(self._at[1])
        else:
            done = 0
            generator.manual_seed(self.seed)
            torch.empty((), dtype=torch.int64).random_(generator=generator)
        for _ in range(2 * (epoch - done)):
            torch.randperm(self.size, generator=generator)
        self._at = epoch, generator.get_state()
        return torch.randperm(self.size, generator=generator).tolist()


class BalancedOrder:
    """Images of every epoch: each comes as often as its share of the weights says, rounded up or down at random.

    A function of seed and epoch alone.

    Args:
        weights: positive weight of each image.
        seed: of all epochs.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        self.weights = np.asarray(weights, np.float64)
        self.seed = seed

    def __call__(self, epoch: int) -> list[int]:
        """The images of an epoch, in random order."""
        size = len(self.weights)
        generator = torch.Generator()
        generator.manual_seed(sample_seed(self.seed, epoch, -1))
        places = torch.randperm(size, generator=generator).numpy()
        ends = np.cumsum(self.weights[places])
        # Evenly spaced marks on the joined weights: an image gets the whole part of its share, at times one more.
        start = torch.rand((), generator=generator, dtype=torch.float64).item()
        marks = (np.arange(size) + start) / size * ends[-1]
        chosen = places[np.minimum(np.searchsorted(ends, marks, side="right"), size - 1)]
        mixed: list[int] = chosen[torch.randperm(size, generator=generator).numpy()].tolist()
        return mixed


class RankOrder:
    """One rank's share of a permutation: every n-th sample; the first ones are repeated until all have equally many."""

    def __init__(self, order: Callable[[int], list[int]], rank: int, ranks: int) -> None:
        self.order, self.rank, self.ranks = order, rank, ranks

    def __call__(self, epoch: int) -> list[int]:
        """The rank's share of an epoch."""
        whole = self.order(epoch)
        missing = -len(whole) % self.ranks
        return [*whole, *islice(cycle(whole), missing)][self.rank :: self.ranks]


class RankSampler(DistributedSampler[int]):
    """Shuffled samples of one rank: every n-th one of the permutation that a single process would take."""


class EpochBatchSampler(Sampler[list[int]]):
    """Endless stream of batches, epoch after epoch, that can be set to any batch of any epoch."""

    def __init__(
        self,
        order: Callable[[int], Sequence[int]],
        batch_size: int,
        drop_last: bool = False,
        seed: int = 0,
        workers: int = 0,
        marked: bool = True,
        stride: tuple[int, int] = (0, 1),
    ) -> None:
        """Describe the stream.

        Args:
            order: epoch -> indexes of that epoch.
            batch_size: indexes per batch.
            drop_last: leave out an incomplete last batch.
            seed: enters every sample's seed.
            workers: number of worker processes; decides which batches share a pool.
            marked: yield `SampleIndex`, otherwise plain integers.
            stride: (rank, number of ranks), so that ranks draw different seeds.
        """
        self.order = order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.seed = seed
        self.lanes = max(workers, 1)
        self.marked = marked
        self.rank, self.ranks = stride
        self.epoch = self.first = 0
        self._orders: dict[int, list[list[int]]] = {}
        self._length: int | None = None

    def set_epoch(self, epoch: int, batch: int = 0) -> None:
        """Let the next iteration start at this epoch, after the given number of its batches."""
        self.epoch, self.first = epoch, batch

    def __len__(self) -> int:
        """Batches per epoch."""
        if self._length is None:
            self._length = len(self.batches(self.epoch))
        return self._length

    def batches(self, epoch: int) -> list[list[int]]:
        """Plain index batches of one epoch."""
        if epoch not in self._orders:
            indexes, size = list(self.order(epoch)), self.batch_size
            end = len(indexes) - len(indexes) % size if self.drop_last else len(indexes)
            kept = {e: b for e, b in self._orders.items() if e == epoch - 1}
            self._orders = {**kept, epoch: [indexes[i : i + size] for i in range(0, end, size)]}
        return self._orders[epoch]

    def __iter__(self) -> Iterator[list[int]]:
        epoch, first = self.epoch, self.first
        while True:
            batches = self.batches(epoch)
            if not batches:
                return
            for number in range(first, len(batches)):
                batch = batches[number]
                yield self._mark(epoch, number, batch) if self.marked else list(batch)
            epoch, first = epoch + 1, 0

    def _mark(self, epoch: int, number: int, batch: list[int]) -> list[int]:
        pool = self.pool(epoch, number)
        first = number * self.batch_size
        return [
            SampleIndex(
                index,
                epoch,
                sample_seed(self.seed, epoch, (first + offset) * self.ranks + self.rank),
                pool,
            )
            for offset, index in enumerate(batch)
        ]

    def pool(self, epoch: int, number: int) -> tuple[int, ...]:
        """Distinct indexes of this batch and of earlier ones in its lane, newest first.

        Batches go to workers in turn without a break between epochs; the look back ends with the epoch before.
        """
        limit = min(POOL_BATCHES * self.batch_size, POOL_LIMIT)
        found: dict[int, None] = {}
        for batch in self._lane(epoch, number):
            found.update(dict.fromkeys(batch))
            if len(found) >= limit:
                break
        return tuple(islice(found, limit))

    def _lane(self, epoch: int, number: int) -> Iterator[list[int]]:
        here = self.batches(epoch)
        for i in range(number, -1, -self.lanes):
            yield here[i]
        if epoch > 0:
            before = self._orders.get(epoch - 1)
            if before is None:
                before = self._earlier(epoch - 1)
            start = len(before) + number % self.lanes - self.lanes
            for i in range(start, -1, -self.lanes):
                yield before[i]

    def _earlier(self, epoch: int) -> list[list[int]]:
        """Batches of the epoch before, needed once when a stream starts later than epoch 0."""
        kept = dict(self._orders)
        before = self.batches(epoch)
        self._orders = {epoch: before, **kept}
        return before


def epoch_order(
    sampler: Sampler[int] | Any,
    size: int,
    seed: int,
    weights: Sequence[float] | None = None,
) -> Callable[[int], Sequence[int]]:
    """How a torch sampler orders the indexes of a given epoch.

    Random and distributed samplers become functions of the epoch, which `weights` of the indexes make a
    `BalancedOrder`; any other one is asked anew for every epoch.
    """
    shuffled = RandomOrder(size, seed) if weights is None else BalancedOrder(weights, seed)
    if isinstance(sampler, RankSampler):
        return RankOrder(shuffled, sampler.rank, sampler.num_replicas)
    if (
        isinstance(sampler, RandomSampler)
        and sampler.num_samples == size
        and not sampler.replacement
    ):
        return shuffled
    if isinstance(sampler, SequentialSampler):
        return lambda epoch: range(size)
    if hasattr(sampler, "set_epoch"):

        def ordered(epoch: int) -> list[int]:
            sampler.set_epoch(epoch)
            return list(sampler)

        return ordered
    return lambda epoch: list(sampler)


class ContiguousDistributedSampler(Sampler[int]):
    """Split a data set into consecutive whole batches per rank, nothing repeated.

    Rank r of R gets floor(nb / R) batches, the first nb mod R ranks one more. Without `batch_size` the data set's own
    one is used; a batch that covers the whole set counts as 1, so that every rank gets some.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        batch_size: int | None = None,
        rank: int | None = None,
        shuffle: bool = False,
    ) -> None:
        own = batch_size if batch_size is not None else getattr(dataset, "batch_size", 1)
        self.total_size = len(dataset)
        self.batch_size = own if own < self.total_size else 1
        self.num_replicas = _world_size() if num_replicas is None else num_replicas
        self.rank = _own_rank() if rank is None else rank
        self.shuffle = shuffle
        self.epoch = 0
        self.num_batches = math.ceil(self.total_size / self.batch_size)

    def _range(self) -> tuple[int, int]:
        each, extra = divmod(self.num_batches, self.num_replicas)
        first = each * self.rank + min(self.rank, extra)
        last = first + each + (self.rank < extra)
        return min(first * self.batch_size, self.total_size), min(
            last * self.batch_size, self.total_size
        )

    def __iter__(self) -> Iterator[int]:
        start, end = self._range()
        if not self.shuffle:
            return iter(range(start, end))
        generator = torch.Generator().manual_seed(self.epoch)
        return iter([start + i for i in torch.randperm(end - start, generator=generator).tolist()])

    def __len__(self) -> int:
        start, end = self._range()
        return end - start

    def set_epoch(self, epoch: int) -> None:
        """Seed of the next permutation."""
        self.epoch = epoch


def _world_size() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def _own_rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
