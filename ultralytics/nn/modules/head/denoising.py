"""Extra training queries of RT-DETR: noisy copies of the labels that the decoder learns to clean (arXiv 2203.03605).

Queries come in groups; a group holds a block of slightly moved labels (positive), then a block of far moved ones
(negative), each padded to the same number n of labels per image. Boxes are centre, width and height as fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ultralytics.geometry.boxes import xywh2xyxy, xyxy2xywh
from ultralytics.nn.modules.utils import inverse_sigmoid

__all__ = ["get_cdn_group"]

EPS = 1e-6
Group = tuple[Tensor, Tensor, Tensor, dict[str, Any]]  # Any: index tensors and counts


def get_cdn_group(
    batch: Mapping[str, Any] | None,
    num_classes: int,
    num_queries: int,
    class_embed: Tensor,
    num_dn: int = 100,
    cls_noise_ratio: float = 0.5,
    box_noise_scale: float = 1.0,
    training: bool = False,
) -> Group | tuple[None, None, None, None]:
    """Queries of a batch, or four times None when there is nothing to denoise.

    Args:
        batch: "cls" (G,), "bboxes" (G, 4), "gt_groups": number of labels of every image, in order.
        num_classes: wrong classes are drawn from these.
        num_queries: ordinary queries that follow the ones made here.
        class_embed: (num_classes, C) start of a query by class.
        num_dn: most positive queries per image; more labels than that are drawn from.
        cls_noise_ratio: half of it is the chance that a query gets a random class.
        box_noise_scale: how far corners move, in half box sides; 1 to 2 times as far for negative queries. With 0
            the queries are placed at fractions in place of their log-odds.
        training: whether to make any.

    Returns:
        Start of the queries (B, D, C), log-odds of their boxes (B, D, 4), the attention mask (D + num_queries
        squared, true where a query may not see another), and a dictionary: "dn_pos_idx" positions of the positive
        queries of every image, "dn_gt_idx" the labels they belong to, "dn_num_group", "dn_num_split".
    """
    counts = list(batch["gt_groups"]) if batch is not None else []
    if batch is None or not training or num_dn <= 0 or not sum(counts):
        return None, None, None, None
    slots = min(max(counts), num_dn)
    groups = num_dn // slots
    chosen = _choose(counts, slots, batch["bboxes"].device)
    labels = torch.cat(chosen)
    blocks = 2 * groups
    classes = _noisy_classes(batch["cls"].view(-1)[labels], blocks, num_classes, cls_noise_ratio)
    boxes = _noisy_boxes(batch["bboxes"][labels], blocks, box_noise_scale)
    sizes = [len(part) for part in chosen]
    queries = _padded(class_embed[classes], sizes, slots)
    # without noise the recorded behaviour is to place queries at the numbers of the boxes themselves
    places = _padded(inverse_sigmoid(boxes, EPS) if box_noise_scale > 0 else boxes, sizes, slots)
    meta = {
        "dn_pos_idx": _positive_places(sizes, slots, groups),
        "dn_gt_idx": [part.cpu() for part in chosen],
        "dn_num_group": groups,
        "dn_num_split": [blocks * slots, num_queries],
    }
    mask = _attention_mask(slots, groups, num_queries, labels.device)
    return queries, places.to(queries.dtype), mask, meta


def _choose(counts: Sequence[int], slots: int, device: torch.device) -> list[Tensor]:
    """Labels of every image by number, in order; a random part where an image has too many."""
    chosen, start = [], 0
    for count in counts:
        picked = torch.arange(count)
        if count > slots:
            picked = torch.randperm(count)[:slots].sort().values
        chosen.append((picked + start).to(device))
        start += count
    return chosen


def _noisy_classes(classes: Tensor, blocks: int, num_classes: int, ratio: float) -> Tensor:
    """(blocks, G) class numbers, some of them random."""
    repeated = classes.long().expand(blocks, -1)
    if ratio <= 0:
        return repeated
    is_wrong = torch.rand(repeated.shape, device=classes.device) < ratio * 0.5
    return torch.where(is_wrong, torch.randint_like(repeated, num_classes), repeated)


def _noisy_boxes(boxes: Tensor, blocks: int, scale: float) -> Tensor:
    """(blocks, G, 4) boxes with moved corners; every second block is moved at least half a side."""
    repeated = boxes.expand(blocks, -1, -1)
    if scale <= 0:
        return repeated
    corners = xywh2xyxy(repeated)
    reach = (boxes[:, 2:] * 0.5).repeat(1, 2) * scale
    share = torch.rand_like(corners)
    share[1::2] += 1.0
    sign = torch.randint_like(corners, 2) * 2.0 - 1.0
    return xyxy2xywh((corners + sign * share * reach).clamp(0.0, 1.0))


def _padded(values: Tensor, sizes: Sequence[int], slots: int) -> Tensor:
    """(blocks, G, C) values of all labels as (B, blocks * slots, C), zero where an image has fewer labels."""
    blocks, _, width = values.shape
    place = torch.cat([torch.arange(size) + image * slots for image, size in enumerate(sizes)])
    flat = values.new_zeros(blocks, len(sizes) * slots, width)
    flat = flat.index_copy(1, place.to(values.device), values)
    return flat.view(blocks, len(sizes), slots, width).transpose(0, 1).flatten(1, 2)


def _positive_places(sizes: Sequence[int], slots: int, groups: int) -> list[Tensor]:
    starts = torch.arange(groups)[:, None] * (2 * slots)
    return [(starts + torch.arange(size)).flatten() for size in sizes]


def _attention_mask(slots: int, groups: int, queries: int, device: torch.device) -> Tensor:
    """Groups do not see each other, and ordinary queries see no group."""
    made = 2 * slots * groups
    group = torch.arange(made, device=device) // (2 * slots)
    mask = torch.zeros(made + queries, made + queries, dtype=torch.bool, device=device)
    mask[:made, :made] = group[:, None] != group[None, :]
    mask[made:, :made] = True
    return mask
