"""Which module-level names are the state of a script.

A name is state when a function that can run during an action may change what it holds. Which functions those are is
read from the names they mention, starting at the actions: a function leads to what its body mentions, a class to its
methods, and a value to what the expressions it was made from mention (so that a table of handlers leads to the
handlers, and an object to its class). Whatever is decorated may have been registered somewhere, and is taken to run.

Taking too much is safe, since a value that did not change is not written again. Taking too little loses state.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.errors import AnnotationError, nearest
from engine.script.annotations import Annotations
from engine.script.bindings import Binding, Function, Kind
from engine.script.description import BY_ANNOTATION, Note, StateName
from engine.script.hooks import Bindings
from engine.script.mentions import Mention, mentions_of
from engine.script.sharing import SharedUse

_MAKES_IMMUTABLE = frozenset({"bool", "bytes", "complex", "float", "int", "len", "range", "round", "str"})
_MAKES_UNKEPT = frozenset({"enumerate", "filter", "iter", "map", "open", "reversed", "zip"})
"""Builtins that return an open file or an iterator half way: neither can be written down and put back."""
_HIDES_NAMES = frozenset({"exec", "globals"})


@dataclass(frozen=True, slots=True)
class State:
    """What was found: the names that are state, what changes and cannot be kept, and what is declared only read.

    `changing` is what a record may change, whether it is kept or not; what batched functions do belongs to no record.
    `batched` is what these functions use, themselves or through others.
    """

    names: tuple[StateName, ...]
    unkept: tuple[Note, ...]
    shared: tuple[str, ...]
    changing: tuple[str, ...] = ()
    batched: tuple[str, ...] = ()


def find_state(
    tree: ast.Module, bindings: Bindings, actions: Collection[str], annotations: Annotations, uses: SharedUse
) -> State:
    """Return the state of a script, as its annotations say or else as its text shows.

    Raises
    ------
    AnnotationError
        An annotation names what the script never binds, or says two things of one name.
    """
    named, shared = annotations.listed("state"), annotations.listed("shared")
    is_off = "none" in named
    if is_off and len(named) > 1:
        raise AnnotationError(max(named.values()), "state: none turns state off, and other lines name some")
    if not is_off:
        _refuse_unknown(named, tree, bindings)
    _refuse_unknown(shared, tree, bindings)
    for name in named.keys() & shared.keys():
        raise AnnotationError(max(named[name], shared[name]), f"{name!r} is named as state and as shared")
    found = _Analysis(tree, bindings, actions, shared, uses).result()
    if named:
        kept = [] if is_off else [StateName(name, line, BY_ANNOTATION) for name, line in named.items()]
        return State(tuple(kept), (), tuple(shared), found.changing, found.batched)
    return found


def _refuse_unknown(names: dict[str, int], tree: ast.Module, bindings: Bindings) -> None:
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return  # what it binds cannot be known
    for name, line in names.items():
        if name not in bindings:
            raise AnnotationError(line, f"the script has no module-level name {name!r}", nearest(name, bindings))


class _Analysis:
    def __init__(
        self,
        tree: ast.Module,
        bindings: Bindings,
        actions: Collection[str],
        shared: Collection[str],
        uses: SharedUse,
    ) -> None:
        self._bindings, self._shared, self._uses = bindings, shared, uses
        self._mentions: dict[str, list[Mention]] = {}
        self._within: dict[ast.AST, list[Mention]] = {
            place.node: [] for places in bindings.values() for place in places if place.node is not None
        }
        for mention in mentions_of(tree):
            self._mentions.setdefault(mention.name, []).append(mention)
            for node in mention.path:
                if node in self._within:
                    self._within[node].append(mention)
        self._live = self._reach(actions)

    def result(self) -> State:
        names, unkept, changing = [], [], []
        for name in sorted(self._mentions, key=self._first_line):
            if name in self._shared:
                continue
            changes = [mention for mention in self._mentions[name] if self._is_change(mention)]
            if not changes:
                continue
            if not all(map(_is_batched, changes)):
                changing.append(name)
            first = min(changes, key=lambda mention: mention.line)
            if (reason := self._why_unkept(name, first)) is None:
                names.append(StateName(name, first.line, f"{first.effect} in {first.where}"))
            else:
                unkept.append(Note(first.line, reason))
        return State(tuple(names), tuple(unkept), tuple(self._shared), tuple(changing), self._used_in_batches())

    def _reach(self, actions: Iterable[str]) -> set[ast.AST]:
        """Return the functions, classes and expressions that can come into play during an action."""
        queue = [*actions, *(name for name, places in self._bindings.items() if any(map(_is_decorated, places)))]
        names, live = set(queue), set[ast.AST]()
        while queue:
            for place in self._bindings.get(queue.pop(), ()):
                if place.node is None or place.node in live:
                    continue
                live.add(place.node)
                fresh = {mention.name for mention in self._within[place.node]} - names
                names |= fresh
                queue.extend(fresh)
        return live

    def _used_in_batches(self) -> tuple[str, ...]:
        """Return the module-level values that batched functions mention, themselves or through others."""
        mentions = [mention for found in self._mentions.values() for mention in found]
        names = {mention.name for mention in mentions if _is_batched(mention)}
        queue = list(names)
        while queue:
            for place in self._bindings.get(queue.pop(), ()):
                if place.kind in (Kind.FUNCTION, Kind.CLASS) and place.node is not None:
                    fresh = {mention.name for mention in self._within[place.node]} - names
                    names |= fresh
                    queue.extend(fresh)
        return tuple(sorted(name for name in names if name not in self._shared and self._is_value(name)))

    def _is_value(self, name: str) -> bool:
        return any(place.kind is Kind.VALUE for place in self._bindings.get(name, ()))

    def _first_line(self, name: str) -> tuple[int, str]:
        places = self._bindings.get(name)
        return (places[0].line if places else 0), name

    def _is_change(self, mention: Mention) -> bool:
        if mention.effect is None or not self._is_live(mention):
            return False
        places = self._bindings.get(mention.name)
        if places is None:
            return mention.name in _HIDES_NAMES and mention.effect == "called"
        if mention.is_rebinding:
            return True
        if any(place.kind is not Kind.VALUE for place in places) and not self._is_rebound(mention.name):
            return mention.is_store
        if mention.effect == "called":
            return any(self._comes_from_script(place) for place in places)
        if all(self._is_immutable(place.node) for place in places):
            return False
        return not (mention.is_of_items and self._holds_constants(mention.name))

    def _is_live(self, mention: Mention) -> bool:
        """Whether the mention is in a function or a class that can run, not in an expression made at load."""
        is_live = False
        for node in mention.path:
            is_live |= node in self._live
            if is_live and isinstance(node, Function | ast.ClassDef | ast.Lambda):
                return True
        return False

    def _is_rebound(self, name: str) -> bool:
        return any(mention.is_rebinding and self._is_live(mention) for mention in self._mentions[name])

    def _comes_from_script(self, place: Binding) -> bool:
        """Whether a value was made by calling a class or a function of the script: calling *it* may change it."""
        return any(
            binding.kind in (Kind.CLASS, Kind.FUNCTION)
            for name in _called_names(place.node)
            for binding in self._bindings.get(name, ())
        )

    def _is_immutable(self, node: ast.AST | None, seen: frozenset[str] = frozenset()) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Tuple(elts=parts):
                return all(self._is_immutable(part, seen) for part in parts)
            case ast.UnaryOp(operand=operand):
                return self._is_immutable(operand, seen)
            case ast.BinOp(left=left, right=right):
                return self._is_immutable(left, seen) and self._is_immutable(right, seen)
            case ast.JoinedStr() | ast.Compare():
                return True
            case ast.Call() if self._uses.is_shared(node):
                return True  # the engine keeps what is in it
            case ast.Call(func=ast.Name(id=name)):
                return name in _MAKES_IMMUTABLE and name not in self._bindings
            case ast.Name(id=name):
                places = self._bindings.get(name, ()) if name not in seen else ()
                return bool(places) and all(self._is_immutable(place.node, seen | {name}) for place in places)
            case _:
                return False

    def _holds_constants(self, name: str) -> bool:
        """Whether a value is written out in constants, and nothing in the script could have put anything else in."""
        return all(self._is_table(place.node) for place in self._bindings[name]) and all(
            mention.effect is None or (mention.is_of_items and not mention.is_store) for mention in self._mentions[name]
        )

    def _is_table(self, node: ast.AST | None) -> bool:
        match node:
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.Dict(values=parts):
                return all(self._is_table(part) for part in parts)
            case _:
                return self._is_immutable(node)

    def _why_unkept(self, name: str, change: Mention) -> str | None:
        places = self._bindings.get(name)
        if places is None:
            return f"{name}() called in {change.where}: what it changes cannot be told; name it in engine.state"
        if not change.is_rebinding and all(place.kind is not Kind.VALUE for place in places):
            kind = "module" if places[-1].kind is Kind.IMPORT else places[-1].kind.value
            return f"{change.effect} on the {kind} {name} in {change.where} is not kept; use a module-level name for it"
        values = [node for node in _values(places) if not (isinstance(node, ast.Constant) and node.value is None)]
        if values and all(_is_unkept(node) for node in values):
            return f"{name} cannot be kept: it holds an open file or an iterator"
        return None


def _is_batched(mention: Mention) -> bool:
    """Whether a mention is in a function that is called for many records at once."""
    functions = (node for node in mention.path if isinstance(node, Function))
    decorators = (one for node in functions for one in node.decorator_list if one not in mention.path)
    called = (one.func if isinstance(one, ast.Call) else one for one in decorators)
    return any(ast.unparse(one).rpartition(".")[2] == "batched" for one in called)


def _is_decorated(place: Binding) -> bool:
    return isinstance(place.node, Function | ast.ClassDef) and bool(place.node.decorator_list)


def _called_names(node: ast.AST | None) -> Iterator[str]:
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            yield part.func.id


def _values(places: Sequence[Binding]) -> list[ast.AST | None]:
    return [place.node for place in places]


def _is_unkept(node: ast.AST | None) -> bool:
    return isinstance(node, ast.GeneratorExp) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKES_UNKEPT
    )
