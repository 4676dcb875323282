"""Samples to a batch.

Images become one uint8 tensor (B, C, H, W). Samples that lie one after the other in one block of memory
are joined without a copy; samples whose memory is (H, W, C) stay so, the batch is then a channels_last
view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import get_worker_info

__all__ = ["batch_memory", "collate_fn", "stack_images"]

# Any: a sample holds tensors, paths, sizes and whatever a user transform adds
Sample = Mapping[str, Any]


def collate_fn(batch: Sequence[Sample]) -> dict[str, Any]:
    """Join the samples of a batch, key by key in sorted order.

    Images and maps are stacked, prompts padded to the same count, everything per object concatenated;
    `batch_idx` gets the number of its sample added. Other keys become tuples of length B.
    """
    joined: dict[str, Any] = {}
    for key in sorted(batch[0]):
        values = [sample[key] for sample in batch]
        joined[key] = JOIN.get(key, tuple)(values)
    return joined


def batch_memory(shape: tuple[int, ...], dtype: torch.dtype = torch.uint8) -> Tensor:
    """Uninitialised memory; in a worker process it is shared, so that sending it copies nothing."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype)
    size = math.prod(shape) * dtype.itemsize
    storage = torch.UntypedStorage._new_shared(size, device="cpu")
    return torch.empty(0, dtype=dtype).set_(storage).view(shape)


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """Stack (C, H, W) tensors without copying, or in the memory order they have."""
    first = images[0]
    if any(image.shape != first.shape for image in images):
        return torch.stack(list(images))  # raises with both shapes in the text
    if _is_one_block(images):
        return first.as_strided((len(images), *first.shape), (first.numel(), *first.stride()))
    if first.ndim == 3 and not first.is_contiguous() and first.permute(1, 2, 0).is_contiguous():
        return torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)
    return torch.stack(list(images))


def _is_one_block(images: Sequence[Tensor]) -> bool:
    """Whether the samples are consecutive, gap-free parts of the same storage."""
    first = images[0]
    storage, strides, step = first.untyped_storage().data_ptr(), first.stride(), first.numel()
    dense = first.is_contiguous() or (first.ndim == 3 and first.permute(1, 2, 0).is_contiguous())
    return (
        len(images) > 1
        and dense
        and all(
            image.untyped_storage().data_ptr() == storage
            and image.stride() == strides
            and image.storage_offset() == first.storage_offset() + i * step
            for i, image in enumerate(images)
        )
    )


def _concatenate(values: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(values), 0)


def _stack(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values), 0)


def _pad(values: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(values), batch_first=True)


def _number(values: Sequence[Tensor]) -> Tensor:
    return torch.cat([value + i for i, value in enumerate(values)], 0)


JOIN: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "img": stack_images,
    **dict.fromkeys(("text_feats", "semantic_mask", "sem_masks", "depth"), _stack),
    "visuals": _pad,
    **dict.fromkeys(("masks", "keypoints", "bboxes", "cls", "segments", "obb"), _concatenate),
    "batch_idx": _number,
}
