"""Comments that the engine reads: ``# engine.schema.0: price``.

A line that begins as an annotation and is not one is reported, never passed over: as a note, or as an error when the
reader is strict. A known tag with a wrong value is always an error, since nobody means it as prose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from engine.errors import AnnotationError, NotBuilt, nearest
from engine.script.description import Note
from engine.script.tags import BROAD_SCOPES, PREFIXES, ROLES, SLOT_NUMBER, TAGS
from engine.script.values import Written

_PREFIX = "|".join(sorted(map(re.escape, PREFIXES), key=len, reverse=True))
_ANNOTATION = re.compile(rf"#+\s*(?:{_PREFIX})\.(?P<tag>[^\s:]+)(?P<colon>\s*:)?\s*(?P<text>.*)")
_ALMOST = re.compile(r"#+\s*(?P<prefix>\w+(?:[ -][Cc]enter)?)\.(?P<tag>[\w-]+)(?:\.[\w$-]+)?\s*:")
_SCOPE = re.compile(rf"\$all|\$in|\$out|{SLOT_NUMBER}|[A-Za-z_][\w-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A line that the engine reads; `scope` is ``$all``, ``$in``, ``$out``, digits, a name, or "" for none."""

    line: int
    tag: str
    scope: str
    value: Any


@dataclass(slots=True)
class Annotations:
    """What the comments of a script say, in their order."""

    lines: list[Annotation] = field(default_factory=list)
    roles: list[tuple[int, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def one(self, tag: str) -> Annotation | None:
        """Return the line of a tag that may be written once, or None; an error if two lines differ."""
        found = [line for line in self.lines if line.tag == tag]
        for later in found[1:]:
            refuse_conflict(found[0], later)
        return found[0] if found else None

    def listed(self, tag: str) -> dict[str, int]:
        """Return the names that all lines of a list-valued tag hold, each with its line."""
        found: dict[str, int] = {}
        for line in self.lines:
            for name in line.value if line.tag == tag else ():
                found.setdefault(name, line.line)
        return found


def refuse_conflict(first: Annotation, later: Annotation) -> None:
    """Raise AnnotationError if two lines that mean the same thing differ in value: order does not decide."""
    if first.value != later.value:
        raise AnnotationError(later.line, f"{later.tag} is set otherwise on line {first.line}")


def read_annotations(comments: dict[int, str], script: str) -> Annotations:
    """Read the whole-line comments of a script.

    Raises
    ------
    AnnotationError
        A known tag has a wrong value.
    NotBuilt
        A line asks for what the engine cannot do yet.
    """
    found = Annotations()
    for line, comment in comments.items():
        match = _ANNOTATION.fullmatch(comment)
        if match is None:
            _look_at_prefix(found, line, comment)
        elif match["tag"] in ROLES and not match["colon"] and not match["text"]:
            found.roles.append((line, match["tag"]))
        else:
            _read(found, line, match, script)
    return found


def _look_at_prefix(found: Annotations, line: int, comment: str) -> None:
    match = _ALMOST.match(comment)
    if match and match["tag"] in TAGS and (near := nearest(match["prefix"], PREFIXES)):
        found.notes.append(Note(line, f"unknown prefix {match['prefix']!r}", near))


def _read(found: Annotations, line: int, match: re.Match[str], script: str) -> None:
    word, dot, scope = match["tag"].partition(".")
    tag = TAGS.get(word)
    if tag is None:
        message, near = _unknown(word, dot + scope, has_colon=bool(match["colon"]))
    elif not match["colon"]:
        message, near = f"no colon after {match['tag']!r}", f"{match['tag']}: {match['text'] or 'VALUE'}"
    elif tag.scope is None and dot:
        message, near = f"{word} takes no scope, and {scope!r} is one", word
    elif dot and not _SCOPE.fullmatch(scope):
        message, near = f"{scope!r} is not the number or the name of a slot, $all, $in or $out", nearest_scope(scope)
    else:
        written = Written(line, word, scope if dot else None, match["text"])
        if not written.text:
            raise written.wrong(f"{match['tag']} has no value")
        value = tag.read(written)
        if feature := tag.refusal(value):
            raise NotBuilt(feature, f"{script}, line {line}")
        found.lines.append(Annotation(line, word, scope if dot else tag.scope or "", value))
        return
    found.notes.append(Note(line, message, near))


def _unknown(word: str, rest: str, *, has_colon: bool) -> tuple[str, str | None]:
    if word in ROLES:
        return f"the role {word!r} is written without a colon and a value", word
    near = nearest(word, TAGS if has_colon or rest else (*TAGS, *ROLES))
    return f"unknown tag {word!r}", near and near + rest


def nearest_scope(scope: str) -> str | None:
    """Return the broad scope that was probably meant, as ``$out`` by ``$output``."""
    return nearest(scope, BROAD_SCOPES) if scope.startswith("$") else None
