"""Prediction of pictures larger than a tile: window by window, then as one result (settings `tile` and `overlap`).

Windows are predicted like pictures of their own; every task says in `merge_tiles` of its predictor how one result is
made of theirs. The rules are in `tile_merge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.cfg.load import own_setting
from ultralytics.engine.prediction.batches import Batch
from ultralytics.engine.prediction.run import Run
from ultralytics.engine.prediction.tile_merge import Piece
from ultralytics.errors import ConfigValueError
from ultralytics.geometry.tiles import Window, tile_windows

__all__ = ["check_tiles", "cut", "predict_tiles"]

Predict = Callable[[Batch], Any]  # Any: network input and list of results


def check_tiles(predictor: Any, settings: Any) -> None:  # Any: a predictor, its checked settings
    """Refuse tiles where they have no meaning.

    Raises:
        ConfigValueError: the predictor cannot merge tiles, or other settings ask for what tiles do not give.
    """
    tile = own_setting(settings, "tile")
    if tile is None:
        return
    given = f"tile={tile}"
    if not predictor.tileable:
        raise ConfigValueError(
            f"{given} does not work with {type(predictor).__name__}; leave tile out"
        )
    for name in ("embed", "visualize"):
        if getattr(settings, name):
            raise ConfigValueError(
                f"{given} cannot be combined with {name}={getattr(settings, name)}; leave one out"
            )


def cut(images: Any, settings: Any) -> list[tuple[Window, ...]] | None:
    """Windows of every picture of a batch; None when no picture is larger than a tile.

    Args:
        images: list of (h, w, c) pictures, or an NCHW tensor.
        settings: `tile` and `overlap` are read.

    Raises:
        ConfigValueError: a tensor is larger than a tile: it is a network input and not cut.
    """
    tile, overlap = own_setting(settings, "tile"), own_setting(settings, "overlap")
    if tile is None:
        return None
    sides = tile if isinstance(tile, (list, tuple)) else [tile] * 2
    is_tensor = isinstance(images, Tensor)
    shapes = [tuple(image.shape[1:] if is_tensor else image.shape[:2]) for image in images]
    windows = [tile_windows(shape, sides, overlap) for shape in shapes]
    if all(len(of_one) == 1 for of_one in windows):
        return None
    if is_tensor:
        raise ConfigValueError(
            f"tile={tile} cannot cut a tensor source of {shapes[0][0]} x {shapes[0][1]} pixels: "
            "a tensor is the network's input itself; give an array or leave tile out"
        )
    return windows


# ------------------------------------------------------------------------------------------ a batch


def predict_tiles(
    predictor: Any,  # Any: a predictor, whose module imports this one
    run: Run,
    batch: Batch,
    windows: Sequence[Sequence[Window]],
    predict: Predict,
) -> Any:
    """The last network input of a batch, and one result for each of its pictures.

    Pictures with one window are predicted together, as they would be without tiles. Crops of the others go through
    the network at most `batch` at a time, those of one size together.

    Args:
        predictor: `merge_tiles` and `observer` are used.
        run: the run of the batch.
        batch: the pictures.
        windows: of each picture.
        predict: network input and results of a part of a batch.
    """
    before = [timer.t for timer in run.timers]
    settings, whole = run.args, run.batch
    results: list[Any] = [None] * len(batch)
    facts: list[dict[str, Any]] = [{} for _ in results]
    small = [i for i, of_one in enumerate(windows) if len(of_one) == 1]
    im: Any = None  # Any: the tensor that predict gives
    if small:
        run.mixed = True  # they are padded as they would be among the others
        im, found = predict(_part(batch, small, [batch.images[i] for i in small]))
        run.mixed = False
        for place, i in enumerate(small):
            results[i], facts[i] = found[place], _facts(predictor, place)
    run.args = copy(settings)
    run.args.retina_masks = True
    pieces: list[list[Piece]] = [[] for _ in results]
    for jobs in _jobs(windows, max(1, int(settings.batch))):
        crops = [np.ascontiguousarray(batch.images[i][window.slices]) for i, window in jobs]
        im, found = predict(_part(batch, [i for i, _ in jobs], crops))
        for place, (i, window) in enumerate(jobs):
            pieces[i].append(Piece(window, found[place], _facts(predictor, place)))
    run.args, run.batch = settings, whole
    with run.timers[-1]:
        for i, of_one in enumerate(pieces):
            if of_one:
                results[i], facts[i] = predictor.merge_tiles(of_one, batch.images[i])
    for timer, start in zip(run.timers, before, strict=True):
        timer.dt = timer.t - start
    if predictor.observer is not None:
        predictor.observer.replace(facts)
    return im, results


def _part(batch: Batch, places: Sequence[int], images: list[Any]) -> Batch:
    """A batch of pictures, or crops of pictures, at some places of another."""
    return replace(
        batch,
        images=images,
        paths=[batch.paths[i] for i in places],
        infos=[batch.infos[i] for i in places],
        frames=[batch.frames[i] for i in places],
        slots=[batch.slots[i] for i in places],
    )


def _facts(predictor: Any, place: int) -> dict[str, Any]:
    return {} if predictor.observer is None else predictor.observer.facts_of(place)


def _jobs(windows: Sequence[Sequence[Window]], limit: int) -> Iterator[list[tuple[int, Window]]]:
    """Places and windows of large pictures, those of one size together, at most `limit` at a time."""
    sizes: dict[tuple[int, int], list[tuple[int, Window]]] = {}
    for i, of_one in enumerate(windows):
        for window in of_one if len(of_one) > 1 else ():
            sizes.setdefault((window.height, window.width), []).append((i, window))
    for jobs in sizes.values():
        for start in range(0, len(jobs), limit):
            yield jobs[start : start + limit]
