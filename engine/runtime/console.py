"""What jets print, cut into lines and kept in bounds."""

from __future__ import annotations

from engine.channel.tags import MAX_LINE_BYTES, read_line

_Line = tuple[tuple[int, int] | None, str]


class LineReader:
    """Finds lines, and the record that each was printed in, in the bytes of a jet's stdout or stderr."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[_Line]:
        """Take bytes and return the lines that they complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > MAX_LINE_BYTES:
            lines.append(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest
        return [self._parse(line) for line in lines]

    def finish(self) -> list[_Line]:
        """Return what has no line end."""
        rest, self._rest = self._rest, b""
        return [self._parse(rest)] if rest else []

    @staticmethod
    def _parse(line: bytes) -> _Line:
        record, text = read_line(line)
        return record, text.decode("utf-8", "replace")
