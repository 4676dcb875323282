"""Filters, assignment, camera motion and features of trackers against arithmetic and brute force."""

from __future__ import annotations

from itertools import combinations, permutations
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from ultralytics.trackers.oc_sort import OCSortTrack, direction_cost
from ultralytics.trackers.track_tracker import TTrack, iterative_assignment
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.features import smooth_feature
from ultralytics.trackers.utils.gmc import GMC, move_centre_size
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYAH, KalmanFilterXYWH

STATES = [  # specification chapter 75, section 3.4
    pytest.param(
        KalmanFilterXYAH(),
        (100, 50, 0.5, 80),
        (104, 52, 0.52, 82),
        [64, 64, 1e-4, 64, 25, 25, 1e-10, 25],
        [103.47107, 51.73554, 0.500392, 81.73554, 0.826446, 0.413223, 0, 0.413223],
        [13.8843, 13.8843, 20.0847],
        [103.93996, 51.96998, 0.503333, 81.96998, 0.938086, 0.469043],
        id="xyah",
    ),
    pytest.param(
        KalmanFilterXYWH(),
        (100, 50, 40, 80),
        (104, 52, 42, 82),
        [16, 64, 16, 64, 6.25, 25, 6.25, 25],
        [103.47107, 51.73554, 41.73554, 81.73554, 0.826446, 0.413223, 0.413223, 0.413223],
        [3.47107, 13.8843, 5.02118],
        [103.93996, 51.96998, 41.96998, 81.96998, 0.938086, 0.469043],
        id="xywh",
    ),
]


@pytest.mark.parametrize(("kalman", "first", "then", "start", "mean", "spread", "sure"), STATES)
def test_a_step_of_the_filter(
    kalman: Any, first: Any, then: Any, start: Any, mean: Any, spread: Any, sure: Any
) -> None:
    state, covariance = kalman.initiate(first)
    assert_allclose(np.diag(covariance), start)
    state, covariance = kalman.predict(state, covariance)
    updated, narrowed = kalman.update(state, covariance, then)
    assert_allclose(updated, mean, atol=1e-5)
    assert_allclose(np.diag(narrowed)[[0, 1, 4]], spread, rtol=1e-5)
    assert_allclose(kalman.update(state, covariance, then, confidence=0.9)[0][:6], sure, atol=1e-5)


def test_many_predictions_equal_single_ones() -> None:
    kalman = KalmanFilterXYAH()
    states = [kalman.initiate((10 * i, 5, 0.5 + i, 20 + i)) for i in range(1, 4)]
    means, covariances = kalman.multi_predict(
        *(np.stack(part) for part in zip(*states, strict=True))
    )
    for i, state in enumerate(states):
        mean, covariance = kalman.predict(*state)
        assert_allclose(means[i], mean)
        assert_allclose(covariances[i], covariance)


def test_gating_distance_is_that_of_the_projection() -> None:
    kalman = KalmanFilterXYWH()
    state = kalman.initiate((100, 50, 40, 80))
    boxes = np.array([(104.0, 52, 42, 82), (100, 50, 40, 80)])
    expected, spread = kalman.project(*state)
    gap = boxes - expected
    by_hand = [g @ np.linalg.inv(spread) @ g for g in gap]
    assert_allclose(kalman.gating_distance(*state, boxes), by_hand)
    assert_allclose(kalman.gating_distance(*state, boxes, True, "gaussian"), [20, 0])
    with pytest.raises(ValueError, match="metric='cosine'"):
        kalman.gating_distance(*state, boxes, metric="cosine")  # type: ignore[arg-type]


def cheapest(cost: Any, limit: float) -> float:
    """Least total of costs and half limits for what is left alone, over every partial assignment."""
    rows, columns = cost.shape
    totals = []
    for k in range(min(rows, columns) + 1):
        for chosen in combinations(range(rows), k):
            for places in permutations(range(columns), k):
                pairs = sum(cost[i, j] for i, j in zip(chosen, places, strict=True))
                totals.append(pairs + limit / 2 * (rows + columns - 2 * k))
    return float(min(totals))


@settings(max_examples=60, deadline=None)
@given(
    cost=arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(0, 1)),
    limit=st.sampled_from([0.3, 0.5, 0.8]),
)
def test_the_assignment_is_the_cheapest(cost: Any, limit: float) -> None:
    pairs, alone, unused = matching.linear_assignment(cost, limit)
    total = sum(cost[i, j] for i, j in pairs) + limit / 2 * (len(alone) + len(unused))
    assert total == pytest.approx(cheapest(cost, limit), abs=1e-6)
    assert sorted([*pairs[:, 0], *alone]) == [*range(cost.shape[0])]
    assert sorted([*pairs[:, 1], *unused]) == [*range(cost.shape[1])]


def test_assignment_examples() -> None:
    cost = np.array([[0.1, 0.45], [0.2, 0.9]])
    assert matching.linear_assignment(cost, 0.5)[0].tolist() == [[0, 0]]
    assert matching.linear_assignment(cost, 0.5, use_lap=False)[0].tolist() == [[0, 1], [1, 0]]
    assert matching.linear_assignment(np.array([[0.5]]), 0.5)[0].tolist() == [[0, 0]]
    pairs, rows, columns = matching.linear_assignment(np.zeros((0, 3)), 0.5)
    assert (pairs.shape, rows.tolist(), columns.tolist()) == ((0, 2), [], [0, 1, 2])


def test_distances_of_known_boxes() -> None:
    own = [np.array(box, np.float32) for box in ((0, 0, 10, 10), (20, 20, 40, 30))]
    seen = [
        np.array(b, np.float32) for b in ((5, 5, 15, 15), (22, 20, 42, 31), (100, 100, 110, 110))
    ]
    distance = matching.iou_distance(own, seen)
    assert_allclose(distance, [[0.857143, 1, 1], [1, 0.25, 1]], atol=1e-6)
    scores = [SimpleNamespace(score=score) for score in (0.9, 0.5, 0.4)]
    fused = matching.fuse_score(distance, scores)
    assert_allclose(fused, [[0.871429, 1, 1], [1, 0.625, 1]], atol=1e-6)


def test_unknown_features_are_as_far_as_can_be() -> None:
    def looks(feature: Any) -> Any:
        return SimpleNamespace(smooth_feat=feature, curr_feat=feature)

    own = [looks(np.array([1.0, 0])), looks(None)]
    seen = [looks(np.array([0.0, 2])), looks(np.array([3.0, 0])), looks(None)]
    assert_allclose(matching.embedding_distance(own, seen), [[1, 0, 2], [2, 2, 2]], atol=1e-6)


def test_features_are_smoothed_at_unit_length() -> None:
    smooth = None
    seen = []
    for feature in ((3, 4, 0), (0, 1, 0), (0, 0, 0), (1, 0, 0)):
        _, smooth = smooth_feature(np.array(feature), smooth, 0.9)
        seen.append(smooth)
    wanted = [(0.6, 0.8, 0), (0.54999, 0.83517, 0), (0.54999, 0.83517, 0), (0.62066, 0.78408, 0)]
    assert_allclose(seen, wanted, atol=1e-5)


def test_direction_and_replay_of_oc_sort() -> None:
    def found(x: float, y: float, w: float = 40, h: float = 80) -> OCSortTrack:
        return OCSortTrack(np.array([x, y, w, h, 0]), 0.9, 0)

    track = found(100, 100)
    track.activate(KalmanFilterXYAH(), 1, 1)
    for k in range(1, 6):
        track.predict()
        track.update(found(100 + 6 * k, 100 + 2 * k**1.5), k + 1)
    assert_allclose(track.velocity, (0.73301, 0.68022), atol=1e-5)
    cost = direction_cost([track], [found(140, 130), found(100, 100)])
    assert_allclose(cost, [[0.030465, 0.965770]], atol=1e-5)
    for _ in range(3):
        track.predict()
    back = found(170, 130)
    track.replay(back, 10)
    assert_allclose(track.mean[:6], (165.39, 132.26, 0.5, 80, 7.0747, 3.3852), atol=6e-3)  # type: ignore[index]
    track.re_activate(back, 10)
    assert_allclose(track.mean[:6], (168.51, 130.73, 0.5, 80, 7.5263, 3.1642), atol=6e-3)  # type: ignore[index]


def test_corner_velocity_of_tracktrack() -> None:
    def found(k: int) -> TTrack:
        return TTrack(np.array([100 + 6 * k, 100 + 2 * k, 40 + k, 80, 0]), 0.9, 0)

    track = found(0)
    track.activate(KalmanFilterXYWH(), 1, 1)
    seen, confirmed = {}, {}
    for k in range(1, 5):
        track.predict()
        track.update(found(k), k + 1)
        seen[k + 1], confirmed[k + 1] = track.velocity[[0, 2]], track.state
    assert_allclose(seen[2], [(0.31326, 0.11391), (0.31859, 0.09803)], atol=2e-5)
    assert_allclose(seen[4], [(0.57432, 0.20884), (0.58409, 0.17972)], atol=2e-5)
    assert [confirmed[frame] for frame in (2, 3)] == [0, 1]


def test_iterative_assignment_takes_mutual_choices_and_tightens() -> None:
    cost = np.array([[0.1, 0.6, 0.68], [0.2, 0.5, 0.64], [0.9, 0.62, 0.3]])
    assert iterative_assignment(cost, 0.7) == ([(0, 0), (2, 2), (1, 1)], [], [])
    assert iterative_assignment(cost, 0.52) == ([(0, 0), (2, 2)], [1], [1])


def texture(blur: int) -> Any:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def moved(picture: Any, x: float, y: float) -> Any:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return cv2.warpAffine(picture, matrix, (640, 480), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize(
    ("method", "blur", "shift"),
    [
        ("sparseOptFlow", 3, (10, -6)),
        ("orb", 3, (10, -6)),
        ("sift", 3, (10, -6)),
        ("ecc", 12, (4, -3)),
    ],
)
def test_camera_motion_is_found(method: str, blur: int, shift: tuple[int, int]) -> None:
    gmc, picture = GMC(method), texture(blur)
    assert_allclose(gmc.apply(picture), np.eye(2, 3))
    motion = gmc.apply(moved(picture, *shift))
    assert_allclose(motion[:, 2], shift, atol=0.25)
    assert_allclose(motion[:, :2], np.eye(2), atol=0.01)
    gmc.reset_params()
    assert_allclose(gmc.apply(picture), np.eye(2, 3))


def test_no_and_unknown_methods_of_camera_motion() -> None:
    for nothing in ("none", "None", None):
        assert_allclose(GMC(nothing).apply(texture(3)), np.eye(2, 3))
    with pytest.raises(ValueError, match="Unknown GMC method: flow"):
        GMC("flow")


@pytest.mark.parametrize(
    ("angle", "size", "turned"),
    [
        (None, (40.2, 21.6, 0.108, 0.201), None),
        (0.3, (39.251, 19.625, 0.098127, 0.19625), 0.350976),
    ],
)
def test_tracks_follow_the_camera(angle: Any, size: Any, turned: Any) -> None:
    mean = np.array([100, 50, 40, 20, 1, 2, 0.1, 0.2])
    track = SimpleNamespace(mean=mean, covariance=np.eye(8), angle=angle)
    move_centre_size([track], np.array([[0.98, -0.05, 6], [0.05, 0.98, -4]]))
    assert_allclose(track.mean[[0, 1, 4, 5]], (101.5, 50, 0.88, 2.01))
    assert_allclose(track.mean[[2, 3, 6, 7]], size, rtol=1e-4)
    assert turned is None or track.angle == pytest.approx(turned, abs=1e-6)


@pytest.mark.parametrize("kind", [KalmanFilterXYWH, KalmanFilterXYAH])
def test_a_box_without_extent_can_be_followed(kind: type[Any]) -> None:
    """Its noise is zero, so its covariance cannot be inverted; the sides that have extent are followed as ever."""
    filter_ = kind()
    flat, usual = ([50.0, 40.0, 0.0, h] for h in (0.0, 20.0))
    mean, covariance = filter_.initiate(flat)
    for step in range(1, 4):
        mean, covariance = filter_.predict(mean, covariance)
        mean, covariance = filter_.update(mean, covariance, [50.0 + step, 40.0, 0.0, 0.0])
        assert np.isfinite(filter_.gating_distance(mean, covariance, np.array([flat]))).all()
    assert np.isfinite(mean).all()
    assert np.isfinite(covariance).all()
    mean, covariance = filter_.update(*filter_.predict(*filter_.initiate(usual)), usual)
    assert mean[:4] == pytest.approx(usual)


def test_frames_without_points_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    motion = GMC(method="sparseOptFlow", downscale=1)
    rng = np.random.default_rng(0)
    for _ in range(4):
        found = motion.apply(rng.integers(0, 255, (48, 48, 3), np.uint8))
        assert np.isfinite(found).all()
    motion._affine(np.zeros((0, 2)), np.zeros((0, 2)))
    motion._affine(np.zeros((0, 2)), np.zeros((0, 2)))
    assert caplog.text.count("Too few points") == 1
