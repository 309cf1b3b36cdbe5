"""Where the group of a stream stands in its topic, shown and moved."""

from __future__ import annotations

from pathlib import Path

from engine.errors import AssetNotFound, ConfigError, DescriptorError
from engine.kafka.seeking import seek
from engine.kafka.standing import Reading, Standing, look
from engine.kafka.whereabouts import parse_where
from engine.registry import Library, assemble
from engine.runtime.topics import default_group
from engine.state.commits import Fence
from engine.streams import Stream
from engine.streams.connecting import connection_of


def find_reading(
    stream: Stream,
    secrets: Path,
    *,
    group: str | None = None,
    model: str | None = None,
    slot: int | None = None,
    partition: int | None = None,
) -> Reading:
    """Return whose offsets, and in what, a stream and what is said beside it stand for.

    Parameters
    ----------
    stream : Stream
        A topic.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.
    group, model : str, optional
        Without a group it is the stream's, or that of the model.
    slot : int, optional
        The input slot that has the stream; needed where the model reads several.
    partition : int, optional
        The only one that counts.

    Raises
    ------
    DescriptorError
        The stream is no topic.
    ConfigError
        Nobody has said which group; or a secret is not there.
    """
    transport = stream.kafka
    if transport is None:
        raise DescriptorError(
            "Transport", f"only a topic has offsets, and this is {stream.transport}", name=stream.name
        )
    default = default_group(model, transport.partition) if model is not None else None
    if (found := group or transport.group or default) is None:
        raise ConfigError("The stream names no Group. Say with --group which one, or with --model whose.")
    if transport.partition is not None and partition not in (None, transport.partition):
        raise ConfigError(f"The stream is partition {transport.partition} alone.")
    return Reading(
        connection_of(transport, secrets),
        transport.topic,
        found,
        model or "",
        slot,
        transport.partition if partition is None else partition,
        is_fixed=transport.partition is not None,
    )


def seek_offsets(reading: Reading, to: str | None, library: Library | None, *, is_kept: bool | None = None) -> Standing:
    """Return where a group stands, after it was moved where that is asked for.

    Parameters
    ----------
    reading : Reading
        See `find_reading`.
    to : str, optional
        See `engine.kafka.whereabouts.parse_where`; None leaves everything where it is.
    library : Library, optional
        Has the model, if it has begun nothing yet.
    is_kept : bool, optional
        Whether the state is kept; see `engine.kafka.seeking.seek`.

    Raises
    ------
    BrokerRefused, BrokerUnreachable, ConfigError, StateError
        As `engine.kafka.seeking.seek`.
    """
    if to is None:
        return look(reading)
    return seek(reading, parse_where(to), is_kept=is_kept, blank=_blank(reading.model, library))


def _blank(name: str, library: Library | None) -> Fence | None:
    """Return the fence of a model that has done nothing, if it is one that keeps state."""
    if not name or library is None:
        return None
    try:
        model = assemble(library, name)
    except AssetNotFound:
        return None
    if model.script.is_stateless and model.script.begin is None:
        return None
    return Fence(0, model.script.name, model.digest, model.script.keys)
