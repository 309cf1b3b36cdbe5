"""The schemas of a slot that only a registry knows: the engine is asked for them, in the middle of a record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine.channel import Cell, SchemaAnswer
from engine.sdk.sharing import Ask


class AskedSchemas:
    """Asks the engine; see `engine.codecs.SchemaSource`.

    While it waits, which may be as long as the registry is away, no record is in work: none is late, and none is to
    blame when the jet is ended.

    Parameters
    ----------
    ask : callable
        Takes a question and returns the engine's answer.
    cell : Cell
        Where it is noted that the jet waits.
    slot : int
        Whose schemas they are.
    """

    def __init__(self, ask: Ask, cell: Cell, slot: int) -> None:
        self._ask, self._cell, self._slot = ask, cell, slot

    def written(self, key: int | UUID) -> Any:
        """Return the schema of a number or a GUID; raises `DataError`."""
        return self._answer(key.bytes if isinstance(key, UUID) else key).source

    def to_write(self) -> tuple[int, Any]:
        """Return the schema that outputs are written with, and its number; raises `EngineError`."""
        answer = self._answer(None)
        return answer.number, answer.source

    def _answer(self, key: int | bytes | None) -> SchemaAnswer:
        with self._cell.asking():
            packed = self._ask(["schema", self._slot, key])
        return SchemaAnswer.unpack(packed or b"")
