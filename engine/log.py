"""Structured events on stderr: an event's name and its fields, never a sentence.

structlog is loaded when the first event is written, so a module may ask for its logger wherever it is imported.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

MASK = "***"
_SECRET_NAME = re.compile(r"passw|secret|token|credential|authorization|api_?key|private_?key", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")


@dataclass(frozen=True, slots=True)
class Logger:
    """Writes the events of one part of the engine.

    Examples
    --------
    >>> get_logger("runtime").name
    'runtime'
    """

    name: str

    def info(self, event: str, **fields: Any) -> None:
        """Write what happened as it should: a change of state."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write what somebody may have to look at: a rejected record, a restart."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Write what somebody has to look at. ``exc_info=True`` or an exception adds its traceback."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        import structlog  # here: a jet imports this module, and must not load structlog

        if not structlog.is_configured():  # inside a program of somebody else's, whose logging it is to say where
            _configure_events()
        getattr(structlog.stdlib.get_logger(self.name), level)(event, **fields)


def get_logger(name: str) -> Logger:
    """Return the logger of a part of the engine, such as ``runtime``."""
    return Logger(name)


def mask(value: Any, name: str = "") -> Any:
    """Return `value` with what its name, or a name within it, says is secret replaced by ``***``.

    >>> mask({"sasl.password": "x", "url": "http://me:x@host/"})
    {'sasl.password': '***', 'url': 'http://***@host/'}
    """
    if name and _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: mask(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask(item) for item in value]
    if isinstance(value, str):
        return _SECRET_IN_URL.sub(MASK, value)
    return value


def _mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if not name.startswith("_") and name != "exc_info":
            event[name] = mask(value, name)
    return event


def _processors() -> list[Any]:
    import structlog

    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_event,
    ]


def _configure_events() -> None:
    """Hand events to the standard library's logging, which knows where they go."""
    import structlog

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # each call asks anew, so that a second configure() holds for every logger
    )


def configure(is_json: bool | None = None) -> None:
    """Send the events of the engine, and the log of the libraries it uses, to stderr.

    Parameters
    ----------
    is_json : bool, optional
        One JSON object a line, or text for a person; None for JSON unless stderr is a terminal.
    """
    import structlog

    if is_json is None:
        is_json = not sys.stderr.isatty()
    _configure_events()
    finish: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]
        if is_json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # the others print local variables, secrets too
            )
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_processors(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its start and stop are told by our own events
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request, with the address, which may be a secret
