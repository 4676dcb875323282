"""Size of a network: layers, parameters, operations.

Operations are counted as specification chapter 10, section 4.5 defines them (2 per multiply-add). Fully convolutional
networks with attention cost a polynomial of degree two in the number of pixels, so three tiny images determine the
count at any size; the network itself is neither copied nor run at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.utils.logging import LOGGER

__all__ = [
    "get_flops",
    "get_num_gradients",
    "get_num_params",
    "model_info",
    "model_info_for_loggers",
]

CELL = 32  # px, side of the smallest image that is run; a network may ask for more with `counting_side`

Info = tuple[int, int, int, float]


def get_num_params(model: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in model.parameters())


def get_num_gradients(model: nn.Module) -> int:
    """Number of weights that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_layers(model: nn.Module) -> int:
    """Distinct modules without children; a shared activation counts once."""
    return sum(1 for module in model.modules() if not module._modules)


def model_info(
    model: nn.Module,
    detailed: bool = False,
    verbose: bool = True,
    imgsz: int | Sequence[int] = 640,
) -> Info | None:
    """Log and return (layers, parameters, gradients, GFLOPs). Without `verbose` nothing is counted: None."""
    if not verbose:
        return None
    layers, params = count_layers(model), get_num_params(model)
    gradients, gflops = get_num_gradients(model), get_flops(model, imgsz)
    if detailed:
        _log_parameters(model)
    is_fused = getattr(model, "is_fused", None)
    content = getattr(model, "yaml", None) or {}
    stem = str(content.get("yaml_file") or "").rpartition("/")[2].rpartition(".")[0]
    name = stem.replace("yolo", "YOLO") or "Model"
    fused = " (fused)" if callable(is_fused) and is_fused() else ""
    cost = f", {gflops:.1f} GFLOPs" if gflops else ""
    LOGGER.info(
        f"{name} summary{fused}: {layers:,} layers, {params:,} parameters, "
        f"{gradients:,} gradients{cost}"
    )
    return layers, params, gradients, gflops


def _log_parameters(model: nn.Module) -> None:
    LOGGER.info(
        f"{'layer':>5}{'name':>40}{'type':>18}{'gradient':>10}{'parameters':>12}{'shape':>20}"
        f"{'mean':>10}{'std':>10}{'dtype':>16}"
    )
    kinds = dict(model.named_modules())
    for index, (name, p) in enumerate(model.named_parameters()):
        value = p.detach().float()
        spread = value.std().item() if value.numel() > 1 else 0.0
        kind = type(kinds[name.rpartition(".")[0]]).__name__
        LOGGER.info(
            f"{index:>5}{name:>40}{kind:>18}{p.requires_grad!s:>10}{p.numel():>12}"
            f"{list(p.shape)!s:>20}{value.mean().item():>10.3g}{spread:>10.3g}{p.dtype!s:>16}"
        )


def model_info_for_loggers(trainer: Any) -> dict[str, Any]:  # Any: a trainer of any task
    """Facts about a run's network for experiment loggers."""
    model = trainer.model
    return {
        "model/parameters": get_num_params(model),
        "model/GFLOPs": round(get_flops(model), 3),
        **{f"model/speed_{k}(ms)": v for k, v in getattr(trainer.validator, "speed", {}).items()},
    }


def get_flops(model: nn.Module, imgsz: int | Sequence[int] = 640) -> float:
    """GFLOPs of one image in inference mode; 0.0 when the network cannot be run on a small image."""
    from ultralytics.utils.torch_utils.wrapping import unwrap_model

    model = unwrap_model(model)
    first = next(model.parameters(), None)
    if first is None or first.ndim < 2:
        return 0.0
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else (imgsz[0], imgsz[-1])
    stride = getattr(model, "stride", None)
    least = getattr(model, "counting_side", CELL)
    cell = max(int(stride.max()) if isinstance(stride, Tensor) else CELL, least)
    channels = int(first.shape[1])
    try:
        counts = [
            count_macs(model, first.new_zeros(1, channels, cell, cell * n)) for n in (1, 2, 3)
        ]
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        LOGGER.debug(f"Operations were not counted: {error}")
        return 0.0
    cells = height * width / cell**2
    return 2 * _through_three(counts, cells) / 1e9


def _through_three(values: Sequence[float], x: float) -> float:
    """Value at x of the parabola through (1, values[0]), (2, values[1]), (3, values[2])."""
    a, b, c = values
    return a * (x - 2) * (x - 3) / 2 - b * (x - 1) * (x - 3) + c * (x - 1) * (x - 2) / 2


def count_macs(
    model: nn.Module, sample: Any, call: Callable[[nn.Module, Any], Any] | None = None
) -> float:
    """Multiply-adds of one forward pass. The state of the network is unchanged afterwards.

    Args:
        model: the network, or a part of one.
        sample: its input.
        call: how it is run on the input, when that is more than calling it.
    """
    from torch.utils.flop_counter import FlopCounterMode

    total = 0.0

    def add(rule: Callable[[nn.Module, Tensor, Tensor], float]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal total
            total += rule(module, inputs[0], output)

        return hook

    handles = [
        module.register_forward_hook(add(rule))
        for module in model.modules()
        for kinds, rule in _RULES
        if isinstance(module, kinds)
    ]
    try:
        with _inference(model), FlopCounterMode(display=False) as counter:
            (call or nn.Module.__call__)(model, sample)
    finally:
        for handle in handles:
            handle.remove()
    return total + counter.get_total_flops() / 2  # convolutions and products


def _normalisation(module: nn.Module, x: Tensor, _: Any) -> float:
    has_gain = getattr(module, "weight", None) is not None
    return (4 if has_gain else 2) * x.numel()


def _averaging(_: nn.Module, x: Tensor, y: Tensor) -> float:
    return x.numel() + y.numel()


def _resizing(module: nn.Module, _: Tensor, y: Tensor) -> float:
    return 11 * y.numel() if getattr(module, "mode", "") == "bilinear" else 0


def _weighing(module: nn.Module, x: Tensor, _: Any) -> float:
    """Softmax over all tokens for every token and head: exponents, sums and quotients."""
    assert isinstance(module, nn.MultiheadAttention)  # see the table below
    tokens = x.numel() // module.embed_dim
    return module.num_heads * tokens * (3 * tokens - 1)


_RULES: tuple[tuple[tuple[type[nn.Module], ...], Callable[[nn.Module, Any, Any], float]], ...] = (
    ((nn.BatchNorm2d, nn.LayerNorm), _normalisation),
    ((nn.AdaptiveAvgPool2d, nn.AvgPool2d), _averaging),
    ((nn.Upsample,), _resizing),
    ((nn.MultiheadAttention,), _weighing),
)


@contextmanager
def _inference(model: nn.Module) -> Iterator[None]:
    """Inference mode of every module and no gradients, with all flags put back afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
