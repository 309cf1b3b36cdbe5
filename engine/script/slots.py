"""Which slots a script uses, and what its annotations say of each.

Slots 0 and 1 are in use from the start. A line that names a slot puts it in use; ``slot.X: unused`` takes back what
earlier lines said of it, and a later line can put it in use again. For the rest order does not matter: what is said of
one slot goes before ``$in`` and ``$out``, and these before ``$all``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import AnnotationError, nearest
from engine.script.annotations import Annotation, refuse_conflict
from engine.script.tags import BROAD_SCOPES, TAGS


class SlotMap:
    """The slots of a script."""

    def __init__(self, annotations: Sequence[Annotation]) -> None:
        self.in_use = {0, 1}
        self.names: dict[int, str] = {}
        self._declare(annotations)
        self._numbers = {name: number for number, name in self.names.items()}
        self._settings: dict[tuple[str, str | int], Annotation] = {}
        for annotation in annotations:
            if annotation.scope:
                self._apply(annotation)
            elif annotation.tag in ("input", "output"):
                number = 0 if annotation.tag == "input" else 1
                self._apply(Annotation(annotation.line, "schema", str(number), annotation.value))

    def setting(self, tag: str, number: int) -> Annotation | None:
        """Return the annotation that decides of a tag for a slot, or None."""
        for scope in (number, "$out" if number % 2 else "$in", "$all"):
            if (annotation := self._settings.get((tag, scope))) is not None:
                return annotation
        return None

    def value(self, tag: str, number: int) -> Any:
        """Return what the annotations say of a tag for a slot, or None."""
        annotation = self.setting(tag, number)
        return annotation.value if annotation is not None else None

    def _declare(self, annotations: Sequence[Annotation]) -> None:
        lines: dict[str, int] = {}
        for annotation in annotations:
            if annotation.tag != "slot" or not isinstance(annotation.value, int):
                continue
            name, number = annotation.scope, annotation.value
            if name in lines:
                raise AnnotationError(annotation.line, f"the name {name!r} is declared on line {lines[name]} already")
            if number in self.names:
                raise AnnotationError(annotation.line, f"slot {number} has the name {self.names[number]!r} already")
            self.names[number], lines[name] = name, annotation.line

    def _apply(self, annotation: Annotation) -> None:
        tag, scope = annotation.tag, annotation.scope
        where = scope if scope in BROAD_SCOPES else self._number(annotation)
        if TAGS[tag].is_for_inputs and (where in ("$out", "$all") or (isinstance(where, int) and where % 2)):
            slots = f"output slot {where}" if isinstance(where, int) else f"{where}, where there are output slots"
            raise AnnotationError(
                annotation.line, f"{tag} is about input slots and cannot be set for {slots}", f"{tag}.$in"
            )
        if tag == "slot" and annotation.value == "unused":
            self._forget(where)
            return
        if isinstance(where, int):
            self.in_use.add(where)
        if tag != "slot":
            refuse_conflict(self._settings.setdefault((tag, where), annotation), annotation)

    def _number(self, annotation: Annotation) -> int:
        scope = annotation.scope
        if scope.isdecimal():
            return int(scope)
        if scope not in self._numbers:
            near = nearest(scope, self._numbers)
            raise AnnotationError(
                annotation.line, f"no slot is named {scope!r}; slot.{scope}: NUMBER declares it", near
            )
        return self._numbers[scope]

    def _forget(self, where: str | int) -> None:
        parities = {"$all": (0, 1), "$in": (0,), "$out": (1,)}
        numbers = {where} if isinstance(where, int) else {n for n in self.in_use if n % 2 in parities[where]}
        self.in_use -= numbers
        self._settings = {key: value for key, value in self._settings.items() if key[1] not in numbers}
