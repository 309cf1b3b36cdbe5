"""What binds the module-level names of a script."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Kind(Enum):
    """What a statement binds a name to, as far as the text tells."""

    FUNCTION = "function"
    CLASS = "class"
    IMPORT = "import"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Binding:
    """One place that binds a name; `node` is the function, the class or the expression, None where there is none."""

    name: str
    line: int
    kind: Kind
    node: ast.AST | None = None


def module_bindings(tree: ast.Module) -> dict[str, list[Binding]]:
    """Return the bindings of every module-level name: at the top level, and by ``global`` anywhere."""
    found: dict[str, list[Binding]] = {}
    for binding in bindings_of(tree.body):
        found.setdefault(binding.name, []).append(binding)
    for scope in ast.walk(tree):
        if isinstance(scope, Function | ast.ClassDef) and (names := declared(ast.Global, scope.body)):
            for binding in bindings_of(scope.body):
                if binding.name in names:
                    found.setdefault(binding.name, []).append(binding)
    return {name: sorted(places, key=lambda place: place.line) for name, places in found.items()}


def declared(how: type[ast.Global | ast.Nonlocal], body: Sequence[ast.AST]) -> set[str]:
    """Return the names that a scope declares ``global`` or ``nonlocal``."""
    return {name for node in _nodes_of(body) if isinstance(node, how) for name in node.names}


def bindings_of(body: Sequence[ast.AST]) -> Iterator[Binding]:
    """Yield what the statements of one scope bind, without what scopes within them do."""
    values: dict[ast.AST, ast.expr] = {}
    for node in _nodes_of(body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield Binding(name, node.lineno, Kind.FUNCTION, node)
            case ast.ClassDef(name=name):
                yield Binding(name, node.lineno, Kind.CLASS, node)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield Binding(alias.asname or alias.name.partition(".")[0], node.lineno, Kind.IMPORT)
            case ast.Assign(targets=targets, value=value):
                values |= dict.fromkeys(targets, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                values[target] = value
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                assigned = values.get(node)
                kind = Kind.FUNCTION if isinstance(assigned, ast.Lambda) else Kind.VALUE
                yield Binding(name, node.lineno, kind, assigned)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield Binding(name, node.lineno, Kind.VALUE)
            case ast.MatchMapping(rest=str(name)):
                yield Binding(name, node.lineno, Kind.VALUE)


def _nodes_of(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of one scope, in the order of the text; what is evaluated in it, not what is defined in it."""
    stack = list(reversed(body))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(_children_of_scope(node)))


def _children_of_scope(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, *defaults(node.args)]
        case ast.Lambda():
            return list(defaults(node.args))
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *node.keywords]
        case ast.comprehension():  # its target is its own; a walrus in it is the scope's
            return [node.iter, *node.ifs]
        case _:
            return list(ast.iter_child_nodes(node))


def defaults(arguments: ast.arguments) -> list[ast.expr]:
    """Return the default values of a function's parameters."""
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]
