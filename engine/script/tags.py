"""The tags that the engine knows: what each takes, where it applies, and what is refused for now."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.errors import nearest
from engine.script.values import (
    Written,
    choice,
    duration_s,
    function_name,
    names,
    not_recognized,
    one_word,
    words,
    yes_or_no,
)

PREFIXES = ("engine", "fastscore", "modelop", "ModelOp", "ModelOp Center", "odg")
ROLES = ("init", "score", "metrics", "train")
BROAD_SCOPES = ("$all", "$in", "$out")
SLOT_NUMBER = "[0-9]{1,9}"  # nine digits fit a 32 bit integer, whoever writes it down


def _never(value: Any) -> str | None:  # noqa: ARG001 - the signature of Tag.refusal
    return None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag.

    Parameters
    ----------
    scope : str or None
        The scope when none is written; None for a tag that concerns the whole script and takes no scope.
    read : callable
        Reads the value; raises AnnotationError.
    is_for_inputs : bool
        Whether an output slot cannot have it.
    refusal : callable
        Returns what a value asks for that is not built yet, or None.
    """

    scope: str | None
    read: Callable[[Written], Any]
    is_for_inputs: bool = False
    refusal: Callable[[Any], str | None] = _never


def _recordsets(written: Written) -> bool:
    """Read the switch, or the older form that names sides: without a scope it is about slots 0 and 1."""
    sides = ("none", "input", "output", "both")
    if written.text.lower() not in sides:
        return yes_or_no(written)
    if written.scope is not None:
        raise written.wrong(f"recordsets: {written.text} takes no scope; with one, say true or false")
    return written.text.lower() != "none"


def _slot(written: Written) -> str | int:
    """Read ``in-use`` or ``unused``, or the number that a name is declared for."""
    is_named = written.scope is not None and written.scope not in BROAD_SCOPES
    if re.fullmatch(SLOT_NUMBER, written.text):
        if not is_named or re.fullmatch(SLOT_NUMBER, str(written.scope)):
            raise written.wrong(f"slot {written.text} can only be given a name, as in slot.err: {written.text}")
        return int(written.text)
    word = written.text.lower()
    if word not in ("in-use", "unused"):
        raise written.wrong(not_recognized(written.text, "in-use", "unused"), nearest(word, ("in-use", "unused")))
    if word == "in-use" and not is_named:
        raise written.wrong("in-use needs the number or the name of one slot, as in slot.2: in-use")
    return word


def _explicit(value: str) -> str | None:
    return f"the explicit style (action: {value})" if value in ("none", "unused") else None


TAGS = {
    "schema": Tag("$all", one_word),
    "recordsets": Tag("$all", _recordsets, refusal=lambda is_on: "recordsets" if is_on else None),
    "action": Tag("$in", function_name, is_for_inputs=True, refusal=_explicit),
    "slot": Tag("$all", _slot),
    "module-attached": Tag(None, words),
    "snapshots": Tag(None, choice("none", "eof"), refusal=lambda at: f"snapshots: {at}" if at == "eof" else None),
    "on_error": Tag("$in", choice("stop", "reject", "skip"), is_for_inputs=True),
    "timeout": Tag(None, duration_s),
    "state": Tag(None, names),
    "shared": Tag(None, names),
    "key": Tag("$in", one_word, is_for_inputs=True),
    "key_ttl": Tag("$in", duration_s, is_for_inputs=True),
    "input": Tag(None, one_word),
    "output": Tag(None, one_word),
}
"""Every tag; ``input: S`` and ``output: S`` are older spellings of ``schema.0: S`` and ``schema.1: S``."""
