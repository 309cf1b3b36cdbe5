"""With how many arguments an action is called.

The rule, the same for a function in the text and for one in memory: the arity is the number of positional parameters
without a default. A function that has none is called with one argument if it has room for it (a default, or
``*args``). So ``action(data, slot=0)`` and ``action(data, *rest)`` have arity 1, and get the data alone.
Keyword-only parameters do not count, but one without a default makes the function uncallable. A decorated function
has the arity it was written with.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any

from engine.errors import ScriptInvalid


def text_arity(arguments: ast.arguments, hook: str) -> int:
    """Return the arity of a function in the text; ValueError says what is wrong with it."""
    positional = arguments.posonlyargs + arguments.args
    return _arity(
        hook,
        n_required=len(positional) - len(arguments.defaults),
        has_room=bool(positional or arguments.vararg),
        keywords=required_keywords(arguments),
    )


def callable_arity(function: Callable[..., Any]) -> int:
    """Return the arity of an action that has been imported: 1, 2 or 3.

    Raises
    ------
    ScriptInvalid
        It cannot be called with one, two or three arguments.
    """
    hook = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1  # written in C, without a signature: data alone is the one argument every action takes
    required = [p for p in parameters if p.default is Parameter.empty]
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    try:
        return _arity(
            hook,
            n_required=sum(p.kind in positional for p in required),
            has_room=any(p.kind in (*positional, Parameter.VAR_POSITIONAL) for p in parameters),
            keywords=[p.name for p in required if p.kind is Parameter.KEYWORD_ONLY],
        )
    except ValueError as exc:
        code = getattr(function, "__code__", None)
        where = getattr(function, "__module__", None) or hook
        raise ScriptInvalid(where, str(exc), code.co_firstlineno if code else None) from exc


def required_keywords(arguments: ast.arguments) -> list[str]:
    """Return the keyword-only parameters that have no default."""
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [argument.arg for argument, default in pairs if default is None]


def _arity(hook: str, *, n_required: int, has_room: bool, keywords: Sequence[str]) -> int:
    if keywords:
        raise ValueError(f"{hook}() requires the keyword {keywords[0]!r}, which the engine does not pass")
    arity = n_required or int(has_room)
    if not 1 <= arity <= 3:
        raise ValueError(f"{hook}() must have arity 1, 2, or 3 (not {arity})")
    return arity
