"""What a running engine can be told and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from engine.client.connection import READ_TIMEOUT_S, Connection, path_of

RECORDS_TYPE = "application/vnd.engine.records+msgpack"
"""A list of raw records, whatever bytes are in them."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Records that an output slot gave.

    Parameters
    ----------
    values : list of bytes
        One raw record each, in order.
    last_seq : int
        The sequence number of the last of them; hand it back as `after` to acknowledge.
    is_eof : bool
        There will be no more.
    is_settled : bool
        What was accepted before the question is scored, or nothing is being scored.
    state : str
        The engine's, such as ``RUNNING``.
    """

    values: list[bytes]
    last_seq: int
    is_eof: bool
    is_settled: bool
    state: str


class EngineVerbs:
    """The engine of one server. Every verb that changes something returns what the engine says of itself afterwards."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def inspect(self) -> dict[str, Any]:
        """Return the state, the model, the slots, the jets and the latest rejects."""
        return self._ask("GET", "/engine")

    def profile(self) -> dict[str, Any]:
        """Return what predictors did and where the time goes; raises AssetNotFound without a model."""
        return self._ask("GET", "/engine/profile")

    def pause(self) -> dict[str, Any]:
        """Stop taking records; raises InvalidTransition."""
        return self._ask("POST", "/engine/pause")

    def unpause(self) -> dict[str, Any]:
        """Go on; raises InvalidTransition."""
        return self._ask("POST", "/engine/unpause")

    def reset(self) -> dict[str, Any]:
        """Let go of the model and the streams."""
        return self._ask("POST", "/engine/reset")

    def scale(self, n_jets: int) -> dict[str, Any]:
        """Run `n_jets` copies of the model; returns how many run and how many of them have work."""
        return self._ask("POST", "/engine/scale", json={"jets": n_jets})

    def load(self, name: str) -> dict[str, Any]:
        """Load a model of the library; as long as its environment and its imports take."""
        return self._ask("PUT", "/engine/model", json={"name": name}, timeout_s=None)

    def unload(self) -> None:
        """End the model's processes."""
        self._connection.request("DELETE", "/engine/model")

    def attach(self, slot: int, *, name: str | None = None, descriptor: str | None = None) -> dict[str, Any]:
        """Attach a stream of the library by its `name`, or a literal `descriptor` such as ``rest:``."""
        body = {"name": name} if name is not None else {"descriptor": descriptor}
        return self._ask("PUT", "/engine/streams" + path_of(slot), json=body)

    def detach(self, slot: int) -> None:
        """Take the stream off `slot`."""
        self._connection.request("DELETE", "/engine/streams" + path_of(slot))

    def input(self, slot: int, records: Sequence[bytes], *, idempotency_key: str | None = None) -> int:
        """Hand over records, all of them or none; returns how many the stream made of them.

        Parameters
        ----------
        slot : int
            The input slot.
        records : sequence of bytes
            Raw records.
        idempotency_key : str, optional
            Names the request: sent again with the same key and the same records, it takes nothing twice.

        Raises
        ------
        RetryAfter
            None was taken: the engine has no room now.
        KeyReused
            The key came before, with something else.
        """
        response = self._connection.request(
            "POST",
            "/input" + path_of(slot),
            content=msgpack.packb(list(records)),
            headers={"Content-Type": RECORDS_TYPE, **_key_header(idempotency_key)},
        )
        return int(response.json()["accepted"])

    def score(
        self,
        record: bytes,
        *,
        input_slot: int = 0,
        output_slot: int = 1,
        timeout_s: float = READ_TIMEOUT_S / 2,
        idempotency_key: str | None = None,
    ) -> list[bytes]:
        """Score one record and return what the model gave for it.

        Parameters
        ----------
        record : bytes
            A raw record.
        input_slot, output_slot : int
            Where it goes in, and whose outputs are returned.
        timeout_s : float
            How long the engine may take.
        idempotency_key : str, optional
            Names the request: sent again with the same key and the same record, it is not scored twice.

        Raises
        ------
        DataError, ModelError
            The record was rejected, or the script failed on it.
        StreamTimeout
            It took too long; the record may still be scored.
        KeyReused
            The key came before, with something else.
        """
        response = self._connection.request(
            "POST",
            "/score",
            content=record,
            params={"input": input_slot, "output": output_slot, "timeout": timeout_s},
            headers={"Accept": RECORDS_TYPE, **_key_header(idempotency_key)},
            timeout_s=READ_TIMEOUT_S + timeout_s,
        )
        return list(msgpack.unpackb(response.content)) if response.content else []

    def output(
        self, slot: int, *, after: int | None = None, limit: int | None = None, wait_s: float | None = None
    ) -> Outputs:
        """Return outputs that are not acknowledged yet.

        Parameters
        ----------
        after : int, optional
            Acknowledge everything up to this sequence number first.
        limit : int, optional
            At most so many.
        wait_s : float, optional
            Wait so long until what was accepted before is scored; None takes what is there.
        """
        response = self._connection.request(
            "GET",
            "/output" + path_of(slot),
            params={"after": after, "limit": limit, "wait": wait_s},
            headers={"Accept": RECORDS_TYPE},
            timeout_s=READ_TIMEOUT_S + (wait_s or 0.0),
        )
        values = msgpack.unpackb(response.content) if response.content else []
        return Outputs(
            values,
            int(response.headers.get("Engine-Sequence", after or 0)),
            response.headers.get("Engine-End") == "true",
            response.headers.get("Engine-Settled") == "true",
            response.headers.get("Engine-State", ""),
        )

    def _ask(
        self, method: str, path: str, *, json: Any = None, timeout_s: float | None = READ_TIMEOUT_S
    ) -> dict[str, Any]:
        response = self._connection.request(method, path, json=json, timeout_s=timeout_s)
        answer = response.json() if response.content else {}
        return answer if isinstance(answer, dict) else {}


def _key_header(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}
