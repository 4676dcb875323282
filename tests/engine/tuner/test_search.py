"""The search: its rules against arithmetic, and equal answers to equal questions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ultralytics.engine.tuner import search
from ultralytics.engine.tuner.search import Exhausted, Mutation, Parameter, Search, Space, Trial

RANGES = {"lr0": (0.0, 0.01), "momentum": (0.7, 0.98, 0.3), "close_mosaic": (0, 10)}
DEFAULTS = {"lr0": 0.02, "momentum": 0.9, "close_mosaic": 3}


def space() -> Space:
    return Space(RANGES, integers=["close_mosaic"])


def trials(fitness: list[float], seed: int = 0) -> list[Trial]:
    """Trials spread over the space, with the given fitness."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((len(fitness), 3))
    return [Trial(space().values(g), f) for g, f in zip(drawn, fitness, strict=True)]


def mutation(made: list[Trial], parents: int = 9, sigma: float = 0.2) -> Mutation:
    return Mutation(space(), made, space().constrain(DEFAULTS), parents, sigma)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        pytest.param(Parameter("a", 0, 1), 0.1234567, 0.12346, id="five-decimals"),
        pytest.param(Parameter("a", 0, 1), 1.5, 1.0, id="above"),
        pytest.param(Parameter("a", 0.1, 1), -3, 0.1, id="below"),
        pytest.param(Parameter("a", 0, 1e-6), 1.0, 1e-6, id="range-under-the-resolution"),
        pytest.param(Parameter("a", 0.5, 3.5, is_integer=True), 0.2, 1, id="integer-inside"),
        pytest.param(Parameter("a", 0.5, 3.5, is_integer=True), 9, 3, id="integer-above"),
        pytest.param(Parameter("a", 0, 9, is_integer=True), 4.6, 5, id="integer-rounded"),
    ],
)
def test_values_are_brought_into_the_range(
    parameter: Parameter, value: float, expected: float
) -> None:
    found = parameter.constrain(value)
    assert found == expected
    assert isinstance(found, int if parameter.is_integer else float)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({}, "empty"),
        ({"lr0": (0.1,)}, "low, high"),
        ({"lr0": 0.1}, "low, high"),
        ({"lr0": (0.1, "b")}, "numbers"),
        ({"lr0": (0.2, 0.1)}, "low <= high"),
        ({"lr0": (0, float("inf"))}, "finite"),
        ({"lr0": (0, 1, 0)}, "gain"),
        ({"close_mosaic": (0.2, 0.8)}, "no integer"),
    ],
)
def test_ranges_that_are_none(ranges: dict[str, tuple[float, ...]], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        Space(ranges, integers=["close_mosaic"])


def test_genes_and_values_are_inverse() -> None:
    values = {"lr0": 0.0025, "momentum": 0.77, "close_mosaic": 4}
    genes = space().genes(values, DEFAULTS)
    assert_allclose(genes, [0.25, 0.25, 0.4])
    assert space().values(genes) == values


def test_the_first_trial_is_the_defaults_inside_the_space() -> None:
    assert Search(space(), DEFAULTS).ask([]) == {"lr0": 0.01, "momentum": 0.9, "close_mosaic": 3}


def test_parents_are_the_best_and_weighted_by_their_lead() -> None:
    made = trials([0.1, 0.5, 0.3, 0.2])
    drawn = mutation(made, parents=3)
    best = [space().genes(made[i].hyperparameters, DEFAULTS) for i in (1, 2, 3)]
    assert_allclose(drawn.parents, best)
    lead = np.array([0.3, 0.1, 0.0]) + 1e-6
    assert_allclose(drawn.weights, lead / lead.sum())


def test_weights_are_equal_without_a_finite_fitness() -> None:
    assert_allclose(search.parent_weights(np.array([np.inf, 1.0])), [0.5, 0.5])
    assert_allclose(search.parent_weights(np.array([np.nan, 1.0, 0.0])), [1 / 3] * 3)
    assert_allclose(search.parent_weights(np.array([0.0, 0.0])), [0.5, 0.5])


@pytest.mark.parametrize(("stale", "decay"), [(0, 1.0), (5, 0.96), (25, 0.8), (28, 0.8)])
def test_mutations_shrink_while_nothing_improves(stale: int, decay: float) -> None:
    drawn = mutation(trials([1.0] + [0.0] * stale))
    assert drawn.decay == pytest.approx(decay)
    # the integer cannot move by less than one of its ten steps
    assert_allclose(drawn.scale, [0.2 * decay, 0.2 * decay * 0.3, max(0.2 * decay, 0.1)])


def test_scale_is_at_least_the_resolution() -> None:
    narrow = Space({"lr0": (0.0, 0.00002), "close_mosaic": (0, 2)}, integers=["close_mosaic"])
    made = [Trial({"lr0": 0.0, "close_mosaic": 0}, 1.0)]
    drawn = Mutation(narrow, made, {"lr0": 0.0, "close_mosaic": 0}, 9, 0.2)
    assert_allclose(drawn.scale, [0.5, 0.5])


def test_correlations_are_learned_from_thirty_trials_on() -> None:
    fitness = np.random.default_rng(3).random(31)
    assert mutation(trials(list(fitness[:29]))).confidence == 0
    made = trials(list(fitness))
    drawn = mutation(made)
    order = np.argsort(-fitness)[:7]  # a fifth of 31, rounded up
    elite = np.stack([space().genes(made[i].hyperparameters, DEFAULTS) for i in order])
    stale = 30 - int(fitness.argmax())
    decay = 1 - 0.2 * min(stale / 25, 1)
    scale = np.maximum(0.2 * decay * np.array([1, 0.3, 1]), [0.001, 1e-5 / 0.28, 0.1])
    assert drawn.confidence == 1  # seven for three genes
    expected = np.cov(elite.T) * decay**2 + np.diag(scale**2 / 3)
    assert_allclose(drawn.covariance, expected)


def test_confidence_is_the_share_of_elite_per_gene() -> None:
    names = [f"g{i}" for i in range(24)]
    wide = Space(dict.fromkeys(names, (0.0, 1.0)))
    generator = np.random.default_rng(0)
    made = [Trial(wide.values(generator.random(24)), float(i)) for i in range(30)]
    drawn = Mutation(wide, made, dict.fromkeys(names, 0.5), 9, 0.2)
    assert drawn.confidence == 6 / 24
    assert drawn.covariance.shape == (24, 24)


def test_folding_reflects_at_both_ends() -> None:
    genes = np.array([-0.2, 0.0, 0.3, 1.0, 1.25, 2.5, -1.5])
    assert_allclose(search.fold(genes), [0.2, 0.0, 0.3, 1.0, 0.75, 0.5, 0.5])


def test_half_of_the_genes_change_by_the_scale() -> None:
    parent = Trial({"lr0": 0.005, "momentum": 0.84, "close_mosaic": 5}, 1.0)
    drawn, generator = mutation([parent]), np.random.default_rng(0)
    genes = np.stack([drawn.draw(generator) for _ in range(4000)])
    changed = genes != drawn.parents[0]
    assert_allclose(changed.mean(axis=0), 0.5, atol=0.03)
    spread = [genes[changed[:, i], i].std() for i in range(3)]
    # normal noise cut at 2.5 deviations is a little narrower, for the first and last gene
    assert_allclose(spread, [0.2, 0.06, 0.2], rtol=0.05)
    assert genes.min() >= 0
    assert genes.max() <= 1


def test_joint_draws_follow_the_correlation_of_the_best() -> None:
    two = Space({"a": (0.0, 1.0), "b": (0.0, 1.0)})
    line = np.linspace(0.3, 0.7, 60)
    made = [Trial({"a": x, "b": x}, 1 - abs(x - 0.5)) for x in line]
    drawn = Mutation(two, made, {"a": 0.5, "b": 0.5}, 9, 0.01)
    generator = np.random.default_rng(0)
    genes = np.stack([drawn.draw(generator) for _ in range(4000)])
    moved = (np.abs(genes[:, None] - drawn.parents[None]).min(axis=1) > 1e-9).all(axis=1)
    shifts = genes[moved] - 0.5
    assert np.corrcoef(shifts.T)[0, 1] > 0.5


def test_an_empty_range_stays_where_it_is() -> None:
    fixed = Search(Space({"lr0": (0.0, 0.01), "box": (7.5, 7.5)}), {"lr0": 0.005, "box": 7.5})
    made = [Trial({"lr0": 0.005, "box": 7.5}, 0.2)]
    for _ in range(20):
        made.append(Trial(fixed.ask(made), 0.1))
    assert {trial.hyperparameters["box"] for trial in made} == {7.5}


def test_equal_questions_have_equal_answers_and_others_do_not() -> None:
    made = trials([0.1, 0.5, 0.3])
    first = Search(space(), DEFAULTS, seed=4)
    assert first.ask(made) == Search(space(), DEFAULTS, seed=4).ask(made)
    assert first.ask(made) != Search(space(), DEFAULTS, seed=5).ask(made)
    assert first.ask(made) != first.ask([*made, made[-1]])


def test_nothing_is_tried_twice_until_nothing_is_left() -> None:
    few = Space({"close_mosaic": (0, 7)}, integers=["close_mosaic"])
    looking = Search(few, {"close_mosaic": 0})
    made: list[Trial] = []
    for _ in range(8):
        values = looking.ask(made)
        made.append(Trial(values, 1.0 - values["close_mosaic"]))
    assert sorted(trial.hyperparameters["close_mosaic"] for trial in made) == list(range(8))
    with pytest.raises(Exhausted, match="after 8 trials"):
        looking.ask(made)


def test_nothing_to_search_is_an_error() -> None:
    fixed = Search(Space({"box": (7.5, 7.5)}), {"box": 7.5})
    with pytest.raises(RuntimeError, match="every range is empty"):
        fixed.ask([Trial({"box": 7.5}, 0.1)])


def test_the_search_climbs() -> None:
    """A smooth peak: the best of 60 trials is nearer to it than the best of 60 random ones mostly is."""
    hill = Space({"a": (0.0, 1.0), "b": (0.0, 1.0), "c": (0.0, 1.0), "d": (0.0, 1.0)})
    peak = np.array([0.2, 0.7, 0.4, 0.9])
    climbing = Search(hill, dict.fromkeys("abcd", 0.5), seed=1)
    made: list[Trial] = []
    for _ in range(60):
        values = climbing.ask(made)
        distance = np.linalg.norm(np.array(list(values.values())) - peak)
        made.append(Trial(values, 1 - float(distance)))
    random = 1 - np.linalg.norm(np.random.default_rng(0).random((200, 60, 4)) - peak, axis=2)
    best_random = np.median(random.max(axis=1))
    assert max(trial.fitness for trial in made) > best_random
