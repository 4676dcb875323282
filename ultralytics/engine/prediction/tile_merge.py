"""One result of what was found in the windows of a picture.

- Detections (`merge_detections`): boxes, rotated boxes, masks and keypoints move into the picture. Of detections of
  different windows and of one class (with `agnostic_nms` of any) that share more than half of the smaller one's area,
  one stays: one that keeps 2 px away from the inner borders of its window before one that does not, then the one of
  higher confidence. `max_det` is applied to what is left. Masks have the size of the picture.
- Probabilities (`merge_probabilities`): the mean over windows.
- Class maps (`merge_class_maps`): a pixel takes the class of the window in which it lies farthest from an inner border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results import Results
from ultralytics.geometry.boxes import xywh2xyxy, xyxy2xywh
from ultralytics.geometry.tiles import Window, extents_of, survivors

__all__ = ["Piece", "kept_rows", "merge_class_maps", "merge_detections", "merge_probabilities"]

Facts = dict[str, Any]  # Any: what a tracker wants to know, see trackers.observer
Picture = np.ndarray[Any, Any]
Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Piece:
    """What was found in one window, in its pixels, and what a tracker wants to know of it."""

    window: Window
    result: Results
    facts: Facts = field(default_factory=dict)


def _blank(pieces: Sequence[Piece], picture: Picture) -> Results:
    first = pieces[0].result
    return Results(picture, path=first.path, names=first.names)


def merge_probabilities(pieces: Sequence[Piece], picture: Picture) -> tuple[Results, Facts]:
    """The result of a picture from the class probabilities of its windows."""
    rows = [torch.as_tensor(piece.result.probs.data) for piece in pieces]  # type: ignore[union-attr]
    result = _blank(pieces, picture)
    result.update(probs=torch.stack(rows).mean(dim=0))
    return result, {}


def merge_class_maps(pieces: Sequence[Piece], picture: Picture) -> tuple[Results, Facts]:
    """The result of a picture from the class maps of its windows."""
    height, width = picture.shape[:2]
    first = torch.as_tensor(pieces[0].result.semantic_mask.data)  # type: ignore[union-attr]
    ids = first.new_zeros((height, width))
    deepest = torch.full((height, width), -1.0, device=first.device)
    for piece in pieces:
        found = torch.as_tensor(piece.result.semantic_mask.data)  # type: ignore[union-attr]
        depth = torch.from_numpy(piece.window.depths()).to(deepest)
        wins = depth > deepest[piece.window.slices]
        ids[piece.window.slices][wins] = found[wins]
        deepest[piece.window.slices][wins] = depth[wins]
    result = _blank(pieces, picture)
    result.update(semantic_mask=ids)
    return result, {}


def merge_detections(
    pieces: Sequence[Piece], picture: Picture, agnostic: bool, max_det: int
) -> tuple[Results, Facts]:
    """The result of a picture from the detections of its windows, and the facts of a tracker about it.

    Args:
        pieces: the windows; their facts may hold "feats", one row per detection, and "dets_del", removed ones.
        picture: (h, w, c).
        agnostic: detections of different classes are one object, too.
        max_det: most detections of the picture.
    """
    name = "boxes" if pieces[0].result.obb is None else "obb"
    rows = [_moved(piece, torch.as_tensor(getattr(piece.result, name).data)) for piece in pieces]
    kept = kept_rows(
        [_on_host(part) for part in rows], [piece.window for piece in pieces], agnostic
    )[:max_det]
    result = _blank(pieces, picture)
    table = torch.cat(rows)
    chosen = torch.from_numpy(kept).to(table.device)
    result.update(**{name: table[chosen]})
    counts = [len(part) for part in rows]
    if any(piece.result.keypoints is not None for piece in pieces):
        points = [_moved_points(p) for p in pieces if p.result.keypoints is not None]
        result.update(keypoints=torch.cat(points)[chosen])
    if len(kept) and any(piece.result.masks is not None for piece in pieces):
        result.update(masks=_pasted(pieces, counts, kept))
    return result, _merged_facts(pieces, rows, kept, result, agnostic)


def _moved(piece: Piece, rows: Tensor) -> Tensor:
    """Rows in pixels of the picture; corners or the centre come first."""
    moved = rows.clone()
    is_rotated = piece.result.obb is not None
    for start, shift in enumerate((piece.window.left, piece.window.top)):
        moved[:, start : 2 if is_rotated else 4 : 2] += shift
    return moved


def _moved_points(piece: Piece) -> Tensor:
    points = torch.as_tensor(piece.result.keypoints.data).clone()  # type: ignore[union-attr]
    points[..., 0] += piece.window.left
    points[..., 1] += piece.window.top
    return points


def _on_host(rows: Tensor) -> Rows:
    return rows.detach().cpu().float().numpy()


def kept_rows(tables: Sequence[Rows], windows: Sequence[Window], agnostic: bool) -> Any:
    """Numbers of the rows of all windows that stay, by falling confidence.

    Args:
        tables: rows [geometry, confidence, class] of every window, in pixels of the picture.
        windows: the windows.
        agnostic: rows of different classes compete, too.
    """
    table = np.concatenate(tables)
    touches = [
        window.touched_by(extents_of(part[:, :-2]))
        for window, part in zip(windows, tables, strict=True)
    ]
    number = np.repeat(np.arange(len(tables)), [len(part) for part in tables])
    labels = None if agnostic else table[:, -1]
    return survivors(table[:, :-2], table[:, -2], labels, number, np.concatenate(touches))


def _pasted(pieces: Sequence[Piece], counts: Sequence[int], kept: Any) -> Tensor:
    """Masks (n, H, W) at the size of the picture, uint8."""
    first = next(piece.result.masks for piece in pieces if piece.result.masks is not None)
    size_hw, device = pieces[0].window.picture_hw, torch.as_tensor(first.data).device
    masks = torch.zeros((len(kept), *size_hw), dtype=torch.uint8, device=device)
    starts = np.cumsum([0, *counts])
    owner = np.searchsorted(starts, kept, side="right") - 1
    for number, piece in enumerate(pieces):
        places = np.flatnonzero(owner == number)
        if len(places) and piece.result.masks is not None:
            own = torch.as_tensor(piece.result.masks.at_picture_size()).to(masks)
            rows, columns = piece.window.slices
            local = kept[places] - starts[number]
            masks[torch.from_numpy(places).to(device), rows, columns] = own[
                torch.from_numpy(local).to(device)
            ]
    return masks


def _merged_facts(
    pieces: Sequence[Piece], rows: Sequence[Tensor], kept: Any, result: Results, agnostic: bool
) -> Facts:
    """What a tracker is told: features of the detections that stayed, and removed ones merged by the same rule."""
    facts: Facts = {}
    found = [piece for piece, part in zip(pieces, rows, strict=True) if len(part)]
    if found and all("feats" in piece.facts for piece in found):
        facts["feats"] = np.concatenate([piece.facts["feats"] for piece in found])[kept]
        vars(result)["feats"] = facts["feats"]
    if any("dets_del" in piece.facts for piece in pieces):
        facts["dets_del"] = _merged_removed(pieces, rows, agnostic)
    return facts


def _merged_removed(pieces: Sequence[Piece], rows: Sequence[Tensor], agnostic: bool) -> Any:
    """Boxes, scores and classes that suppression had removed, of windows whose own detections stay; None without any.

    They compete together with what was kept, so the copies of an object go where the object itself goes.
    """
    tables = []
    gone = []
    for piece, part in zip(pieces, rows, strict=True):
        kept, removed = _on_host(part), _removed_rows(piece, part.shape[1])
        tables.append(np.concatenate((kept, removed)))
        gone.append(np.arange(len(tables[-1])) >= len(kept))
    stay = kept_rows(tables, [piece.window for piece in pieces], agnostic)
    rest = np.concatenate(tables)[stay[np.concatenate(gone)[stay]]]
    if not len(rest):
        return None
    is_rotated = pieces[0].result.obb is not None
    boxes = rest[:, :-2] if is_rotated else xyxy2xywh(rest[:, :4])
    return boxes, rest[:, -2], rest[:, -1]


def _removed_rows(piece: Piece, width: int) -> Rows:
    """Rows (n, width) in pixels of the picture of what suppression removed in a window."""
    removed = piece.facts.get("dets_del")
    if removed is None:
        return np.zeros((0, width), dtype=np.float32)
    boxes, conf, cls = removed
    moved = boxes.copy()
    moved[:, :2] += (piece.window.left, piece.window.top)
    moved = moved if piece.result.obb is not None else xywh2xyxy(moved)
    rows: Rows = np.concatenate((moved, conf[:, None], cls[:, None]), axis=1)
    return rows
