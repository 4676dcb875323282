"""Pictures with the number of their objects, from label files of detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ultralytics.data import YOLODataset, build_dataloader
from ultralytics.data.collate import collate_fn
from ultralytics.data.fraction import get_split_fraction


class CountDataset(YOLODataset):
    """Detection data whose batches also hold `count`, float (B,)."""

    @staticmethod
    def collate_fn(batch: Sequence[Any]) -> dict[str, Any]:
        joined = collate_fn(batch)
        numbers = torch.bincount(joined["batch_idx"].long(), minlength=len(batch))
        joined["count"] = numbers.float()
        return joined


def loader_of(args: Any, path: Any, data: dict[str, Any], batch: int, is_train: bool) -> Any:
    """Batches of a split; pictures are padded, never mixed or cropped."""
    dataset = CountDataset(
        img_path=path,
        imgsz=args.imgsz,
        batch_size=batch,
        augment=False,
        hyp=args,
        task=args.task,
        data=data,
        fraction=get_split_fraction(args.fraction, "train" if is_train else "val"),
    )
    return build_dataloader(dataset, batch, args.workers, shuffle=is_train, device=str(args.device))
