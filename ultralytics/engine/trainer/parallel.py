"""What a run on several devices adds to a trainer: devices, shares of a batch, equal weights, averaged gradients.

Every rank holds the whole network and sees its share of each batch. Gradients are averaged over ranks, so a loss that
is a sum over images is multiplied by their number and a loss that is a mean is not: either way the step is that of
one process on the whole batch. Specification chapter 40, section 16.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigValueError, RankError
from ultralytics.utils.environment import env_bool
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.ranks import Ranks
from ultralytics.utils.torch_utils.device import parse_device

if TYPE_CHECKING:
    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = [
    "SYNC_BN_VARIABLE",
    "check_batches",
    "loss_factor",
    "mean_losses",
    "named_devices",
    "own_device",
    "refuse_unused_weights",
    "share_batch",
    "share_buffers",
    "share_weights",
    "wrap",
]

SYNC_BN_VARIABLE = "YOLO_SYNC_BN"


def named_devices(device: Any) -> list[str]:  # Any: what parse_device accepts
    """Every device that a request names: "0,1" -> ["0", "1"], "cpu,cpu" -> ["cpu", "cpu"]; [""] for none."""
    prefix, separator, ids = parse_device(device).rpartition(":")
    return [prefix + separator + part for part in ids.split(",")]


def own_device(device: Any, local_rank: int) -> str:  # Any: what parse_device accepts
    """Device of one rank of this machine.

    Args:
        device: what the user asked for: a list, one entry per rank of the machine; "cpu", for all of them; or
            nothing: the GPU with the number of the rank, else the CPU.
        local_rank: number of the rank on this machine.

    Raises:
        ConfigValueError: the request does not have a device for this rank.
    """
    named = named_devices(device)
    if named == ["cpu"]:
        return "cpu"
    if named == [""]:
        return str(local_rank) if torch.cuda.is_available() else "cpu"
    if local_rank >= len(named):
        raise ConfigValueError(
            f"device={device} names {len(named)} device(s), but the launcher started a rank {local_rank} "
            "(counted from 0) on this machine: name one device per rank, device=cpu, or none"
        )
    return named[local_rank]


def share_batch(batch: float, ranks: int) -> int:
    """Images of a batch over all ranks; what does not divide evenly is left out, with a warning.

    Raises:
        ConfigValueError: fewer images than ranks, or a batch that is to be found by measuring.
    """
    if batch < ranks:
        raise ConfigValueError(
            f"batch={batch} on {ranks} ranks: give a number of images of at least {ranks}"
            + (", as the batch is not measured on several devices" if batch < 1 else "")
        )
    whole = int(batch) // ranks * ranks
    if whole != batch:
        LOGGER.warning(
            f"batch={batch} does not divide by {ranks} ranks: each takes {whole // ranks} images of a step, "
            f"{whole} together."
        )
    return whole


def check_batches(trainer: BaseTrainer) -> None:
    """Refuse loaders of different length, whose ranks would wait for one another for ever."""
    lengths = trainer.ranks.exchange(
        len(trainer.train_loader), "the length of the training loaders"
    )
    if len(set(lengths)) > 1:
        raise RankError(
            f"the training loaders of the ranks have {lengths} batches; get_dataloader must give every rank "
            "equally many"
        )


@torch.no_grad()
def share_weights(model: nn.Module, ranks: Ranks) -> None:
    """Give every rank the parameters and buffers of rank 0."""
    if ranks.is_shared:
        for tensor in (*model.parameters(), *model.buffers()):
            _send(tensor)


@torch.no_grad()
def share_buffers(model: nn.Module, ranks: Ranks) -> None:
    """Give every rank the buffers of rank 0, such as the statistics of normalisation layers."""
    if ranks.is_shared:
        for tensor in model.buffers():
            _send(tensor)


def _send(tensor: Tensor) -> None:
    dense = tensor.detach().contiguous()
    torch.distributed.broadcast(dense, src=0)
    tensor.copy_(dense)


def wrap(trainer: BaseTrainer) -> nn.Module:
    """The network of a trainer ready for its rank: in a run of one process, as it is.

    Gradients are gathered in buckets while the backward pass goes on. Weights without gradient are searched for in
    each step only where the trainer says that there can be any, and under a loss of the user.

    Raises:
        ConfigValueError: joint batch normalisation was asked for on a device that has none.
    """
    model: nn.Module = trainer.model
    if not trainer.ranks.is_shared:
        return model
    if trainer.sync_batchnorm or env_bool(SYNC_BN_VARIABLE):
        if trainer.device.type == "cpu":
            raise ConfigValueError(
                f"{SYNC_BN_VARIABLE} (sync_batchnorm) asks for batch normalisation over all ranks, which torch "
                "has for GPUs only; leave it out on the CPU"
            )
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    is_compiled = bool(trainer.args.compile)
    may_skip = trainer.skips_parameters or trainer.given_objects.loss is not None
    return nn.parallel.DistributedDataParallel(
        model,
        **_own_buffers(),
        gradient_as_bucket_view=True,
        static_graph=is_compiled,
        find_unused_parameters=may_skip and not is_compiled,
    )


def refuse_unused_weights(error: RuntimeError) -> None:
    """Say in the words of this library what torch found out about weights without gradient."""
    if "find_unused_parameters" in str(error):
        raise ConfigValueError(
            "some weights had no gradient in a step, so the ranks wait for them: set `skips_parameters = True` in "
            "the class of the trainer"
        ) from error


def _own_buffers() -> dict[str, Any]:
    """Leave buffers to each rank between validations; newer torch has another name for it."""
    names = inspect.signature(nn.parallel.DistributedDataParallel.__init__).parameters
    newer = "forward_sync_buffers"
    return {newer if newer in names else "broadcast_buffers": False}


def loss_factor(trainer: BaseTrainer) -> int:
    """What a loss is multiplied by before gradients are averaged over ranks."""
    return trainer.ranks.count if trainer.loss_is_sum else 1


def mean_losses(parts: list[dict[str, float]]) -> dict[str, float]:
    """Mean over ranks of the losses of an epoch; all saw equally many batches."""
    return {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
