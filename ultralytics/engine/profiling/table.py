"""The result of a profile: figures by stage, and the table made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LOADING", "STEP", "TrainingProfile"]

LOADING = ("decode", "warp", "colour", "assemble", "collate")  # in the order they happen
STEP = ("wait", "copy", "forward", "loss", "backward", "step")
MEANING = {
    "decode": "read and decode pictures",
    "warp": "resize, warp, flip",
    "colour": "colour changes, order of channels",
    "assemble": "labels, mosaic, everything else of a sample",
    "collate": "join samples to a batch",
    "wait": "nothing to do until a batch is there",
    "copy": "to the device, pixels to floats",
    "forward": "the network",
    "loss": "assignment and loss",
    "backward": "gradients",
    "step": "clip, optimizer, average of weights",
}
HIGH_IDLE = 0.1  # share of the time from which waiting for data deserves advice


@dataclass(frozen=True)
class TrainingProfile:
    """Mean times of a training, in milliseconds per image.

    Attributes:
        title: what was measured.
        loading: stage -> time in the process that makes samples.
        step: stage -> time of the process that trains; "wait" is that for data.
        wall: time from batch to batch.
        workers: processes that load; with none, loading is what the training waits for.
    """

    title: str
    loading: Mapping[str, float]
    step: Mapping[str, float]
    wall: float
    workers: int

    @property
    def images_per_s(self) -> float:
        """Images trained on in a second."""
        return 1e3 / self.wall

    @property
    def idle_share(self) -> float:
        """Share of the time in which the device had no data to work on."""
        return self.step["wait"] / sum(self.step.values())

    @property
    def stages(self) -> dict[str, float]:
        """All stages that follow one another in time; with workers, loading is not among them."""
        rest = {name: ms for name, ms in self.step.items() if name != "wait"}
        return {**self.loading, **rest} if not self.workers else dict(self.step)

    @property
    def text(self) -> str:
        """The table, and what it says."""
        lines = [self.title, ""]
        if self.workers:
            head = f"loading, in each of {self.workers} processes while others train"
            lines += [head, *_rows(self.loading), "", "training", *_rows(self.step)]
        else:
            lines += _rows(self.stages)
        lines += ["", f"{self.images_per_s:.1f} images/s; {self._verdict()}"]
        return "\n".join(lines)

    def _verdict(self) -> str:
        idle = f"the device waits for data {self.idle_share:.0%} of the time"
        slowest = max(self.stages, key=self.stages.__getitem__)
        if self.idle_share <= HIGH_IDLE:
            return f"{idle}; the longest stage is {slowest} ({MEANING[slowest]})"
        worst = max(self.loading, key=self.loading.__getitem__)
        cure = "cache=ram keeps decoded pictures" if worst == "decode" else "use more workers"
        return f"{idle}, most of all for {worst} ({MEANING[worst]}); {cure}"

    def __str__(self) -> str:
        return self.text


def _rows(stages: Mapping[str, float]) -> list[str]:
    total = sum(stages.values())
    rows = [f"{'stage':10} {'ms/image':>10} {'share':>7}"]
    rows += [
        f"{name:10} {ms:10.3f} {ms / total:7.1%}  {MEANING[name]}" for name, ms in stages.items()
    ]
    return [*rows, f"{'total':10} {total:10.3f} {1:7.1%}"]
