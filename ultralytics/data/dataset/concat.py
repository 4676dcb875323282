"""Several data sets read one after the other."""

from __future__ import annotations

import bisect
from typing import Any

from torch.utils.data import ConcatDataset

from ultralytics.data.base import Sample
from ultralytics.data.collate import collate_fn
from ultralytics.data.samplers import SampleIndex

__all__ = ["YOLOConcatDataset"]


class YOLOConcatDataset(ConcatDataset[Sample]):
    """torch's ConcatDataset whose members keep what a `SampleIndex` carries."""

    collate_fn = staticmethod(collate_fn)

    def __getitem__(self, index: int) -> Sample:
        """Sample of the member that holds the index; its pool is cut to that member."""
        if not isinstance(index, SampleIndex):
            return super().__getitem__(index)
        member = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[member - 1] if member else 0
        end = self.cumulative_sizes[member]
        pool = tuple(i - start for i in index.pool if start <= i < end)
        return self.datasets[member][SampleIndex(index - start, index.epoch, index.seed, pool)]

    @property
    def augment(self) -> bool:
        """Whether any member draws random numbers."""
        return any(getattr(dataset, "augment", False) for dataset in self.datasets)

    def close_mosaic(self, hyp: Any) -> None:  # Any: settings namespace
        """Close mosaic in every member that can."""
        for dataset in self.datasets:
            if hasattr(dataset, "close_mosaic"):
                dataset.close_mosaic(hyp)
