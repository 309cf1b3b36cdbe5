"""The tables, the checksum of a row, and what a table's rows come to."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

FORMAT_VERSION = 1
"""Of the file. A later version of the engine must read it; tests/data has a file of each."""

APPLICATION_ID = 0x53636F72
"""What tells the file from another program's: ``Scor``."""

ENTRIES = "entries"
"""The state. Area: the scope; key and name: of the entry."""
JOURNAL = "journal"
"""Inputs, one row per write. Area: the attachment; key: sequence number of the last record; value: the records."""
OUTPUTS = "outputs"
"""Outputs, one row per commit and attachment, as in the journal."""
REJECTS = "rejects"
"""The reject log. Key: the number in it."""
ANSWERS = "answers"
"""Answers to requests with an ``Idempotency-Key``. Area: a stretch of time; key: the request's."""
META = "meta"
"""All else. Area: of what kind; key: the attachment, or empty."""

TABLES = (ENTRIES, JOURNAL, OUTPUTS, REJECTS, ANSWERS, META)

SCHEMA = {
    # WITHOUT ROWID: then the inner pages of the tree hold rows as well, and no byte that leads to one lacks a checksum.
    table: (
        # The value is last: so the checksum of one that fills many pages is read without them.
        f"CREATE TABLE {table} (area BLOB NOT NULL, key BLOB NOT NULL, name BLOB NOT NULL, checksum INTEGER NOT NULL,"
        " value BLOB NOT NULL, PRIMARY KEY (area, key, name)) WITHOUT ROWID"
    )
    for table in TABLES
}

HEAD = b"head"
FENCE = b"fence"
JOB = b"job"
PENDING = b"pending"
ACKNOWLEDGED = b"acknowledged"
PREPARED = b"prepared"
IDENTITY = b"identity"
"""The areas of `META`."""


class Tally(NamedTuple):
    """How many rows an area has, and the sum of their checksums: a row that is lost, or an old one, changes them."""

    n: int = 0
    total: int = 0


@lru_cache(1024)  # an engine has a handful of areas
def seed_of(table: str, area: bytes) -> int:
    """Return what the checksums of an area begin with: the version of the format, table and area."""
    return crc32(area, crc32(table.encode(), FORMAT_VERSION))


def checksum_of(seed: int, key: bytes, name: bytes, value: bytes) -> int:
    """Return the checksum of a row; the lengths count too, so that a border between two columns cannot move."""
    return crc32(value, crc32(name, crc32(key, seed ^ len(key)) ^ len(name)))


def number_key(number: int) -> bytes:
    """Return a number as a key: keys are in the order of their numbers."""
    return number.to_bytes(8, "big")


def key_number(key: bytes) -> int:
    """Return the number of a key."""
    return int.from_bytes(key, "big")
