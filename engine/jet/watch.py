"""Whether a script changes variables that are not taken as its state: asked where scripts are tried, not at work."""

from __future__ import annotations

from hashlib import blake2b
from types import ModuleType

from engine.errors import StateError, StateOverlooked
from engine.script import Script
from engine.state import pack

_Marks = dict[str, bytes | None]


class Watch:
    """The module-level variables beside the state, as ``begin()`` left them.

    Seen is what can be packed, before or behind; the rest, such as a function or an open file, could not be kept.

    Parameters
    ----------
    module : ModuleType
        The script, imported.
    script : Script
        What is known of it.
    """

    def __init__(self, module: ModuleType, script: Script) -> None:
        self._variables, self._script = vars(module), script
        self._before: _Marks = {}

    def begin(self) -> None:
        """Take what is there now as the beginning."""
        self._before = self._marks()

    def end(self) -> StateOverlooked | None:
        """Return the error that names what has changed since, or None."""
        before, after = self._before, self._marks()
        changed = [name for name in {**after, **before} if before.get(name) != after.get(name)]
        if not changed:
            return None
        declared = [name for name in self._script.state if self._mark(name) is not None]
        return StateOverlooked(changed, declared, [name for name in changed if name in self._script.shared])

    def _marks(self) -> _Marks:
        names = [name for name in self._variables if name not in self._script.state and not name.startswith("__")]
        return {name: self._mark(name) for name in names}

    def _mark(self, name: str) -> bytes | None:
        """Return what two equal values of a variable have in common; None where it cannot be packed or is not there."""
        if name not in self._variables:
            return None
        try:
            return blake2b(pack(self._variables[name], name), digest_size=16).digest()
        except StateError:
            return None
