"""Named random streams of a run: where each draw comes from, and how to seed one of them alone.

    init          initial weights: the global generators, seeded when the run starts
    order         which samples form a batch: a function of (seed, epoch), `data.samplers.RandomOrder`
    augmentation  what is drawn for a sample: a function of (seed, epoch, position), `data.samplers.sample_seed`
    steps         dropout and multi_scale: the global generators, which go on from `init` by default

All follow `seed` unless `seeds` names them. `order` and `augmentation` have no state but their seed and the position in
the run; the state of the global generators is kept beside them in the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ultralytics.cfg.load import own_setting
from ultralytics.data.samplers import stream_seed
from ultralytics.utils.environment import rank
from ultralytics.utils.torch_utils import init_seeds

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["assign", "begin", "begin_steps", "capture", "restore"]


def begin(trainer: BaseTrainer) -> None:
    """Seed the global generators for the initial weights."""
    _seed_global(trainer, _seeds(trainer).get("init", trainer.args.seed))


def assign(trainer: BaseTrainer) -> None:
    """Give the training loader its own seeds, where `seeds` names some."""
    seeds, loader = _seeds(trainer), trainer.train_loader
    if seeds and hasattr(loader, "set_seeds"):
        raw = [
            stream_seed(seeds.get(name, trainer.args.seed)) for name in ("order", "augmentation")
        ]
        loader.set_seeds(*raw)


def begin_steps(trainer: BaseTrainer) -> None:
    """Seed the global generators for the steps; without `seeds` they go on as the initial weights left them."""
    seeds = _seeds(trainer)
    if seeds:
        _seed_global(trainer, seeds.get("steps", trainer.args.seed))


def capture(trainer: BaseTrainer) -> dict[str, Any]:  # Any: plain values by stream
    """What the checkpoint says about the streams; the states of the global generators are in `rng`."""
    loader = getattr(trainer.train_loader, "seeds", {})
    return {
        "init": {"seed": _seeds(trainer).get("init", trainer.args.seed)},
        **{name: {"seed": loader.get(name)} for name in ("order", "augmentation")},
        "steps": {"seed": _seeds(trainer).get("steps"), "state": "rng"},
    }


def restore(trainer: BaseTrainer, stored: dict[str, Any]) -> None:  # Any: as from `capture`
    """Let the training loader draw from the recorded streams."""
    seeds = {name: stored[name]["seed"] for name in ("order", "augmentation") if name in stored}
    loader = trainer.train_loader
    if hasattr(loader, "set_seeds") and None not in seeds.values() and loader.seeds != seeds:
        loader.set_seeds(seeds["order"], seeds["augmentation"])


def _seeds(trainer: BaseTrainer) -> dict[str, int]:
    return own_setting(trainer.args, "seeds") or {}


def _seed_global(trainer: BaseTrainer, seed: int) -> None:
    init_seeds(seed + 1 + rank(), deterministic=trainer.args.deterministic)
