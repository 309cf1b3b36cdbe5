"""What is known of a script without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.errors import AnnotationError

OnError = Literal["stop", "reject", "skip"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about a line of the script; it does not keep the script from being loaded."""

    line: int
    message: str
    near: str | None = None

    def __str__(self) -> str:
        return str(AnnotationError(self.line, self.message, self.near))


BY_ANNOTATION = "named by an annotation"
"""The reason for a name that the script itself declares as state."""


@dataclass(frozen=True, slots=True)
class StateName:
    """A module-level name that is part of the state, and the line and the reason for which it was taken."""

    name: str
    line: int
    reason: str

    @property
    def is_declared(self) -> bool:
        """Whether the script itself says so."""
        return self.reason == BY_ANNOTATION

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Slot:
    """One numbered port of a script; even numbers are inputs, odd ones outputs.

    Parameters
    ----------
    number : int
        From 0.
    name : str or None
        What ``engine.slot.NAME: NUMBER`` called it.
    schema : str or None
        A schema's name in the library; None when records are not checked.
    action : str or None
        The function that takes the slot's records; None for an output.
    arity : int or None
        With how many arguments the action is called: 1 (data), 2 (data, slot) or 3 (data, slot, seq_no). None for an
        output, and for an action whose signature only `callable_arity` can tell once the script is imported.
    """

    number: int
    name: str | None = None
    schema: str | None = None
    action: str | None = None
    arity: int | None = None

    @property
    def is_input(self) -> bool:
        """Whether the script reads from it."""
        return self.number % 2 == 0


@dataclass(frozen=True, slots=True)
class Script:
    """A model script that was read and not run.

    Parameters
    ----------
    name : str
        The model's name.
    source : str
        The text, without a byte order mark.
    digest : str
        SHA-256 of the text as it was given, in hexadecimal.
    slots : mapping of int to Slot
        The slots in use, by number.
    begin, end : str or None
        The functions to call before the first record and after the last.
    begin_arity : int
        1 if `begin` takes one argument (only a function with the role ``init`` may), else 0.
    on_error : mapping of int to {"stop", "reject", "skip", None}
        For each input slot in use, what becomes of a record whose action raised; None where the script does not say.
    timeout_s : float or None
        How long one record may take.
    keys : mapping of int to str
        For each input slot, the path of the field by which the state is kept, such as ``trade.symbol``. It has all
        input slots in use, or none: then there is one state.
    key_ttl_s : mapping of int to float
        For each input slot, the seconds for which a key is remembered that is not used; the same for all of them.
        Empty: for ever.
    uses_cells : bool
        Whether it uses cells or pools, which all its copies share.
    state_names : tuple of StateName
        What was taken as state, and why, in the order in which the script first binds the names.
    unkept : tuple of Note
        What the script changes and the engine cannot keep.
    shared : tuple of str
        Names that the script declares as only read.
    changing : tuple of str
        Names that scoring a record may change, kept or not.
    batched : tuple of str
        Names that batched functions use.
    modules_attached : tuple of str
        Modules that come with an attachment, and that the import policy leaves alone.
    snapshots : {"none"}
        When named snapshots are taken.
    notes : tuple of Note
        Lines that look like annotations and are not, and the like.
    sloc : int
        Lines that are neither blank nor a comment.
    """

    name: str
    source: str
    digest: str
    slots: Mapping[int, Slot]
    begin: str | None = None
    end: str | None = None
    begin_arity: int = 0
    on_error: Mapping[int, OnError | None] = field(default_factory=dict)
    timeout_s: float | None = None
    keys: Mapping[int, str] = field(default_factory=dict)
    key_ttl_s: Mapping[int, float] = field(default_factory=dict)
    uses_cells: bool = False
    state_names: tuple[StateName, ...] = ()
    unkept: tuple[Note, ...] = ()
    shared: tuple[str, ...] = ()
    changing: tuple[str, ...] = ()
    batched: tuple[str, ...] = ()
    modules_attached: tuple[str, ...] = ()
    snapshots: Literal["none"] = "none"
    notes: tuple[Note, ...] = ()
    sloc: int = 0

    @property
    def state(self) -> tuple[str, ...]:
        """The names that are state."""
        return tuple(entry.name for entry in self.state_names)

    @property
    def is_stateless(self) -> bool:
        """Whether no record can influence another, so that copies of the script may share the records.

        What the engine cannot keep is state all the same; what is in cells and pools is not the script's.
        """
        return not self.state_names and not self.unkept
