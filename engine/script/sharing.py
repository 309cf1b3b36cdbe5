"""What a script uses of cells and pools, which all jets of an engine share."""

from __future__ import annotations

import ast

OFFERED = frozenset({"cells", "pools"})
"""What `engine` and `fastscore` both offer under these names."""

PACKAGES = frozenset({"engine", "fastscore"})


class SharedUse:
    """Where a script can get cells and pools from.

    Parameters
    ----------
    tree : ast.Module
        The script.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.packages: dict[str, str] = {}
        """The names under which the script knows the packages, each with the package's own."""
        self._makers: set[str] = set()
        is_starred = False
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=aliases):
                    self.packages |= {
                        alias.asname or alias.name: alias.name for alias in aliases if alias.name in PACKAGES
                    }
                case ast.ImportFrom(module=str(module), names=aliases, level=0) if module in PACKAGES:
                    self._makers |= {alias.asname or alias.name for alias in aliases if alias.name in OFFERED}
                    is_starred |= aliases[0].name == "*"
        if is_starred:
            self._makers |= OFFERED
        self.is_used = bool(self._makers) or any(self._is_maker(node) for node in ast.walk(tree))

    def _is_maker(self, node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self._makers
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return name in self.packages and attribute in OFFERED
            case _:
                return False

    def is_shared(self, node: ast.AST) -> bool:
        """Whether an expression is a call that returns a cell or a pool: what it holds is no state of the script."""
        return isinstance(node, ast.Call) and self._is_maker(node.func)
