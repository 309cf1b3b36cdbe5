"""From a stream to what sends its batches to an HTTP address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.envelopes import DelimitedEnvelope
from engine.errors import DescriptorError
from engine.streams.batching import BATCH_BYTES
from engine.streams.restrictions import verify_descriptor
from engine.streams.stream import Stream
from engine.streams.transport import HttpTransport
from engine.transports.http import HttpPoster
from engine.transports.secrets import is_reference, resolve_secret

_TYPES = {"json": "application/x-ndjson", "utf-8": "text/plain; charset=utf-8"}
_BINARY = "application/octet-stream"


class BatchPoster:
    """Sends batches of records, each as one body in the stream's envelope.

    Parameters
    ----------
    poster : HttpPoster
        Closed with this.
    wrap : callable
        From records to a body.
    watermark : int or None
        The most records of a batch; None for any number.
    """

    def __init__(self, poster: HttpPoster, wrap: Callable[[Sequence[bytes]], bytes], watermark: int | None) -> None:
        self._poster, self._wrap, self._watermark = poster, wrap, watermark

    @property
    def name(self) -> str:
        """The address."""
        return self._poster.name

    @property
    def watermark(self) -> int | None:
        """The most records of a batch."""
        return self._watermark

    def cut(self, values: Sequence[bytes]) -> list[bytes]:
        """Return the records of the first batch: always the same ones where the same records come."""
        size_bytes = 0
        batch: list[bytes] = []
        for value in values[: self._watermark]:
            size_bytes += len(value)
            if batch and size_bytes > BATCH_BYTES:
                break
            batch.append(value)
        return batch

    def post(self, values: Sequence[bytes], key: str) -> None:
        """Send a batch; raises as `HttpPoster.post` does."""
        self._poster.post(self._wrap(values), key)

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()


SECRETS = Path("/run/secrets")
"""Where Docker and Kubernetes put secrets, unless a setting says otherwise."""


def open_poster(stream: Stream, secrets: Path = SECRETS) -> BatchPoster:
    """Return what sends the outputs of an HTTP stream; its outbox is what `open_sink` returns.

    Parameters
    ----------
    stream : Stream
        Its Url, Headers, Timeout, Method, Envelope and Watermark are in force.
    secrets : Path, optional
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    DescriptorError
        It is no HTTP stream.
    ConfigError
        A secret that its descriptor names is not there, or is no address or header.
    """
    descriptor = stream.descriptor
    verify_descriptor(descriptor, slot=1, schema=stream.own_schema)
    transport = descriptor.transport
    if not isinstance(transport, HttpTransport):
        raise DescriptorError("Transport", f"HTTP expected, got {transport.type}", name=stream.name)
    headers = {"content-type": _content_type(stream)}
    headers |= {name.lower(): resolve_secret(text, secrets) for name, text in transport.headers.items()}
    poster = HttpPoster(
        resolve_secret(transport.url, secrets),
        headers,
        transport.timeout_ms / 1000,
        transport.method,
        transport.url if is_reference(transport.url) else None,
    )
    framing = descriptor.framing
    wrap = DelimitedEnvelope(framing.separator.encode()).wrap if framing else b"".join
    return BatchPoster(poster, wrap, descriptor.batching.watermark)


def _content_type(stream: Stream) -> str:
    framing = stream.descriptor.framing
    if stream.encoding == "json" and stream.descriptor.batching.watermark == 1:
        return "application/json"  # one value, and what stands behind it is white space
    if stream.encoding == "json" and (framing is None or framing.separator not in ("\n", "\r\n")):
        return _BINARY
    return _TYPES.get(stream.encoding, _BINARY)
