"""Ranks in threads of one process: what they exchange, and what they say when one fails or is late."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.distributed import HashStore

from tests.multiprocess import parts
from ultralytics.data.samplers import RandomOrder, RankSampler, epoch_order
from ultralytics.engine.trainer import parallel
from ultralytics.engine.trainer.launch import Job
from ultralytics.errors import ConfigError, ConfigTypeError, ConfigValueError, RankError
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.registry import get
from ultralytics.utils.dist import find_free_network_port
from ultralytics.utils.ranks import (
    CHUNK,
    TIMEOUT_VARIABLE,
    Ranks,
    SharedRanks,
    join_ranks,
    timeout_s,
)


def together(work: Callable[[SharedRanks], Any], count: int = 3, limit: float = 20.0) -> list[Any]:
    """Results, or errors, of ranks that do the same work."""
    store = HashStore()

    def one(rank: int) -> Any:
        ranks = SharedRanks(store, (rank, count, rank), is_host=rank == 0)
        ranks.limit = limit
        try:
            return work(ranks)
        except Exception as error:  # noqa: BLE001  what a process would do at its end
            return ranks.report(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_everyone_gets_what_everyone_gave() -> None:
    def work(ranks: SharedRanks) -> Any:
        return [ranks.exchange((ranks.rank, step), f"step {step}") for step in range(5)]

    assert together(work) == [[[(r, s) for r in range(3)] for s in range(5)]] * 3


def test_long_values_travel_in_pieces_and_leave_the_store() -> None:
    long = bytes(2 * CHUNK + 5)
    store = HashStore()
    ranks = SharedRanks(store, (0, 1, 0), is_host=True)
    assert ranks.exchange(long, "weights") == [long]
    used = store.num_keys()
    assert used >= 4
    for step in range(3):
        ranks.exchange(None, f"step {step}")
    assert store.num_keys() < used + 3


def test_the_first_rank_works_for_all() -> None:
    assert together(lambda ranks: ranks.first(lambda: f"by {ranks.rank}", "a scan")) == ["by 0"] * 3
    order: list[int] = []
    together(lambda ranks: ranks.in_turn(lambda: order.append(ranks.rank), "a scan"))
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]


@pytest.mark.parametrize("guilty", [0, 1])
def test_a_failure_reaches_all_and_names_its_rank(guilty: int) -> None:
    def work(ranks: SharedRanks) -> None:
        if ranks.rank == guilty:
            raise KeyError("no such file")
        ranks.first(lambda: 1, "a scan")

    found = together(work)
    assert isinstance(found.pop(guilty), KeyError)
    assert [str(e) for e in found] == [f"rank {guilty} of 3 failed: KeyError: 'no such file'"] * 2
    assert all(isinstance(e, RankError) for e in found)


def test_a_late_rank_and_one_on_another_way_are_named() -> None:
    def late(ranks: SharedRanks) -> None:
        if ranks.rank != 2:
            ranks.exchange(None, "the end of the epoch")

    found = together(late, limit=0.3)
    assert all("rank 2 of 3 did not reach the end of the epoch" in str(e) for e in found[:2])

    def astray(ranks: SharedRanks) -> None:
        ranks.exchange(None, "the metrics" if ranks.rank == 1 else "the end of the epoch")

    (first, *_) = together(astray)
    assert "rank 1 is at 'the metrics' while rank 0 is at 'the end of the epoch'" in str(first)


def test_a_lost_connection_is_put_down_to_who_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ultralytics.utils.ranks.GRACE_S", 0.3)

    def work(ranks: SharedRanks) -> None:
        if ranks.rank != 1:
            raise RuntimeError("[gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:4321")

    found = together(work)
    assert all(
        str(e).startswith("rank 1 of 3 died or is stuck: RuntimeError")
        for e in (found[0], found[2])
    )


def test_a_missing_rank_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ConfigError, match="MASTER_ADDR"):
        join_ranks()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(find_free_network_port()))
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.5")
    with pytest.raises(
        RankError, match=r"rank 1 of 2 did not reach the start of the run within 0\.5 s"
    ):
        join_ranks()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("MASTER_PORT", str(find_free_network_port()))
    with pytest.raises(RankError, match=r"rank 1 of 2 found no store at .*: rank 0 is missing"):
        join_ranks()


def test_a_process_on_its_own_has_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = join_ranks()
    assert type(ranks) is Ranks
    assert (ranks.exchange(5, "x"), ranks.first(lambda: 6, "x"), ranks.in_turn(lambda: 7, "x")) == (
        [5],
        6,
        7,
    )
    monkeypatch.setenv(TIMEOUT_VARIABLE, "soon")
    with pytest.raises(ConfigValueError, match="YOLO_RANK_TIMEOUT=soon"):
        timeout_s()


# ---------------------------------------------------------------- shares


@pytest.mark.parametrize(("size", "ranks"), [(12, 2), (12, 4), (7, 2), (3, 4), (1, 4)])
def test_ranks_share_the_order_of_one_process(size: int, ranks: int) -> None:
    whole = RandomOrder(size, 11)
    for epoch in (0, 3):
        shares = [
            epoch_order(RankSampler(range(size), ranks, r), size, 11)(epoch)  # type: ignore[arg-type]
            for r in range(ranks)
        ]
        assert len({len(share) for share in shares}) == 1
        woven = [share[i] for i in range(len(shares[0])) for share in shares]
        expected = whole(epoch)
        assert woven == (expected * ranks)[: len(woven)]


@pytest.mark.parametrize(("batch", "ranks", "whole"), [(16, 2, 16), (16, 3, 15), (4, 4, 4)])
def test_a_batch_is_shared_evenly(batch: int, ranks: int, whole: int) -> None:
    assert parallel.share_batch(batch, ranks) == whole


@pytest.mark.parametrize("batch", [-1, 0.5, 1])
def test_a_batch_that_cannot_be_shared_is_refused(batch: float) -> None:
    with pytest.raises(ConfigValueError, match=f"batch={batch} on 2 ranks"):
        parallel.share_batch(batch, 2)


def test_devices_of_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert parallel.named_devices("0,1") == parallel.named_devices([0, 1]) == ["0", "1"]
    assert parallel.named_devices("cpu,cpu") == ["cpu", "cpu"]
    assert parallel.named_devices("npu:0,1") == ["npu:0", "npu:1"]
    assert [parallel.own_device(d, 1) for d in ("cpu", None, "0,1", "3,2")] == [
        "cpu",
        "cpu",
        "1",
        "2",
    ]
    with pytest.raises(ConfigValueError, match="a rank 1"):
        parallel.own_device("0", 1)


def test_joint_normalisation_needs_gpus() -> None:
    trainer: Any = SimpleNamespace(
        ranks=SimpleNamespace(is_shared=True),
        model=torch.nn.BatchNorm2d(2),
        sync_batchnorm=True,
        device=torch.device("cpu"),
    )
    with pytest.raises(ConfigValueError, match="YOLO_SYNC_BN"):
        parallel.wrap(trainer)


# ---------------------------------------------------------------- what reaches the ranks


def job(**changes: Any) -> Job:
    facts = {
        "kind": DetectionTrainer,
        "cfg": None,
        "overrides": {"data": "x.yaml"},
        "handlers": {"on_train_start": [parts.note]},
        "model": torch.nn.Linear(2, 2),
        "task": get("detect"),
    }
    return Job(**(facts | changes))


def test_a_job_of_importable_parts_arrives_whole() -> None:
    sent = job()
    arrived = pickle.loads(sent.packed())
    assert arrived.kind is DetectionTrainer
    assert arrived.handlers == sent.handlers
    assert torch.equal(arrived.model.weight, sent.model.weight)


def test_what_cannot_be_imported_is_refused_by_name() -> None:
    class Own(DetectionTrainer):
        pass

    cases = {
        r"the callback .*<lambda> of on_fit_epoch_end": job(
            handlers={"on_fit_epoch_end": [lambda _: None]}
        ),
        r"the trainer class .*Own": job(kind=Own),
        r"the argument augmentations": job(overrides={"augmentations": [lambda x: x]}),
        r"the argument loss": job(overrides={"loss": lambda preds, batch: preds}),
        r"the argument transforms": job(overrides={"transforms": lambda steps: steps}),
    }
    for text, bad in cases.items():
        with pytest.raises(ConfigTypeError, match=text):
            bad.packed()
