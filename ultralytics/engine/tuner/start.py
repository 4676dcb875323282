"""`Model.tune`: which search runs, and with which arguments. Merging is from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ultralytics.engine.tuner.tuner import Tuner
from ultralytics.errors import ConfigTypeError

__all__ = ["start_search"]

OPTIMIZER = "AdamW"  # "auto" would set a rate of its own and ignore the one that is tried
FIRST_RATE = 0.002  # lr0 that suits it, where the default of SGD is at the end of the range


def start_search(
    facade: Any,  # Any: a facade
    use_ray: bool,
    iterations: int,
    extras: Sequence[Any],
    call: Mapping[str, Any],
) -> Any:
    """Search hyperparameters for a facade.

    Args:
        facade: the model.
        use_ray: by Ray Tune.
        iterations: number of trials.
        extras: positional arguments of `run_ray_tune`.
        call: what the user gave by name.

    Returns:
        What Ray found, or None.

    Raises:
        ConfigTypeError: positional arguments without Ray.
    """
    given = {**search_defaults(call), **call}
    if use_ray:
        from ultralytics.utils.tuner import run_ray_tune

        return run_ray_tune(facade, *extras, **{**given, "iterations": iterations})
    if extras:
        raise ConfigTypeError(
            f"tune takes no positional arguments after iterations, but got {list(extras)!r}; "
            "give them by name, or use_ray=True"
        )
    args = {**facade.overrides, **given, "mode": "train"}
    Tuner(args, _callbacks=facade.callbacks, model=facade)(iterations=iterations)
    return None


def search_defaults(call: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser of a search that does not vary or name one, and the rate it starts from."""
    if "optimizer" in call or "optimizer" in (call.get("space") or {}):
        return {}
    return {"optimizer": OPTIMIZER, **({} if "lr0" in call else {"lr0": FIRST_RATE})}
