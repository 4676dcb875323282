"""The search for hyperparameters as a pure function: trials in, the next hyperparameters out.

A gene is a hyperparameter mapped to [0, 1] over its range. The random numbers of an iteration come from the seed and
the number of the iteration alone, so that an interrupted iteration is asked for again with the same answer.
Specification chapter 40, section 23.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ultralytics.errors import ConfigTypeError, ConfigValueError, UltralyticsError

__all__ = ["Exhausted", "Parameter", "Search", "Space", "Trial"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Values = dict[str, float]

PARENTS = 9  # best trials that the next one descends from
SIGMA = 0.2  # standard deviation of a mutation, as a part of the range
STALE_LIMIT = 25  # iterations without progress after which mutations shrink no further
SHRINKING = 0.2  # by how much they have shrunk then
ELITE_FROM = 30  # trials before correlations are learned
ELITE_SHARE, ELITE_LIMIT = 0.2, 30
JOINT_DRAWS = 0.4  # share of mutations that follow the correlations, at full confidence
MUTATED = 0.5  # probability of each gene to change
ATTEMPTS = 100  # of each kind, before the space counts as searched through
DECIMALS = 5
RESOLUTION = 10.0**-DECIMALS


class Exhausted(UltralyticsError, RuntimeError):
    """No combination is left that was not tried."""


@dataclass(frozen=True)
class Parameter:
    """Range of one hyperparameter; `gain` scales its mutations."""

    name: str
    low: float
    high: float
    gain: float = 1.0
    is_integer: bool = False

    @property
    def span(self) -> float:
        """Width of the range."""
        return self.high - self.low

    @property
    def resolution(self) -> float:
        """Smallest step that makes a difference."""
        return 1.0 if self.is_integer else RESOLUTION

    def constrain(self, value: float) -> float:
        """The nearest allowed value: whole, or of five decimals, inside the range.

        Raises:
            ConfigValueError: no integer lies in the range.
        """
        if not self.is_integer:
            return float(min(max(round(float(value), DECIMALS), self.low), self.high))
        low, high = math.ceil(self.low), math.floor(self.high)
        if low > high:
            raise ConfigValueError(
                f"space: no integer lies between {self.low} and {self.high}, the range of "
                f"{self.name}"
            )
        return int(min(max(round(float(value)), low), high))


class Space:
    """The hyperparameters of a search, in their order.

    Args:
        ranges: name -> (low, high) or (low, high, gain).
        integers: names whose values are whole numbers.

    Raises:
        ConfigTypeError, ConfigValueError: a range that is none.
    """

    def __init__(self, ranges: Mapping[str, Sequence[float]], integers: Iterable[str] = ()) -> None:
        whole = frozenset(integers)
        if not ranges:
            raise ConfigValueError("space: it is empty; give at least one name and its range")
        self.parameters = tuple(_parameter(n, r, n in whole) for n, r in ranges.items())
        for parameter in self.parameters:
            parameter.constrain(parameter.low)  # refuses ranges without an integer

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def low(self) -> Floats:
        """Lower ends."""
        return np.array([p.low for p in self.parameters], dtype=float)

    @property
    def span(self) -> Floats:
        """Widths of the ranges."""
        return np.array([p.span for p in self.parameters], dtype=float)

    def constrain(self, values: Mapping[str, float]) -> Values:
        """The nearest allowed values; all names must be there."""
        return {p.name: p.constrain(values[p.name]) for p in self.parameters}

    def genes(self, values: Mapping[str, float], defaults: Mapping[str, float]) -> Floats:
        """Values as genes in [0, 1]; a name that a trial lacks has its default, an empty range 0."""
        raw = np.array([values.get(n, defaults[n]) for n in self.names], dtype=float)
        span = self.span
        scaled = np.divide(raw - self.low, span, out=np.zeros_like(raw), where=span > 0)
        return np.clip(scaled, 0.0, 1.0)

    def values(self, genes: Floats) -> Values:
        """Allowed values of genes."""
        raw = self.low + genes * self.span
        return self.constrain(dict(zip(self.names, raw.tolist(), strict=True)))


def _parameter(name: str, given: Sequence[float], is_integer: bool) -> Parameter:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise ConfigTypeError(f"space: {name}={given!r} must be (low, high) or (low, high, gain)")
    for number in given:
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ConfigTypeError(f"space: {name}={given!r} must hold numbers only")
    numbers = [float(number) for number in given]
    if not all(math.isfinite(number) for number in numbers) or numbers[0] > numbers[1]:
        raise ConfigValueError(f"space: {name}={given!r} must be finite, with low <= high")
    if len(numbers) == 3 and numbers[2] <= 0:
        raise ConfigValueError(f"space: the gain of {name}={given!r} must be above 0")
    low, high, gain = [*numbers, 1.0][:3]
    return Parameter(name, low, high, gain, is_integer)


@dataclass(frozen=True)
class Trial:
    """Hyperparameters that were tried, and how well they did; higher is better."""

    hyperparameters: Mapping[str, float]
    fitness: float


class Search:
    """Proposes hyperparameters, by mutation of the best trials so far.

    Args:
        space: what may vary.
        defaults: values of the first trial, before they are brought into the space.
        seed: of all random numbers.
    """

    def __init__(self, space: Space, defaults: Mapping[str, float], seed: int = 0) -> None:
        self.space = space
        self.defaults = space.constrain(defaults)
        self.seed = seed

    def ask(
        self,
        trials: Sequence[Trial],
        parents: int = PARENTS,
        sigma: float = SIGMA,
        ticket: int | None = None,
    ) -> Values:
        """Hyperparameters to try after these trials, in the order they were made.

        Args:
            trials: all of them.
            ticket: number of this question, where several machines ask at once; the number of trials unless given.
                Whoever has ticket 0 tries the defaults; without trials the others start anywhere.
            parents: number of best trials to descend from.
            sigma: standard deviation of a mutation, as a part of the range.

        Raises:
            Exhausted: all ranges are empty, or nothing new was found.
        """
        number = len(trials) if ticket is None else ticket
        if number == 0:
            return dict(self.defaults)
        generator = np.random.default_rng([self.seed, number])
        if not trials:
            return self.space.values(generator.random(len(self.space.parameters)))
        mutation = Mutation(self.space, trials, self.defaults, parents, sigma)
        tried = {self._key(trial.hyperparameters) for trial in trials}
        for attempt in range(2 * ATTEMPTS):
            is_wild = attempt >= ATTEMPTS
            genes = mutation.wild(generator) if is_wild else mutation.draw(generator)
            values = self.space.values(genes)
            if self._key(values) not in tried:
                return values
        raise Exhausted(
            f"the search found nothing new after {len(trials)} trials of {', '.join(self.space.names)}; "
            "widen the space or ask for fewer iterations"
        )

    def _key(self, values: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(float(values.get(n, self.defaults[n])) for n in self.space.names)


class Mutation:
    """How genes are drawn after some trials; nothing here changes once it is made.

    Attributes:
        parents: genes (P, G) of the best trials.
        weights: probability (P,) of each.
        scale: standard deviation (G,) of the mutation of one gene.
        confidence: 0 without knowledge of correlations, 1 with full knowledge.
        covariance: (G, G) of a joint mutation of the genes that can vary.
    """

    def __init__(
        self,
        space: Space,
        trials: Sequence[Trial],
        defaults: Mapping[str, float],
        parents: int,
        sigma: float,
    ) -> None:
        span = space.span
        self.mutable = span > 0
        if not self.mutable.any():
            raise Exhausted("space: every range is empty, so there is nothing to search")
        fitness = np.array([trial.fitness for trial in trials], dtype=float)
        genes = np.stack([space.genes(trial.hyperparameters, defaults) for trial in trials])
        order = np.argsort(-fitness, kind="stable")  # of equal trials the earlier is better
        self.parents = genes[order[:parents]]
        self.weights = parent_weights(fitness[order[:parents]])
        stale = len(trials) - 1 - int(order[0])
        self.decay = 1 - SHRINKING * min(stale / STALE_LIMIT, 1.0)
        gain = np.array([p.gain for p in space.parameters])
        finest = np.array([p.resolution for p in space.parameters]) / np.where(
            self.mutable, span, 1.0
        )
        self.scale = np.where(self.mutable, np.maximum(sigma * self.decay * gain, finest), 0.0)
        elite = min(math.ceil(ELITE_SHARE * len(trials)), ELITE_LIMIT)
        self._learn(genes[order[:elite]] if len(trials) >= ELITE_FROM else genes[:0])

    def _learn(self, elite: Floats) -> None:
        """Take over how the genes of the best trials vary together."""
        varying = int(self.mutable.sum())
        self.confidence = min(len(elite) / varying, 1.0)
        own = np.diag(self.scale[self.mutable] ** 2 / varying)
        if self.confidence == 0:
            self.covariance = own
            return
        shared = np.atleast_2d(np.cov(elite[:, self.mutable], rowvar=False))
        self.covariance = shared * self.decay**2 * self.confidence + own

    def draw(self, generator: np.random.Generator) -> Floats:
        """Genes of a parent, about half of them changed."""
        parent = self.parents[generator.choice(len(self.parents), p=self.weights)]
        mask = (generator.random(len(parent)) < MUTATED) & self.mutable
        if generator.random() < JOINT_DRAWS * self.confidence:
            around = parent.copy()
            around[self.mutable] = generator.multivariate_normal(
                parent[self.mutable], self.covariance
            )
            changed = fold(around)
        else:
            changed = np.clip(parent + generator.normal(size=len(parent)) * self.scale, 0.0, 1.0)
        return np.where(mask, changed, parent)

    def wild(self, generator: np.random.Generator) -> Floats:
        """Genes from anywhere."""
        return np.where(self.mutable, generator.random(len(self.mutable)), 0.0)


def parent_weights(fitness: Floats) -> Floats:
    """Probabilities in proportion to the lead over the worst; equal ones where a fitness is not finite."""
    weights = fitness - fitness.min() + 1e-6
    total = weights.sum()
    if not np.isfinite(total) or total <= 0:
        return np.full(len(fitness), 1 / len(fitness))
    return weights / total


def fold(genes: Floats) -> Floats:
    """Genes reflected at 0 and 1 until they lie between."""
    return 1 - np.abs(np.mod(genes, 2) - 1)
