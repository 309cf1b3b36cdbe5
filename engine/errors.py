"""Every error of the engine, and the sentence each one says.

::

    EngineError
      ConfigError         before RUNNING: something asked for cannot be
        DescriptorError   a stream descriptor
        AnnotationError   a comment of the script that the engine reads
        SchemaInvalid     not an Avro schema
        PolicyViolation   forbidden by how the engine was started
        SlotsUnfit        a stream and a model that do not go together
        NotBuilt          a feature that is named but does not exist yet
        FrameworkMissing  a model file whose framework is not installed
        DeviceMissing     a GPU that is not there
      AssetError          the library
        AssetNotFound
        AssetInvalid      a name or a content that cannot be stored
        AttachmentUnsafe
      DataError           one record; policy decides what becomes of it
        DecodeError
        EncodeError
        SchemaMismatch    also: two schemas that do not fit, when a stream is attached
        KeyMissing
        SchemaUnknown     the schema registry has none that the record could be read with
      ModelError          the script or its process
        ScriptInvalid
        HookMissing
        ActionFailed
        BatchMismatch       a batched function without a row for each of its rows
        ModelCrashed
        ModelStalled
        EnvironmentFailed
        LaunchFailed
      StreamError         the world outside
        StreamTimeout
        DeliveryFailed
          DiskFull      it may succeed later
          OutputInUse   another process writes it
        AcknowledgedUnseen
        PeerUnavailable   it is tried again
        ServerUnreachable
        BrokerRefused     no topic, no permission, a wrong password, no trust
        BrokerUnreachable
        RegistryRefused
        RegistryUnreachable
      StateError          state that cannot be kept or put back
        StateUnkept
        StateOverlooked
        StateTooLarge
        StateCorrupt
        StateIncompatible
          StreamChanged   what a stream stands for is not what was read or written before
        StateLocked     another engine has it
        StoreFailed     it could not be written; nothing of it is kept
        CommitAborted   nothing of it holds, and all of it may be done again
        EngineFenced    another engine works under the same name
        OffsetsDisagree the group's offsets are not those that the state belongs to
        BoundElsewhere  the job belongs to another state directory
      ImageError          an image of a model
        BuilderMissing
        BuildFailed
        ImageNotFound
      InvalidTransition
      KeyReused           two requests that say they are one, and are not
    Signal                not a fault
      EndOfStream
      RetryAfter
      CommitUnknown       nobody has said yet what became of it

An error takes fields and writes its own sentence; where someone must act, its last sentence says what to do. Raise it
``from`` what caused it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, ignoring case, or None.

    >>> nearest("shcema", ["schema", "slot"])
    'schema'
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def _hint(near: str | None) -> str:
    return f" Did you mean {near!r}?" if near else ""


class EngineError(Exception):
    """Whatever goes wrong in the engine; ``str()`` of it is a sentence for a person."""


class ConfigError(EngineError):
    """Something was asked for that cannot be done; nothing has started."""


class DescriptorError(ConfigError):
    """A stream descriptor is wrong.

    Parameters
    ----------
    field : str
        The field's path in the descriptor, such as ``Transport.Path``; empty for the descriptor as a whole.
    reason : str
        What is wrong with it, as a sentence without the final stop.
    near : str, optional
        What was probably meant.
    name : str, optional
        The stream's name, where it has one.
    """

    def __init__(self, field: str, reason: str, near: str | None = None, name: str = "") -> None:
        self.field, self.reason, self.near, self.name = field, reason, near, name
        what = f"Stream descriptor{f' {name!r}' if name else ''}"
        super().__init__(f"{what}{f', {field}' if field else ''}: {reason}.{_hint(near)}")


class AnnotationError(ConfigError):
    """A line of the script that the engine reads as an annotation is wrong."""

    def __init__(self, line: int, reason: str, near: str | None = None) -> None:
        self.line, self.reason, self.near = line, reason, near
        super().__init__(f"Line {line}: {reason}.{_hint(near)}")


class SchemaInvalid(ConfigError):
    """A text or a JSON value is not an Avro schema."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"Schema {name!r} is not a valid Avro schema: {reason}.")


class PolicyViolation(ConfigError):
    """What was asked for is forbidden by how the engine was started."""


class SlotsUnfit(ConfigError):
    """A stream sits on a slot that the model does not use, or their schemas do not fit."""


class NotBuilt(ConfigError):
    """A feature is known by name and does not exist yet: refused, never ignored."""

    def __init__(self, feature: str, where: str = "") -> None:
        self.feature, self.where = feature, where
        super().__init__(f"{where + ': ' if where else ''}{feature} is not supported by this version of the engine.")


class FrameworkMissing(ConfigError):
    """A model file is run by a package that cannot be imported.

    Parameters
    ----------
    name : str
        The file.
    framework : str
        Its name, such as ``TensorFlow``.
    requirement : str
        What to install, as pip takes it; empty if it is installed and broken.
    line : str
        What a model's requirements.txt says instead.
    reason : str
        Why it cannot be imported, if it is installed.
    """

    def __init__(self, name: str, framework: str, requirement: str, line: str, reason: str = "") -> None:
        self.name, self.framework, self.requirement, self.line, self.reason = name, framework, requirement, line, reason
        if reason:
            sentence = f"which is installed here and cannot be imported: {reason}"
        else:
            sentence = (
                f"which is not installed here. Install it with pip install '{requirement}'; for a model with a"
                f" requirements.txt among its attachments, add the line {line} to that file"
            )
        super().__init__(f"{name} is run by {framework}, {sentence.rstrip('.')}.")


class DeviceMissing(ConfigError):
    """A file shall run on a device that its framework does not see.

    Parameters
    ----------
    device : str
        As in ``gpu:0``.
    framework : str
        Who looked for it.
    found : sequence of str
        What it sees.
    fix : str
        What may be wrong, as a sentence.
    """

    def __init__(self, device: str, framework: str, found: Sequence[str], fix: str = "") -> None:
        self.device, self.framework, self.found, self.fix = device, framework, tuple(found), fix
        super().__init__(
            f"{framework} has no {device} here, only {' and '.join(found)}.{' ' + fix if fix else ''}"
            f" To go on without it where it is missing, ask for {device},cpu."
        )


class AssetError(EngineError):
    """Something about the library's models, schemas, streams or attachments."""


class AssetNotFound(AssetError):
    """The library has nothing of that kind and name."""

    def __init__(self, kind: str, name: str, near: str | None = None) -> None:
        self.kind, self.name, self.near = kind, name, near
        super().__init__(f"{kind.capitalize()} {name!r} not found.{_hint(near)}")


class AssetInvalid(AssetError):
    """A name or a content that the library does not store."""

    def __init__(self, kind: str, name: str, reason: str) -> None:
        self.kind, self.name, self.reason = kind, name, reason
        super().__init__(f"{kind.capitalize()} {name!r} {reason}.")


class AttachmentUnsafe(AssetError):
    """An archive holds a member that would leave its folder, or is not a plain file or folder, or is a bomb."""

    def __init__(self, archive: str, member: str, reason: str) -> None:
        self.archive, self.member, self.reason = archive, member, reason
        super().__init__(f"Attachment {archive!r} was not unpacked: {member!r} {reason}.")


class DataError(EngineError):
    """One record is bad. The engine goes on; the slot's policy decides what becomes of the record."""


class DecodeError(DataError):
    """The bytes of a record are not what the slot's encoding says."""

    def __init__(self, encoding: str, reason: str) -> None:
        self.encoding, self.reason = encoding, reason
        super().__init__(f"Not a valid {encoding} record: {reason}.")


class EncodeError(DataError):
    """An output cannot be written in the slot's encoding."""

    def __init__(self, encoding: str, reason: str) -> None:
        self.encoding, self.reason = encoding, reason
        super().__init__(f"The output cannot be written as {encoding}: {reason}.")


class SchemaMismatch(DataError):
    """A value does not fit its schema, or a writer's schema its reader's.

    Parameters
    ----------
    path : str
        Where, as in ``price`` or ``legs[2].symbol``; empty for the value itself.
    expected, got : str
        What the schema asks for and what was there.
    """

    def __init__(self, path: str, expected: str, got: str) -> None:
        self.path, self.expected, self.got = path, expected, got
        super().__init__(f"{f'Field {path!r}: ' if path else ''}{expected} expected, got {got}.")


class KeyMissing(DataError):
    """A record has no message key, and the script keeps its state by it."""

    def __init__(self) -> None:
        super().__init__("The record has no message key, and the script keeps its state by it (engine.key: $key).")


class SchemaUnknown(DataError):
    """A record names a schema that its registry does not have, or that is of no use for it.

    Parameters
    ----------
    url : str
        The registry's address.
    key : str
        The schema's number, or its GUID.
    reason : str
        What is wrong, as a sentence without the final stop.
    """

    def __init__(self, url: str, key: str, reason: str) -> None:
        self.url, self.key, self.reason = url, key, reason
        super().__init__(f"The record was written with schema {key} of the registry at {url}: {reason.rstrip('.')}.")


class ModelError(EngineError):
    """The script, or the process that runs it."""


class ScriptInvalid(ModelError):
    """The script cannot be loaded: it does not parse, or raised while it was imported."""

    def __init__(self, name: str, reason: str, line: int | None = None, traceback: str = "") -> None:
        self.name, self.reason, self.line, self.traceback = name, reason, line, traceback
        where = f"{name}, line {line}" if line else name
        super().__init__(f"{where}: {reason}.{f'{chr(10)}{traceback}' if traceback else ''}")


class HookMissing(ModelError):
    """The script has no function of the name that a slot calls."""

    def __init__(self, name: str, hook: str, near: str | None = None) -> None:
        self.name, self.hook, self.near = name, hook, near
        super().__init__(f"{name} has no function {hook!r}.{_hint(near)}")


class ActionFailed(ModelError):
    """A hook of the script raised.

    Parameters
    ----------
    hook : str
        The function: ``begin``, ``action`` or ``end``, or the name that an annotation gave.
    reason : str
        The exception's own line, such as ``ZeroDivisionError: division by zero``.
    slot, seq_no : int, optional
        The record in work; None outside of one.
    traceback : str
        The script's part of the traceback.
    """

    def __init__(
        self, hook: str, reason: str, slot: int | None = None, seq_no: int | None = None, traceback: str = ""
    ) -> None:
        self.hook, self.reason, self.slot, self.seq_no, self.traceback = hook, reason, slot, seq_no, traceback
        where = f" on record {seq_no} of slot {slot}" if seq_no is not None else ""
        super().__init__(f"{hook}() failed{where}: {reason}.{f'{chr(10)}{traceback}' if traceback else ''}")


class BatchMismatch(ModelError):
    """A batched function did not return a row for each of its rows.

    Parameters
    ----------
    name : str
        The function.
    n_rows : int
        How many rows it was given.
    n_returned : int or None
        How many it returned; None for what has no rows.
    """

    def __init__(self, name: str, n_rows: int, n_returned: int | None) -> None:
        self.name, self.n_rows, self.n_returned = name, n_rows, n_returned
        returned = "a value without rows" if n_returned is None else f"{n_returned}"
        super().__init__(
            f"{name}() was given {n_rows} rows and returned {returned}: a batched function returns a row for each."
        )


class ModelCrashed(ModelError):
    """The process that ran the script ended by itself.

    Parameters
    ----------
    exit_code : int
        As `subprocess` gives it: negative for a signal.
    doing : str
        What was in work, such as ``record 7 of slot 0`` or ``begin()``.
    """

    def __init__(self, exit_code: int, doing: str) -> None:
        self.exit_code, self.doing = exit_code, doing
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        super().__init__(f"The model's process {how} while it worked on {doing}.")


class ModelStalled(ModelError):
    """The script took longer than its `engine.timeout` for one record, and its process was ended."""

    def __init__(self, seconds: float, doing: str) -> None:
        self.seconds, self.doing = seconds, doing
        super().__init__(f"The model took longer than {seconds:g} s for {doing}; its process was ended.")


class EnvironmentFailed(ModelError):
    """The environment that a model's requirements.txt asks for could not be built."""

    def __init__(self, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(f"The environment of {model!r} could not be built:\n{reason}")


class LaunchFailed(ModelError):
    """The process that runs a model could not be started."""

    def __init__(self, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(f"The process of {model!r} could not be started: {reason}.")


class StreamError(EngineError):
    """A file, a socket or a peer."""


class StreamTimeout(StreamError):
    """Nothing came, or nothing was taken, within the time."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what, self.seconds = what, seconds
        super().__init__(f"{what} within {seconds:g} s.")


class DeliveryFailed(StreamError):
    """Outputs could not be written; nothing of them is taken as delivered.

    Parameters
    ----------
    where : str
        To what.
    reason : str
        Why, without the final stop.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, where: str, reason: str, fix: str = "") -> None:
        self.where, self.reason, self.fix = where, reason, fix
        super().__init__(f"Output to {where} failed: {reason}.{' ' + fix if fix else ''}")


class DiskFull(DeliveryFailed):
    """There is no room for outputs. The sink is back at its last flush: what was written since may be tried again."""


class OutputInUse(DeliveryFailed):
    """Another process writes the same file. Nothing of it was touched."""

    def __init__(self, where: str) -> None:
        reason = "another process writes it, and nothing of it was touched. Wait for that one, or name another file"
        super().__init__(where, reason)


class AcknowledgedUnseen(StreamError):
    """A reader acknowledges outputs that were never given. Nothing is acknowledged.

    Parameters
    ----------
    through : int
        The number up to which it has them, as it says.
    last_seq : int
        The number of the last that there was.
    """

    def __init__(self, through: int, last_seq: int) -> None:
        self.through, self.last_seq = through, last_seq
        n_given = f"only {last_seq} were given" if last_seq else "none was given yet"
        super().__init__(
            f"Outputs up to number {through} are acknowledged, and {n_given}: nothing was forgotten. Numbers begin anew"
            " when a stream is attached anew, and a power loss may take the last outputs of a stream that is not"
            ' Durable on "disk". Ask without a number for what is there.'
        )


class PeerUnavailable(StreamError):
    """Whom outputs are sent to cannot take them now; they are sent again.

    Parameters
    ----------
    where : str
        The address.
    reason : str
        What it said, or what went wrong on the way, without the final stop.
    retry_s : float, optional
        When it asked to be tried again.
    """

    def __init__(self, where: str, reason: str, retry_s: float | None = None) -> None:
        self.where, self.reason, self.retry_s = where, reason, retry_s
        super().__init__(f"{where} does not take outputs now: {reason}. They are sent again until it does.")


class ServerUnreachable(StreamError):
    """No engine answers at the address that a client was given."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"No server answers at {url} ({reason}). Start one with: engine serve")


class BrokerRefused(StreamError):
    """Kafka will not do what a stream asks for, and asking again will not help.

    Parameters
    ----------
    what : str
        What cannot be done, such as ``read topic 'prices'``.
    reason : str
        Why, without the final stop.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, what: str, reason: str, fix: str = "") -> None:
        self.what, self.reason, self.fix = what, reason, fix
        super().__init__(f"Kafka: cannot {what}: {reason}.{' ' + fix if fix else ''}")


class BrokerUnreachable(StreamError):
    """No broker answers; it is tried again where nobody waits for it."""

    def __init__(self, servers: str, reason: str) -> None:
        self.servers, self.reason = servers, reason
        super().__init__(f"No Kafka broker answers at {servers}: {reason}.")


class RegistryRefused(StreamError):
    """The schema registry answered, and not what is needed.

    Parameters
    ----------
    url : str
        Its address.
    reason : str
        What is wrong, without the final stop.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"The schema registry at {url}: {reason}.")


class RegistryUnreachable(StreamError):
    """The schema registry does not answer; it is asked again."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"No schema registry answers at {url}: {reason}. It is asked again until it does.")


class StateError(EngineError):
    """State that cannot be kept or put back."""


class StateUnkept(StateError):
    """A value, or a part of it, is of a type that the engine cannot write down.

    Parameters
    ----------
    path : str
        Where, as the script would write it: ``model["session"]``.
    reason : str
        What is wrong with it, such as ``onnxruntime.InferenceSession cannot be kept``.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, path: str, reason: str, fix: str = "") -> None:
        self.path, self.reason, self.fix = path, reason, fix
        super().__init__(f"{path}: {reason}.{' ' + fix if fix else ''}")


class StateOverlooked(StateError):
    """A script that was tried has changed variables that are not taken as its state.

    Parameters
    ----------
    names : list of str
        The variables.
    state : list of str
        Those that are taken as state.
    shared : list of str
        Those of `names` that the script declares as only read.
    """

    def __init__(self, names: list[str], state: list[str], shared: list[str]) -> None:
        self.names, self.state, self.shared = names, state, shared
        verb = "is" if len(names) == 1 else "are"
        instead = f' in place of "# engine.shared: {", ".join(shared)}"' if shared else ""
        super().__init__(
            f"{' and '.join(names)} changed while records were scored, and {verb} no part of the script's state: what"
            f' changed is lost when its process ends. Write "# engine.state: {", ".join([*state, *names])}"{instead}.'
        )


class StateTooLarge(StateError):
    """A value takes more room than one may. It was not packed to its end: `size_bytes` is what it came to till then."""

    def __init__(self, name: str, size_bytes: int, limit_bytes: int) -> None:
        self.name, self.size_bytes, self.limit_bytes = name, size_bytes, limit_bytes
        super().__init__(
            f"{name}: it takes at least {size_bytes / (1 << 20):.1f} MiB, and a value of the state may take"
            f" {limit_bytes >> 20} MiB. Keep less, or keep it in several variables."
        )


class StateCorrupt(StateError):
    """Stored bytes are not what was written."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The stored value is damaged: {reason}.")


class StateIncompatible(StateError):
    """A stored value is whole, and this engine or this script cannot take it."""

    def __init__(self, reason: str, fix: str = "") -> None:
        self.reason, self.fix = reason, fix
        super().__init__(f"The stored value cannot be put back: {reason}.{' ' + fix if fix else ''}")


class StreamChanged(StateIncompatible):
    """A stream cannot be gone on with: it is not what was read or written before, or cannot be gone back in.

    Parameters
    ----------
    where : str
        The file, or what else the stream stands for.
    reason : str
        Why not, as a sentence that goes on from `where`, without the final stop.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, where: str, reason: str, fix: str = "Run without --resume, or reset the engine.") -> None:
        self.where, self.reason, self.fix = where, reason, fix
        # Not the sentence of its base, which is about a stored value.
        StateError.__init__(self, f"{where} {reason}.{' ' + fix if fix else ''}")


class StateLocked(StateError):
    """Another process works with the stored state."""

    def __init__(self, path: str, pid: int | None = None) -> None:
        self.path, self.pid = path, pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {who}. Stop it, or name another folder with --state.")


class StoreFailed(StateError):
    """What should have been kept could not be written; nothing of it is kept.

    Parameters
    ----------
    path : str
        The store's file.
    reason : str
        What the system said, without the final stop.
    is_full : bool
        There was no room: it may succeed later.
    """

    def __init__(self, path: str, reason: str, *, is_full: bool = False) -> None:
        self.path, self.reason, self.is_full = path, reason, is_full
        fix = " Make room on the disk: what waits is tried again." if is_full else ""
        super().__init__(f"{path} cannot be written: {reason}.{fix}")


class CommitAborted(StateError):
    """A commit was taken back whole.

    Parameters
    ----------
    reason : str
        What was said, without the final stop.
    is_lost : bool
        The engine does not own its tasks any more.
    """

    def __init__(self, reason: str, *, is_lost: bool = False) -> None:
        self.reason, self.is_lost = reason, is_lost
        super().__init__(f"A commit was taken back: {reason}.")


class EngineFenced(StateError):
    """Another engine has begun to work under the same name, so that this one may not write any more.

    Parameters
    ----------
    name : str
        The name.
    is_fixed : bool
        It is that of a partition which is read alone.
    """

    def __init__(self, name: str, *, is_fixed: bool = False) -> None:
        self.name, self.is_fixed = name, is_fixed
        super().__init__(
            f"Another engine works under the name {name!r}, and this one was shut out. "
            + (
                "It is the name of the stream's Partition: either two engines read it, and one of them is to be"
                " stopped; or engine stream seek has moved its offsets twice, and the engine is to be started again."
                if is_fixed
                else "Stop one of them, or give it another name with --instance."
            )
        )


class OffsetsDisagree(StateError):
    """A consumer group stands elsewhere than the state that was committed with it.

    Parameters
    ----------
    group, topic : str
        The consumer group and the topic.
    partition : int
        The partition.
    group_offset, state_offset : int or None
        Where each of them goes on; None where there is nothing.
    model : str
        Whose state it is.
    """

    def __init__(
        self,
        group: str,
        topic: str,
        partition: int,
        group_offset: int | None,
        state_offset: int | None,
        model: str = "MODEL",
    ) -> None:
        self.group, self.topic, self.partition, self.model = group, topic, partition, model
        self.group_offset, self.state_offset = group_offset, state_offset
        place = f"{topic}[{partition}]"
        seek = f"engine stream seek STREAM --group {group} --model {model} --to"
        if state_offset is None:
            sentence = (
                f"Group {group!r} goes on at offset {group_offset} of {place}, and model {model!r} has no state there:"
                " so far the group was that of a script without state, or of another program, or the state was"
                f" deleted. Stop the engines, and let the state begin where the group is: {seek} group"
            )
        elif group_offset is None:
            sentence = (
                f"The state of model {model!r} belongs to offset {state_offset} of {place}, and group {group!r} has"
                " committed nothing there: its offsets were deleted, or are too old for the brokers. Stop the engines,"
                f" and let the group go on where the state is: {seek} state"
            )
        else:
            sentence = (
                f"Group {group!r} goes on at offset {group_offset} of {place}, and the state that was committed belongs"
                f" to offset {state_offset}: somebody has moved one of them. Stop the engines, and say which holds:"
                f" {seek} state, or {seek} group --keep-state"
            )
        super().__init__(sentence)


class BoundElsewhere(StateError):
    """A job has files or inboxes in a state directory, and another one asks to go on with it.

    Parameters
    ----------
    topic : str
        The job's changelog.
    home, other : str
        What tells the state directory that it is bound to from others, and the one that asks.
    """

    def __init__(self, topic: str, home: str, other: str) -> None:
        self.topic, self.home, self.other = topic, home, other
        super().__init__(
            f"The job of {topic} reads or writes what only one machine has, and is bound to the state directory with"
            f" the id {home}; this one is {other}. Start it with that one, or give its streams another Group."
        )


class ImageError(EngineError):
    """An image of a model cannot be made or found."""


class BuilderMissing(ImageError):
    """What images are built with is not on this machine.

    Parameters
    ----------
    names : sequence of str
        What was looked for.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        one = names[0] if len(names) == 1 else f"None of {', '.join(names)}"
        super().__init__(
            f"{one} is not installed. Install a builder (Debian: apt-get install buildah) or name another one with"
            " --builder docker, podman or buildah; --output DIR writes the folder to build elsewhere."
        )


class BuildFailed(ImageError):
    """A builder ended with an error.

    Parameters
    ----------
    command : str
        What was run.
    lines : sequence of str
        The last that it said.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, command: str, lines: Sequence[str], fix: str = "") -> None:
        self.command, self.lines, self.fix = command, lines, fix
        said = "\n  ".join(lines) or "nothing"
        super().__init__(f"{command} failed.{' ' + fix if fix else ''} It said:\n  {said}")


class ImageNotFound(ImageError):
    """There is no such image of a model.

    Parameters
    ----------
    image : str
        What was asked for.
    builder : str
        Who was asked.
    reason : str
        Without the final stop.
    """

    def __init__(self, image: str, builder: str, reason: str) -> None:
        self.image, self.builder, self.reason = image, builder, reason
        super().__init__(f"{builder} has no image {image!r} of a model: {reason}. See: engine image list")


class InvalidTransition(EngineError):
    """A verb that the engine's present state does not allow.

    Parameters
    ----------
    current : str
        The state, such as ``RUNNING``.
    requested : str
        The verb, such as ``detach``.
    allowed : sequence of str
        The states in which it is allowed.
    """

    def __init__(self, current: str, requested: str, allowed: Sequence[str], fix: str = "") -> None:
        self.current, self.requested, self.allowed = current, requested, tuple(allowed)
        where = f"only in {' or '.join(allowed)}" if allowed else "in no state"
        super().__init__(f"Cannot {requested} while {current}: allowed {where}.{' ' + fix if fix else ''}")


class KeyReused(EngineError):
    """An Idempotency-Key came before, with another request: it is nothing that was done already."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The Idempotency-Key {key!r} came before, with another body or for another slot. Nothing was done."
            " Send every new request with a new key."
        )


class Signal(Exception):
    """Not a fault: how a stream tells its caller what to do next."""


class EndOfStream(Signal):
    """There is no more, and there never will be."""


class RetryAfter(Signal):
    """There is no room now; come back.

    Parameters
    ----------
    seconds : float
        When to try again.
    reason : str
        Why, as a sentence.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        self.seconds, self.reason = seconds, reason
        super().__init__(f"{reason}{' ' if reason else ''}Try again in {seconds:g} s.")


class CommitUnknown(Signal):
    """A broker was told to commit, and does not answer: look at what was written, once it does.

    Parameters
    ----------
    reason : str
        What went wrong, without the final stop.
    is_lost : bool
        The engine does not own its tasks any more.
    """

    def __init__(self, reason: str, *, is_lost: bool = False) -> None:
        self.reason, self.is_lost = reason, is_lost
        super().__init__(f"It is not known what became of a commit: {reason}.")


def restore(kind: str, sentence: str, fields: Mapping[str, Any]) -> EngineError:
    """Return the error that was taken apart somewhere else; an `EngineError` where its class is not of this tree.

    The sentence is written already: the class's own ``__init__`` would ask for its fields to write it again.
    """
    found = globals().get(kind)
    cls = found if isinstance(found, type) and issubclass(found, EngineError) else EngineError
    error = cls.__new__(cls, sentence)
    vars(error).update(fields)
    return error
