"""What one transaction changes, gathered first and then written in few statements.

Every statement that SQLite runs lets go of Python's lock, and may have to wait for it for 5 ms when another thread is
busy. So rows are written by the thousand: a loop of single inserts would take a minute for ten thousand keys.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from engine.state.sqlite.ledger import Ledger
from engine.state.sqlite.tables import HEAD, JOURNAL, META, OUTPUTS, Tally, checksum_of, key_number, number_key, seed_of

_N_ROWS = (1, 4, 16, 64, 256, 1024)
"""In one statement; a smaller number is filled up with rows that nothing is done with, so that few texts are parsed.
More than a thousand take longer again: they do not fit the processor's cache."""

_PART_BYTES = 16 << 20  # the values of one statement, which are copied for it; or a single value

_PAGE_BYTES = 4096

_Key = tuple[bytes, bytes]
_Row = tuple[bytes, bytes, bytes, int]
CheckedRows = dict[_Key, _Row | None]
"""By key and name, a row and its checksum; None where there shall be no row."""


def checked_rows(table: str, area: bytes, rows: dict[_Key, bytes | None]) -> CheckedRows:
    """Return rows with their checksums; raises TypeError when one is not made of bytes."""
    seed = seed_of(table, area)
    checked: CheckedRows = {}
    for where, value in rows.items():
        key, name = where
        checked[where] = None if value is None else (key, name, value, checksum_of(seed, key, name, value))
    return checked


class _Range(NamedTuple):
    table: str
    area: bytes
    through: bytes | None  # the last key; None for the whole area


class Changes:
    """Rows to be put and removed, and the ledger as it is when that is done.

    Parameters
    ----------
    ledger : Ledger
        As it is before; it stays as it is.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger.copy()
        self._rows: dict[tuple[str, bytes], CheckedRows] = {}
        self._ranges: list[_Range] = []
        self._wiped: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._rows or self._ranges or self._wiped)

    @property
    def n_pages(self) -> int:
        """About how many pages it writes to the log."""
        n_bytes = n_rows = 0
        for rows in self._rows.values():
            n_rows += len(rows)
            n_bytes += sum(len(row[2]) for row in rows.values() if row is not None)
        return 2 + n_rows + n_bytes // _PAGE_BYTES + 8 * len(self._ranges)

    def put(self, table: str, area: bytes, rows: CheckedRows) -> None:
        """Write rows over what is there; remove those that are None."""
        found = self._rows.setdefault((table, area), rows)
        if found is not rows:
            found.update(rows)

    def put_one(self, table: str, area: bytes, key: bytes, value: bytes | None) -> None:
        """Write or remove a row."""
        self.put(table, area, checked_rows(table, area, {(key, b""): value}))

    def wipe(self, table: str) -> None:
        """Remove all rows of a table, before anything else is done."""
        self._wiped.add(table)

    def remove(self, table: str, area: bytes, through: bytes | None = None) -> None:
        """Remove the rows of an area up to and with a key, after all else is done; all of them when it is None."""
        self._ranges.append(_Range(table, area, through))

    def write(self, connection: sqlite3.Connection) -> None:
        """Write it, in the transaction that is open."""
        for table in sorted(self._wiped):
            if table == META:
                connection.execute("DELETE FROM meta WHERE area <> ?", (HEAD,))
            else:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608  ours
            for key in [key for key in self.ledger.tallies if key[0] == table]:
                del self.ledger.tallies[key]
        for (table, area), rows in self._rows.items():
            self._write_rows(connection, table, area, rows)
        for one in self._ranges:
            self._write_range(connection, one)

    def _write_rows(self, connection: sqlite3.Connection, table: str, area: bytes, rows: CheckedRows) -> None:
        n, total = self.ledger.tally(table, area)
        ordered = sorted(rows, key=itemgetter(0))  # neighbours share pages
        if n:
            for keys, size in _parts(ordered):
                parameters = _filled(chain.from_iterable(keys), 2 * size)
                n_old, old = connection.execute(_sum_sql(table, size), [*parameters, area]).fetchone()
                n, total = n - n_old, total - (old or 0)
            gone = [key for key in ordered if rows[key] is None]
            for keys, size in _parts(gone):
                connection.execute(_delete_sql(table, size), [area, *_filled(chain.from_iterable(keys), 2 * size)])
        put = [row for key in ordered if (row := rows[key]) is not None]
        for part, size in _parts(put):
            pieces = [(part, size)] if sum(len(row[2]) for row in part) <= _PART_BYTES else [([row], 1) for row in part]
            for piece, n_piece in pieces:
                parameters = _filled(chain.from_iterable(piece), 4 * n_piece)
                connection.execute(_put_sql(table, n_piece), [area, *parameters])
        self.ledger.tallies[table, area] = Tally(n + len(put), total + sum(row[3] for row in put))

    def _write_range(self, connection: sqlite3.Connection, one: _Range) -> None:
        tally = self.ledger.tally(one.table, one.area)
        if not tally.n:
            return
        where, parameters = "area = ?", [one.area]
        n, total = tally
        if one.through is not None and not self._is_all(one):
            where, parameters = "area = ? AND key <= ?", [one.area, one.through]
            sql = f"SELECT count(*), ifnull(sum(checksum), 0) FROM {one.table} WHERE {where}"  # noqa: S608  ours
            n, total = connection.execute(sql, parameters).fetchone()
        if n:
            connection.execute(f"DELETE FROM {one.table} WHERE {where}", parameters)  # noqa: S608  ours
            self.ledger.tallies[one.table, one.area] = Tally(tally.n - n, tally.total - total)

    def _is_all(self, one: _Range) -> bool:
        """Whether the range holds all rows of its area, as is mostly so: then their sum is known."""
        ends = {JOURNAL: self.ledger.journaled, OUTPUTS: self.ledger.put_out}.get(one.table, {})
        end = ends.get(key_number(one.area))
        return end is not None and one.through is not None and one.through >= number_key(end)


def _parts(rows: list[Any]) -> Iterator[tuple[list[Any], int]]:
    """Return the rows in parts, and for how many rows the statement of each part is made."""
    most = _N_ROWS[-1]
    for start in range(0, len(rows), most):
        part = rows[start : start + most]
        yield part, next(size for size in _N_ROWS if size >= len(part))


def _filled(values: Iterable[Any], n_parameters: int) -> list[Any]:
    parameters = list(values)
    parameters += [None] * (n_parameters - len(parameters))
    return parameters


def _values(n_columns: int, n_rows: int) -> str:
    return "VALUES " + ",".join([f"({','.join('?' * n_columns)})"] * n_rows)


@lru_cache
def _sum_sql(table: str, n_rows: int) -> str:
    return (
        f"SELECT count(*), sum(one.checksum) FROM ({_values(2, n_rows)}) AS given CROSS JOIN {table} AS one"  # noqa: S608
        " ON one.key = given.column1 AND one.name = given.column2 AND one.area = ?"
    )


@lru_cache
def _delete_sql(table: str, n_rows: int) -> str:
    given = f"SELECT ?, column1, column2 FROM ({_values(2, n_rows)})"  # noqa: S608  ours
    return f"DELETE FROM {table} WHERE (area, key, name) IN ({given})"  # noqa: S608  ours


@lru_cache
def _put_sql(table: str, n_rows: int) -> str:
    return (
        f"INSERT INTO {table} (area, key, name, value, checksum)"  # noqa: S608  ours
        f" SELECT ?, column1, column2, column3, column4 FROM ({_values(4, n_rows)})"
        " WHERE column1 IS NOT NULL"  # a row that fills up
        " ON CONFLICT DO UPDATE SET value = excluded.value, checksum = excluded.checksum"
    )
