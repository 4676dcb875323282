"""A collection of MongoDB that several machines share as the record of one search.

The document `_id: "defaults"` counts how many trials were begun: whoever is first tries the defaults, and no two
machines draw the same random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ultralytics.engine.tuner.history import Record, decode, encode
from ultralytics.errors import MissingExtra, UltralyticsError
from ultralytics.utils.logging import LOGGER

__all__ = ["Shared", "connect"]

COUNTER = "defaults"
RETRIES = 3
TIMEOUT_MS = 5000


class Shared:
    """Trials of all machines.

    Args:
        collection: of pymongo, or anything with its methods.
    """

    def __init__(self, collection: Any) -> None:  # Any: a collection of pymongo
        self.collection = collection
        collection.create_index([("fitness", -1)])

    def draw_ticket(self) -> int:
        """The number of trials begun before this one, over all machines."""
        found = self.collection.find_one_and_update(
            {"_id": COUNTER}, {"$inc": {"begun": 1}}, upsert=True
        )
        return int(found["begun"]) if found else 0

    def add(self, record: Record) -> None:
        """Store a finished trial."""
        plain = decode(encode(record))
        plain.pop("iteration", None)  # belongs to the order of a local file
        self.collection.insert_one({**plain, "timestamp": time.time()})

    def records(self) -> list[Record]:
        """All finished trials in the order they ended, numbered from 1."""
        found = self.collection.find({"fitness": {"$exists": True}}).sort("timestamp", 1)
        bare = [
            {key: value for key, value in one.items() if key not in ("_id", "timestamp")}
            for one in found
        ]
        return [{"iteration": number, **one} for number, one in enumerate(bare, 1)]


def connect(
    uri: str,
    database: str = "ultralytics",
    collection: str = "tuner_results",
    client: Callable[..., Any] | None = None,  # Any: a client of pymongo
    sleep: Callable[[float], None] = time.sleep,
) -> Shared:
    """Open a collection; a server that does not answer is asked three times, with growing pauses.

    Args:
        uri: address of the server.
        database: its name.
        collection: its name.
        client: makes a connection, that of pymongo unless given.
        sleep: waits some seconds.

    Raises:
        MissingExtra: pymongo is not installed.
        UltralyticsError: the server did not answer.
    """
    make = client or _client()
    for attempt in range(RETRIES):
        try:
            connection = make(uri, serverSelectionTimeoutMS=TIMEOUT_MS)
            connection.admin.command("ping")
            return Shared(connection[database][collection])
        except Exception as error:
            if not _is_unreachable(error):
                raise
            if attempt + 1 == RETRIES:
                raise UltralyticsError(
                    f"mongodb_uri: no server answered after {RETRIES} tries ({type(error).__name__})"
                ) from error
            LOGGER.warning(f"MongoDB does not answer; next try in {2**attempt} s.")
            sleep(2.0**attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def _client() -> Callable[..., Any]:
    try:
        from pymongo import MongoClient
    except ImportError as error:
        raise MissingExtra("mongodb_uri needs pymongo: pip install 'ultralytics[tune]'") from error
    made: Callable[..., Any] = MongoClient
    return made


def _is_unreachable(error: Exception) -> bool:
    """Whether trying again may help: errors of connections, of Python or of pymongo."""
    return any(
        kind.__name__ in ("ConnectionError", "ConnectionFailure") for kind in type(error).__mro__
    )
