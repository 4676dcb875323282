"""How well tracks follow objects: HOTA, the CLEAR MOT numbers and IDF1, all from the overlaps of a sequence.

HOTA: Luiten et al., IJCV 2021, equations 1 to 12. CLEAR MOT: Bernardin, Stiefelhagen, 2008. Identity: Ristani et al.,
ECCV 2016 workshops. Pairing is optimal (Hungarian) per frame, for identity once per sequence. G = true objects, T =
tracks of a frame; overlap is in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["TrackMetrics", "read_mot"]

Array = NDArray[Any]

ALPHAS = np.arange(0.05, 0.99, 0.05)  # overlaps that HOTA averages over
TINY = np.finfo(float).eps
STAY = 1000.0  # bonus of a pair that was one before, larger than any sum of overlaps
MOST, LEAST = (
    0.8,
    0.2,
)  # shares of its life from which an object counts as mostly tracked, and below as mostly lost


@dataclass
class _Frame:
    truth: Array  # (G,) positions of ids in their sorted list
    found: Array  # (T,) likewise
    overlap: Array  # (G, T)


@dataclass
class TrackMetrics:
    """Collects frames of one sequence with `update`; `results` then holds the numbers.

    Attributes:
        threshold: least overlap of a pair for the CLEAR MOT and identity numbers.
    """

    threshold: float = 0.5
    _frames: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def update(self, true_ids: ArrayLike, track_ids: ArrayLike, overlap: ArrayLike) -> None:
        """Add the next frame.

        Args:
            true_ids: (G,) whole numbers, each once.
            track_ids: (T,) likewise.
            overlap: (G, T), such as IoU.

        Raises:
            ValueError: a number that occurs twice, or overlaps of another shape.
        """
        truth, found = (np.asarray(ids, dtype=np.int64).ravel() for ids in (true_ids, track_ids))
        for name, ids in (("true", truth), ("track", found)):
            if len(np.unique(ids)) != len(ids):
                raise ValueError(f"a {name} id occurs twice in one frame: {ids.tolist()}")
        values = np.asarray(overlap, dtype=float)
        if values.size != len(truth) * len(found):
            raise ValueError(
                f"overlap of shape {values.shape} for {len(truth)} objects and {len(found)} tracks"
            )
        self._frames.append((truth, found, values.reshape(len(truth), len(found))))

    def update_boxes(
        self, true_ids: ArrayLike, true_boxes: ArrayLike, track_ids: ArrayLike, boxes: ArrayLike
    ) -> None:
        """Add the next frame from corner boxes (G, 4) and (T, 4)."""
        a, b = (np.asarray(x, dtype=float).reshape(-1, 4) for x in (true_boxes, boxes))
        sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(
            a[:, None, :2], b[None, :, :2]
        )
        shared = sides.clip(min=0).prod(axis=2)
        areas = [(x[:, 2:] - x[:, :2]).prod(axis=1) for x in (a, b)]
        union = areas[0][:, None] + areas[1][None] - shared
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        self.update(true_ids, track_ids, overlap)

    @property
    def results(self) -> dict[str, float]:
        """HOTA, DetA, AssA, LocA; MOTA, MOTP, IDSW, FP, FN, Frag, MT, ML; IDF1, IDP, IDR. Shares are in [0, 1]."""
        frames, objects, tracks = self._numbered()
        return {
            **_hota(frames, objects, tracks),
            **_clear(frames, objects, self.threshold),
            **_identity(frames, objects, tracks, self.threshold),
        }

    def _numbered(self) -> tuple[list[_Frame], int, int]:
        """Frames with ids replaced by their places in the sorted lists of all ids."""
        lists = []
        for place in (0, 1):
            parts = [frame[place] for frame in self._frames]
            lists.append(np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64))
        frames = [
            _Frame(np.searchsorted(lists[0], a), np.searchsorted(lists[1], b), overlap)
            for a, b, overlap in self._frames
        ]
        return frames, len(lists[0]), len(lists[1])


def _best_pairs(worth: Array) -> tuple[Array, Array]:
    from scipy.optimize import linear_sum_assignment

    solve: Callable[..., tuple[Array, Array]] = linear_sum_assignment
    return solve(worth, maximize=True)


def _presence(frames: Sequence[_Frame], objects: int, tracks: int) -> tuple[Array, Array]:
    """In how many frames each object and each track is."""
    counts = [np.zeros(objects), np.zeros(tracks)]
    for frame in frames:
        counts[0][frame.truth] += 1
        counts[1][frame.found] += 1
    return counts[0], counts[1]


def _hota(frames: Sequence[_Frame], objects: int, tracks: int) -> dict[str, float]:
    truth_count, found_count = _presence(frames, objects, tracks)
    alike = np.zeros((objects, tracks))
    for frame in frames:
        total = frame.overlap.sum(0)[None] + frame.overlap.sum(1)[:, None] - frame.overlap
        share = np.divide(frame.overlap, total, out=np.zeros_like(total), where=total > TINY)
        alike[np.ix_(frame.truth, frame.found)] += share
    counts = truth_count[:, None] + found_count[None]
    alignment = np.divide(alike, counts - alike, out=np.zeros_like(alike), where=counts > alike)
    hits = np.zeros((len(ALPHAS), objects, tracks))
    closeness = np.zeros(len(ALPHAS))
    for frame in frames:
        rows, columns = _best_pairs(alignment[np.ix_(frame.truth, frame.found)] * frame.overlap)
        overlap = frame.overlap[rows, columns]
        for level, alpha in enumerate(ALPHAS):
            taken = overlap >= alpha - TINY
            hits[level, frame.truth[rows[taken]], frame.found[columns[taken]]] += 1
            closeness[level] += overlap[taken].sum()
    true = hits.sum((1, 2))
    detection = true / np.maximum(1, truth_count.sum() + found_count.sum() - true)
    kept = hits / np.maximum(1, counts[None] - hits)
    association = (hits * kept).sum((1, 2)) / np.maximum(1, true)
    location = np.maximum(1e-10, closeness) / np.maximum(1e-10, true)
    return {
        "HOTA": float(np.sqrt(detection * association).mean()),
        "DetA": float(detection.mean()),
        "AssA": float(association.mean()),
        "LocA": float(location.mean()),
    }


def _clear(frames: Sequence[_Frame], objects: int, threshold: float) -> dict[str, float]:
    partner = np.full(objects, -1)  # last track of every object
    partner_now = np.full(objects, -1)  # its track in the frame before
    seen, found_in = np.zeros(objects), np.zeros(objects)
    spells = np.zeros(objects)  # how often following an object began
    true = false = missed = switches = 0
    closeness = 0.0
    for frame in frames:
        close = frame.overlap >= threshold - TINY
        stays = partner_now[frame.truth][:, None] == frame.found[None]
        rows, columns = _best_pairs(np.where(close, frame.overlap + STAY * stays, 0))
        taken = close[rows, columns]
        rows, columns = rows[taken], columns[taken]
        who, by = frame.truth[rows], frame.found[columns]
        switches += int(((partner[who] >= 0) & (partner[who] != by)).sum())
        spells[who] += partner_now[who] < 0
        partner[who] = by
        partner_now = np.full(objects, -1)
        partner_now[who] = by
        seen[frame.truth] += 1
        found_in[who] += 1
        true += len(rows)
        missed += len(frame.truth) - len(rows)
        false += len(frame.found) - len(rows)
        closeness += float(frame.overlap[rows, columns].sum())
    share = found_in[seen > 0] / seen[seen > 0]
    return {
        "MOTA": (true - false - switches) / max(1.0, true + missed),
        "MOTP": closeness / max(1.0, true),
        "IDSW": switches,
        "FP": false,
        "FN": missed,
        "Frag": int((spells[spells > 0] - 1).sum()),
        "MT": int((share > MOST).sum()),
        "ML": int((share < LEAST).sum()),
    }


def _identity(
    frames: Sequence[_Frame], objects: int, tracks: int, threshold: float
) -> dict[str, float]:
    truth_count, found_count = _presence(frames, objects, tracks)
    together = np.zeros((objects, tracks))
    for frame in frames:
        together[np.ix_(frame.truth, frame.found)] += frame.overlap >= threshold
    rows, columns = _best_pairs(together)
    right = float(together[rows, columns].sum())
    truth, found = float(truth_count.sum()), float(found_count.sum())
    return {
        "IDF1": 2 * right / max(1.0, truth + found),
        "IDP": right / max(1.0, found),
        "IDR": right / max(1.0, truth),
    }


def read_mot(file: Any) -> dict[int, tuple[Array, Array]]:  # Any: a path
    """True objects of a MOTChallenge file: frame number -> ids (G,) and corner boxes (G, 4).

    Rows are frame, id, left, top, width, height, and perhaps a flag (0: not to be counted), class and visibility.

    Raises:
        ValueError: a row with fewer than six numbers; the text names file and line.
    """
    from pathlib import Path

    table: dict[int, list[tuple[int, list[float]]]] = {}
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(text) for text in line.split(",")]
            frame, identity, left, top, width, height = values[:6]
        except ValueError as error:
            raise ValueError(
                f"{file}, line {number}: not 'frame,id,left,top,width,height,...': {line!r}"
            ) from error
        if len(values) < 7 or values[6] != 0:
            row = (int(identity), [left, top, left + width, top + height])
            table.setdefault(int(frame), []).append(row)
    return {
        frame: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
        for frame, rows in table.items()
    }
