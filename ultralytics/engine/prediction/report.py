"""The closing lines of a run: times per picture and what was saved where."""

from __future__ import annotations

from ultralytics.engine.prediction.run import STAGES, Run
from ultralytics.utils.logging import LOGGER, colorstr

__all__ = ["report"]


def report(run: Run) -> None:
    """Settle `speed` (ms per picture) and `pixels` of a run, and log what its settings ask for."""
    settings = run.args
    if run.seen:
        run.speed = {
            name: timer.t * 1e3 / run.seen for name, timer in zip(STAGES, run.timers, strict=True)
        }
        run.pixels = round(run.area / run.seen)
        if settings.verbose:
            shape = (min(settings.batch, run.seen), *run.input_shape[1:])
            times = ", ".join(f"{value:.1f}ms {name}" for name, value in run.speed.items())
            LOGGER.info(f"Speed: {times} per image at shape {shape}")
    if settings.save or settings.save_txt or settings.save_crop:
        LOGGER.info(_saved(run))


def _saved(run: Run) -> str:
    text = f"Results saved to {colorstr('bold', str(run.save_dir))}"
    if not run.args.save_txt:
        return text
    labels = run.save_dir / "labels"
    count = len(list(labels.iterdir()))
    return f"{text}\n{count} label{'s' if count > 1 else ''} saved to {labels}"
