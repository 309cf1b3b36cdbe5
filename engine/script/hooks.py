"""The functions of a script that the engine calls."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from engine.errors import AnnotationError, HookMissing, NotBuilt, ScriptInvalid, nearest
from engine.script.arity import required_keywords, text_arity
from engine.script.bindings import Binding, Function, Kind
from engine.script.description import Note

Bindings = Mapping[str, Sequence[Binding]]


def functions_by_role(tree: ast.Module, markers: Sequence[tuple[int, str]], notes: list[Note]) -> dict[str, str]:
    """Return role to function for the markers ``init`` and ``score``; the others are noted.

    A marker belongs to the top-level function that it stands above, with nothing but comments and blank lines between.

    Raises
    ------
    AnnotationError
        Two functions have the same role.
    """
    found: dict[str, tuple[str, int]] = {}
    for line, role in markers:
        function = _function_below(tree, line)
        if function is None:
            notes.append(Note(line, f"the role {role!r} is not above a top-level function"))
        elif role in ("metrics", "train"):
            notes.append(Note(line, f"{function}() has the role {role!r}, which the engine does not run"))
        elif role in found:
            name, earlier = found[role]
            raise AnnotationError(line, f"{name}() has the role {role!r} already, by line {earlier}")
        else:
            found[role] = function, line
    return {role: function for role, (function, _) in found.items()}


def _function_below(tree: ast.Module, line: int) -> str | None:
    for statement in tree.body:
        decorators = statement.decorator_list if isinstance(statement, Function) else []
        if min([statement.lineno, *(decorator.lineno for decorator in decorators)]) > line:
            return statement.name if isinstance(statement, Function) else None
        if (statement.end_lineno or statement.lineno) >= line:
            return None  # inside of a statement
    return None


def action_arity(name: str, bindings: Bindings, script: str) -> int | None:
    """Return the arity of an action, or None where only the imported function can tell.

    Raises
    ------
    HookMissing
        Nothing binds the name at module level.
    ScriptInvalid
        The function cannot be called with one, two or three arguments.
    NotBuilt
        It is an ``async def``.
    """
    places = bindings.get(name, ())
    if not places:
        functions = [known for known in bindings if bindings[known][-1].kind is Kind.FUNCTION]
        raise HookMissing(script, name, nearest(name, functions))
    signatures = [_signature(place, script) for place in places]
    try:
        arities = {None if arguments is None else text_arity(arguments, name) for arguments in signatures}
    except ValueError as exc:
        raise ScriptInvalid(script, str(exc), places[-1].line) from exc
    return arities.pop() if len(arities) == 1 else None


def setup_arity(name: str, bindings: Bindings, script: str, *, may_take_one: bool = False) -> int:
    """Return 0, or 1 where one argument is allowed and taken, for ``begin`` or ``end``; raises as `action_arity`."""
    arity = 0
    for place in bindings[name]:
        if (arguments := _signature(place, script)) is None:
            continue
        positional = arguments.posonlyargs + arguments.args
        required = [argument.arg for argument in positional[: len(positional) - len(arguments.defaults)]]
        required += required_keywords(arguments)
        if len(required) > may_take_one or (required and arguments.kwonlyargs):
            allowed = "at most one argument" if may_take_one else "no arguments"
            raise ScriptInvalid(script, f"{name}() must take {allowed}, and requires {', '.join(required)}", place.line)
        arity = len(required)
    return arity


def optional_hook(name: str, bindings: Bindings, notes: list[Note]) -> str | None:
    """Return the name if it is bound to a function, or may be; ``end = 30`` is no hook, and noted."""
    places = bindings.get(name, ())
    if not places or any(map(_may_be_function, _and_aliased(places, bindings))):
        return name if places else None
    notes.append(Note(places[0].line, f"{name} is a value, not a function, and is not called as a hook"))
    return None


def _and_aliased(places: Sequence[Binding], bindings: Bindings) -> list[Binding]:
    """Return the places, and for ``end = finish`` those of `finish`."""
    aliased = [place.node.id for place in places if isinstance(place.node, ast.Name)]
    return [*places, *(place for name in aliased for place in bindings.get(name, ()))]


def _may_be_function(place: Binding) -> bool:
    return place.kind in (Kind.FUNCTION, Kind.IMPORT)


def _signature(place: Binding, script: str) -> ast.arguments | None:
    match place.node:
        case ast.AsyncFunctionDef(name=name):
            raise NotBuilt(f"async def {name}", f"{script}, line {place.line}")
        case ast.FunctionDef(args=arguments) | ast.Lambda(args=arguments):
            return arguments
        case _:
            return None
