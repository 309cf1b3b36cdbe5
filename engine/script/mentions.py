"""Where a script mentions its module-level names, and what could change there.

This reads too much into the text rather than too little: what is passed on may be changed by whoever gets it. Only
places that cannot change or keep a value are harmless: arithmetic, comparisons, conditions, formatted strings, indices,
and arguments of a few builtins.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.script.bindings import Function, bindings_of, declared, defaults

_PURE = frozenset({"abs", "bool", "complex", "float", "format", "int", "isinstance", "len", "repr", "round", "str"})
"""Builtins that neither change nor keep their arguments."""

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_HARMLESS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.FormattedValue, ast.AugAssign, ast.Slice, ast.If, ast.While,
             ast.Assert, ast.Expr)  # fmt: skip
_PASSED_THROUGH = (ast.BoolOp, ast.NamedExpr, ast.Starred, ast.keyword, ast.Tuple, ast.List, ast.Set, ast.Dict)


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of a module-level (or builtin) name.

    Parameters
    ----------
    path : tuple of ast.AST
        The nodes around it, outermost first.
    effect : str or None
        What could change, as ``rebound`` or ``append() called``; None when nothing can.
    is_rebinding, is_store : bool
        Whether the name itself is bound or deleted; whether an attribute or an item of it is.
    is_of_items : bool
        Whether only what the value holds could change: its items were taken or iterated.
    """

    name: str
    line: int
    path: tuple[ast.AST, ...]
    effect: str | None = None
    is_rebinding: bool = False
    is_store: bool = False
    is_of_items: bool = False

    @property
    def where(self) -> str:
        """The function around it, such as ``action`` or ``Model.step``."""
        named = [node.name for node in self.path if isinstance(node, Function | ast.ClassDef)]
        return ".".join(named) or "a lambda"


@dataclass(frozen=True, slots=True)
class _Scope:
    local: frozenset[str]
    declared_global: frozenset[str] = frozenset()
    is_class: bool = False


def mentions_of(tree: ast.Module) -> list[Mention]:
    """Return every mention of a name that is not local to a function."""
    reader = _Reader()
    reader.visit(tree)
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Mention] = []
        self._path: list[ast.AST] = []
        self._scopes: list[_Scope] = []
        self._is_decorator = False

    def visit(self, node: ast.AST) -> None:
        self._path.append(node)
        super().visit(node)
        self._path.pop()

    def visit_Name(self, node: ast.Name) -> None:
        if not self._is_global(node.id):
            return
        is_loaded = isinstance(node.ctx, ast.Load)
        if self._is_decorator or not (is_loaded or self._scopes):
            self.found.append(Mention(node.id, node.lineno, tuple(self._path)))
        elif not is_loaded:
            effect = "rebound" if isinstance(node.ctx, ast.Store) else "deleted"
            self.found.append(Mention(node.id, node.lineno, tuple(self._path), effect, is_rebinding=True))
        else:
            self.found.append(_read(tuple(self._path), node))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_decorators(node)
        self._visit_all(defaults(node.args))
        self._bind_by_statement(node.name, node)
        self._visit_scope(node.body, _function_scope(node.args, node.body))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast.NodeVisitor finds methods by these names

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all(defaults(node.args))
        self._visit_scope([node.body], _function_scope(node.args, [node.body]))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_decorators(node)
        self._visit_all([*node.bases, *node.keywords])
        self._bind_by_statement(node.name, node)
        local = frozenset(binding.name for binding in bindings_of(node.body))
        outside = frozenset(declared(ast.Global, node.body))
        self._visit_scope(node.body, _Scope(local - outside, outside, is_class=True))

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self._bind_by_statement(alias.asname or alias.name.partition(".")[0], node)

    visit_ImportFrom = visit_Import  # noqa: N815 - ast.NodeVisitor finds methods by these names

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_all([node.target, *([node.value] if node.value else [])])

    def visit_BinOp(self, node: ast.BinOp) -> None:
        inner: ast.expr = node
        while isinstance(inner, ast.BinOp):  # a sum of 500 terms is 500 deep on its left side
            self.visit(inner.right)
            inner = inner.left
        self.visit(inner)

    def visit_ListComp(self, node: _Comprehension) -> None:
        first = node.generators[0]
        self._path.append(first)
        self.visit(first.iter)  # the only part that is evaluated outside of the comprehension's own scope
        self._path.pop()
        targets = [name.id for part in node.generators for name in ast.walk(part.target) if isinstance(name, ast.Name)]
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._scopes.append(_Scope(frozenset(targets)))
        self._visit_all(results)
        for part in node.generators:
            self._path.append(part)
            self._visit_all([part.target, *([] if part is first else [part.iter]), *part.ifs])
            self._path.pop()
        self._scopes.pop()

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp  # noqa: N815 - ast.NodeVisitor finds methods by these names

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _visit_scope(self, nodes: Sequence[ast.AST], scope: _Scope) -> None:
        self._scopes.append(scope)
        self._visit_all(nodes)
        self._scopes.pop()

    def _visit_decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        outer, self._is_decorator = self._is_decorator, True
        self._visit_all(node.decorator_list)
        self._is_decorator = outer

    def _bind_by_statement(self, name: str, node: ast.stmt) -> None:
        """Note that ``def``, ``class`` or ``import`` binds a global name inside of a function."""
        if self._scopes and self._is_global(name):
            self.found.append(Mention(name, node.lineno, tuple(self._path[:-1]), "rebound", is_rebinding=True))

    def _is_global(self, name: str) -> bool:
        for depth, scope in enumerate(reversed(self._scopes)):
            if scope.is_class and depth:
                continue  # what a class binds is not seen by its methods
            if name in scope.declared_global:
                return True
            if name in scope.local:
                return False
        return True


def _function_scope(arguments: ast.arguments, body: Sequence[ast.AST]) -> _Scope:
    parameters = {node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)}
    outside = frozenset(declared(ast.Global, body))
    bound = {binding.name for binding in bindings_of(body)} - declared(ast.Nonlocal, body)
    return _Scope(frozenset(parameters | bound) - outside, outside)


def _read(path: tuple[ast.AST, ...], node: ast.Name) -> Mention:
    """Follow what is read outwards until something is done with it."""
    is_of_items = is_store = False
    effect: str | None = None
    for child, parent in _outwards(path):
        if isinstance(parent, ast.Attribute | ast.Subscript) and child is parent.value:
            if isinstance(parent.ctx, ast.Load):
                is_of_items |= isinstance(parent, ast.Subscript)
                continue
            kind = f"attribute {parent.attr}" if isinstance(parent, ast.Attribute) else "an item"
            effect, is_store = f"{kind} {'set' if isinstance(parent.ctx, ast.Store) else 'deleted'}", True
        elif isinstance(parent, ast.For | ast.comprehension) and child is parent.iter:
            effect, is_of_items = "iterated", True
        elif isinstance(parent, _PASSED_THROUGH) or (isinstance(parent, ast.IfExp) and child is not parent.test):
            continue
        else:
            effect = _effect(child, parent)
        break
    return Mention(node.id, node.lineno, path, effect, is_store=is_store, is_of_items=is_of_items)


def _outwards(path: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, ast.AST]]:
    return zip(reversed(path), reversed(path[:-1]), strict=False)  # the outermost node has no parent


def _effect(child: ast.AST, parent: ast.AST) -> str | None:
    match parent:
        case ast.Call(func=ast.Attribute(attr=method) as function) if child is function:
            return f"{method}() called"
        case ast.Call(func=function) if child is function:
            return "called"
        case ast.Call(func=ast.Name(id=name)) if name in _PURE:
            return None
        case ast.Call(func=function):
            return f"passed to {ast.unparse(function)}()"
        case ast.Return() | ast.Yield() | ast.YieldFrom():
            return "returned or yielded"
        case ast.Subscript() | ast.IfExp() | ast.comprehension():
            return None  # an index, or a condition
        case _:
            return None if isinstance(parent, _HARMLESS) else "given another name"
