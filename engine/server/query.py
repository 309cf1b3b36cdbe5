"""The query parameters of the routes that are served ahead of the framework."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from engine.errors import ConfigError, nearest
from engine.server.problem import RequestInvalid
from engine.settings import parse_duration


class Query:
    """A query string of which every parameter is known.

    Raises
    ------
    RequestInvalid
        One is not; it would be ignored otherwise, and nobody would notice.
    """

    def __init__(self, query_string: bytes, known: tuple[str, ...]) -> None:
        self._values = QueryParams(query_string) if query_string else {}
        for name in self._values:
            if name not in known:
                near = nearest(name, known)
                hint = f", did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
                raise RequestInvalid(f"query.{name}", f"is not a parameter of this route{hint}".rstrip("?"))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def number(self, name: str) -> int | None:
        """Return a whole number, or None where the parameter is absent."""
        if (text := self._values.get(name)) is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # as much as 64 bits hold
            raise RequestInvalid(f"query.{name}", f"{text!r} is not a whole number")
        return int(text)

    def seconds(self, name: str, default_s: float) -> float:
        """Return a time span, or the default where the parameter is absent or empty."""
        text = self._values.get(name)
        if not text:
            return default_s
        try:
            return parse_duration(text)
        except ConfigError as exc:
            raise RequestInvalid(f"query.{name}", str(exc).rstrip(".")) from exc
