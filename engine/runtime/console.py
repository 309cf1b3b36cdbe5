"""What jets print, cut into lines and kept in bounds."""

from __future__ import annotations

from engine.jet.console import MAX_LINE_CHARS, TAG, TAG_END

_TAG, _TAG_END = TAG.encode(), TAG_END.encode()
_Line = tuple[tuple[int, int] | None, str]


class LineReader:
    """Finds lines, and the record that each was printed in, in the bytes of a jet's stdout or stderr."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[_Line]:
        """Take bytes and return the lines that they complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > MAX_LINE_CHARS:
            lines.append(rest[:MAX_LINE_CHARS])
            rest = rest[MAX_LINE_CHARS:]
        self._rest = rest
        return [self._parse(line) for line in lines]

    def finish(self) -> list[_Line]:
        """Return what has no line end."""
        rest, self._rest = self._rest, b""
        return [self._parse(rest)] if rest else []

    @staticmethod
    def _parse(line: bytes) -> _Line:
        record = None
        if line.startswith(_TAG):
            tag, _, line = line[len(_TAG) :].partition(_TAG_END)
            slot, _, seq_no = tag.partition(b":")
            if slot.isdigit() and seq_no.isdigit():
                record = int(slot), int(seq_no)
        return record, line.decode("utf-8", "replace")
