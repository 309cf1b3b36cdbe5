"""What is in the file, checked row by row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import StateIncompatible
from engine.state.commits import Answer, Entry, Kept, Reject
from engine.state.sqlite.failures import damaged, reading
from engine.state.sqlite.forms import key_bytes, key_text, unpack, unpack_answer, unpack_fence, unpack_reject
from engine.state.sqlite.ledger import Ledger
from engine.state.sqlite.tables import (
    ACKNOWLEDGED,
    ANSWERS,
    APPLICATION_ID,
    ENTRIES,
    FENCE,
    FORMAT_VERSION,
    HEAD,
    IDENTITY,
    JOB,
    JOURNAL,
    META,
    OUTPUTS,
    PENDING,
    PREPARED,
    REJECTS,
    SCHEMA,
    TABLES,
    Tally,
    checksum_of,
    key_number,
    number_key,
    seed_of,
)

_N_FETCHED = 1000  # rows at a time: few enough to stream, enough that the calls do not count

TIMEOUT_S = 10
"""Nobody holds a lock for long: a connection of another process that opens or closes the store, for a moment."""

_Row = tuple[bytes, bytes, bytes]


def connect(path: Path, *, is_writer: bool = False) -> sqlite3.Connection:
    """Return a connection that begins its transactions itself, and that one thread at a time may use."""
    uri = f"{path.absolute().as_uri()}?mode={'rw' if is_writer else 'ro'}"
    connection = sqlite3.connect(
        uri,
        timeout=TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        uri=True,
    )
    # All that is stored is bytes. A text is damage, and must not raise here but reach the checksum, which takes none.
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Raise unless this is a whole store that this version of the engine can read."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise damaged(path, "it is not a store of this engine")
    if version > FORMAT_VERSION:
        raise StateIncompatible(
            f"{path} has version {version} of the format, and this engine reads {FORMAT_VERSION}. Use the engine that"
            " wrote it, or a later one"
        )
    found = dict(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    if found != SCHEMA:
        raise damaged(path, "its tables are not as they were made")
    faults = connection.execute("PRAGMA quick_check(1)").fetchall()  # 0.25 s for 300 MB
    if faults != [("ok",)]:
        raise damaged(path, faults[0][0])


def load_head(connection: sqlite3.Connection, path: Path) -> Ledger:
    """Return what the rows come to."""
    found = connection.execute("SELECT key, name, value, checksum FROM meta WHERE area = ?", (HEAD,)).fetchall()
    if len(found) != 1:
        raise damaged(path, "its head is lost")
    key, name, head, checksum = found[0]
    if checksum_of(seed_of(META, HEAD), key, name, head) != checksum:
        raise damaged(path, "its head is not what was written")
    return Ledger.of_head(head)


def load(connection: sqlite3.Connection, path: Path) -> Ledger:
    """Return the small facts; check every row but those of the state, which are checked when they are read."""
    ledger = load_head(connection, path)
    for table in TABLES:
        if table != ENTRIES:
            _check_areas(connection, path, ledger, table)
    _load_meta(connection, path, ledger)
    for table, ends in ((JOURNAL, ledger.journaled), (OUTPUTS, ledger.put_out)):
        for area in ledger.areas(table):
            for key, _, _ in scan(connection, path, ledger, table, area):
                ends[key_number(area)] = key_number(key)
    for area in (area for table in (ANSWERS, REJECTS) for area in ledger.areas(table)):
        for _ in scan(connection, path, ledger, ANSWERS if area else REJECTS, area):
            pass
    return ledger


def _load_meta(connection: sqlite3.Connection, path: Path, ledger: Ledger) -> None:
    for _, _, value in scan(connection, path, ledger, META, FENCE):
        ledger.fence = unpack_fence(value)
    for _, _, value in scan(connection, path, ledger, META, JOB):
        ledger.job = unpack(value)
    for key, _, value in scan(connection, path, ledger, META, PENDING):
        ledger.pending[key_number(key)] = value
    for key, _, value in scan(connection, path, ledger, META, ACKNOWLEDGED):
        ledger.acknowledged[key_number(key)] = unpack(value)
    for _, _, value in scan(connection, path, ledger, META, PREPARED):
        ledger.prepared = value
    for _, _, value in scan(connection, path, ledger, META, IDENTITY):
        ledger.identity, ledger.life = unpack(value)


def _check_areas(connection: sqlite3.Connection, path: Path, ledger: Ledger, table: str) -> None:
    found = [area for (area,) in connection.execute(f"SELECT DISTINCT area FROM {table}")]  # noqa: S608  ours
    if set(found) - {HEAD} != set(ledger.areas(table)):
        raise damaged(path, f"the table {table} holds other things than were written")


def scan(connection: sqlite3.Connection, path: Path, ledger: Ledger, table: str, area: bytes) -> Iterator[_Row]:
    """Return key, name and value of an area's rows, in order; they are whole only if the iteration ends by itself.

    Raises
    ------
    StateCorrupt
        A row is not what was written, or there are more or fewer.
    """
    expected = ledger.tally(table, area)
    seed = seed_of(table, area)
    n = total = 0
    last: tuple[bytes, bytes] | None = None
    sql = f"SELECT key, name, value, checksum FROM {table} WHERE area = ? ORDER BY key, name"  # noqa: S608  ours
    with reading(path):
        cursor = connection.execute(sql, (area,))
        while rows := cursor.fetchmany(_N_FETCHED):
            for key, name, value, checksum in rows:
                if checksum_of(seed, key, name, value) != checksum or (last is not None and (key, name) <= last):
                    raise damaged(path, f"a row of {table} is not what was written")
                last = (key, name)
                total += checksum
                yield key, name, value
            n += len(rows)
            if n > expected.n:
                break
        if Tally(n, total) != expected:
            raise damaged(path, f"{n} rows of {table} were found where {expected.n} were written, or other ones")


class Reading:
    """Reads over a connection, checking what is read. One thread at a time.

    Parameters
    ----------
    connection : sqlite3.Connection
        Where from.
    path : Path
        The file's, for the sentences of errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def entries(self, ledger: Ledger, scope: str) -> Iterator[Entry]:
        """Return the state of a scope."""
        names: dict[bytes, str] = {}
        for key, name, value in scan(self._connection, self._path, ledger, ENTRIES, key_bytes(scope)):
            if name not in names:
                names[name] = key_text(name)
            yield Entry(scope, key, names[name], value)

    def inputs(self, ledger: Ledger, attachment: int) -> Kept:
        """Return what was journaled and is behind the fence's position."""
        done = ledger.fence.inputs.get(attachment) if ledger.fence is not None else None
        position = done.position if done is not None else 0
        kept = self._records(JOURNAL, attachment, position)
        return Kept(kept.first_seq, kept.values, ledger.pending.get(attachment, b""), kept.ends)

    def outputs(self, ledger: Ledger, attachment: int, acknowledged: int) -> Kept:
        """Return the outputs behind a sequence number."""
        done = ledger.fence.outputs.get(attachment) if ledger.fence is not None else None
        kept = self._records(OUTPUTS, attachment, acknowledged if done is not None else 0)
        if kept.values or done is None:
            return kept
        return Kept(max(done.seq_no + 1, kept.first_seq), [])

    def _records(self, table: str, attachment: int, through: int) -> Kept:
        first, values, ends = through + 1, list[bytes](), list[int]()
        for key, _, packed in self._rows(table, number_key(attachment), number_key(through)):
            records = unpack(packed)
            last = key_number(key)
            n_behind = last - through if not values else len(records)
            kept = records[-n_behind:]
            if not values:
                first = last - len(kept) + 1
            values += kept
            ends.append(last)
        return Kept(first, values, b"", tuple(ends))

    def answer(self, areas: Iterable[bytes], key: str) -> Answer | None:
        """Return the latest answer to a request."""
        packed_key = key_bytes(key)
        for area in sorted(areas, reverse=True):
            with reading(self._path):
                row = self._connection.execute(
                    "SELECT key, name, value, checksum FROM answers WHERE area = ? AND key = ?", (area, packed_key)
                ).fetchone()
                if row is not None:
                    return unpack_answer(key, self._checked(ANSWERS, area, row)[2])
        return None

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """Return the reject log, oldest first."""
        found = self._rows(REJECTS, b"", number_key(after), -1 if limit is None else limit)
        return [unpack_reject(key_number(key), packed) for key, _, packed in found]

    def _rows(self, table: str, area: bytes, after: bytes, limit: int = -1) -> list[_Row]:
        sql = (
            f"SELECT key, name, value, checksum FROM {table} WHERE area = ? AND key > ?"  # noqa: S608  ours
            " ORDER BY key, name LIMIT ?"
        )
        with reading(self._path):
            found = self._connection.execute(sql, (area, after, limit)).fetchall()
            return [self._checked(table, area, row) for row in found]

    def _checked(self, table: str, area: bytes, row: tuple[bytes, bytes, bytes, int]) -> _Row:
        key, name, value, checksum = row
        if checksum_of(seed_of(table, area), key, name, value) != checksum:
            raise damaged(self._path, f"a row of {table} is not what was written")
        return key, name, value
