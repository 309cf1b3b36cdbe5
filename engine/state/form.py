"""What a kind of value looks like when it is packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from engine.state.reader import Reader
    from engine.state.writer import Writer

MAX_DEPTH = 100
"""How deep containers may be nested: four Python calls a level, and Python stops at a thousand of them."""

ITEMS, DOUBLES, PLAIN = range(3)
"""How the items of a sequence are written: one by one, as doubles, or by msgpack."""


class Form(NamedTuple):
    """A type, the byte by which its values are known, and how they are written behind it and read."""

    tag: int
    type: type
    write: Callable[[Writer, Any], None]
    read: Callable[[Reader], Any]
