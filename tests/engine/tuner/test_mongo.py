"""Several machines and one collection. A dictionary stands for the server."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ultralytics.engine.tuner import mongo
from ultralytics.engine.tuner.history import History
from ultralytics.errors import MissingExtra, UltralyticsError


class Collection:
    """The methods of a collection that are used, on a list."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.indices: list[Any] = []

    def create_index(self, keys: Any) -> None:
        self.indices.append(keys)

    def find_one_and_update(
        self, query: dict[str, Any], update: dict[str, Any], upsert: bool
    ) -> Any:
        found = next((d for d in self.documents if d["_id"] == query["_id"]), None)
        before = copy.deepcopy(found)
        if found is None:
            found = dict(query)
            self.documents.append(found)
        for key, step in update["$inc"].items():
            found[key] = found.get(key, 0) + step
        return before

    def insert_one(self, document: dict[str, Any]) -> None:
        self.documents.append({"_id": len(self.documents), **document})

    def find(self, query: dict[str, Any]) -> Cursor:
        return Cursor(copy.deepcopy(d) for d in self.documents if "fitness" in d)


class Cursor(list[dict[str, Any]]):
    def sort(self, key: str, direction: int) -> Cursor:  # type: ignore[override]
        return Cursor(sorted(self, key=lambda document: direction * document[key]))


class Server(dict[str, Any]):
    """A client; it does not answer the first times."""

    def __init__(self, silent: int = 0) -> None:
        super().__init__(db={"c": Collection()})
        self.admin, self.silent, self.asked = self, silent, 0

    def __call__(self, uri: str, **options: Any) -> Server:
        return self

    def command(self, name: str) -> None:
        self.asked += 1
        if self.asked <= self.silent:
            raise ConnectionError(name)


def record(fitness: float) -> dict[str, Any]:
    return {"iteration": 9, "fitness": fitness, "hyperparameters": {"lr0": fitness}, "datasets": {}}


def test_tickets_are_drawn_once_over_all_machines() -> None:
    collection = Collection()
    machines = [mongo.Shared(collection), mongo.Shared(collection)]
    drawn = [machines[i % 2].draw_ticket() for i in range(5)]
    assert drawn == [0, 1, 2, 3, 4]
    assert machines[0].records() == []


def test_records_are_numbered_as_they_ended(tmp_path: Path) -> None:
    shared = mongo.Shared(Collection())
    shared.draw_ticket()
    shared.add(record(0.3))
    shared.add(record(0.1))
    found = shared.records()
    assert [one["iteration"] for one in found] == [1, 2]
    assert [one["fitness"] for one in found] == [0.3, 0.1]
    assert "_id" not in found[0]
    history = History(tmp_path / "r.ndjson")
    history.replace(found)
    assert History(tmp_path / "r.ndjson").records == found


def test_the_collection_has_an_index_of_fitness() -> None:
    server = Server()
    mongo.connect("mongodb://x", "db", "c", client=server)
    assert server["db"]["c"].indices == [[("fitness", -1)]]


def test_a_slow_server_is_asked_again_with_growing_pauses() -> None:
    pauses: list[float] = []
    server = Server(silent=2)
    mongo.connect("mongodb://x", "db", "c", client=server, sleep=pauses.append)
    assert pauses == [1, 2]
    assert server.asked == 3


def test_a_silent_server_is_an_error_that_keeps_the_address_to_itself() -> None:
    with pytest.raises(UltralyticsError, match="3 tries") as caught:
        mongo.connect(
            "mongodb://me:secret@x", "db", "c", client=Server(silent=9), sleep=lambda s: None
        )
    assert "secret" not in str(caught.value)


def test_without_pymongo_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymongo", None)
    with pytest.raises(MissingExtra, match=r"ultralytics\[tune\]"):
        mongo.connect("mongodb://x")
