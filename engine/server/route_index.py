"""What the documented routes say about a path that did not work."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from engine.errors import nearest


class RouteIndex:
    """The routes of an application.

    Parameters
    ----------
    paths : mapping
        The ``paths`` of its OpenAPI document.

    Examples
    --------
    >>> routes = RouteIndex({"/models/{name}": {"get": ..., "put": ...}})
    >>> routes.methods("/models/lstm"), routes.nearest("/model/lstm")
    (['GET', 'PUT'], '/models/lstm')
    """

    def __init__(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        self._paths = {tuple(template.split("/")): methods for template, methods in paths.items()}

    def methods(self, path: str) -> list[str]:
        """Return the methods that a path takes."""
        steps = path.split("/")
        fitting = [methods for parts, methods in self._paths.items() if _filled(parts, steps) == steps]
        return sorted({method.upper() for methods in fitting for method in methods})

    def nearest(self, path: str) -> str | None:
        """Return the path that was probably meant, with the steps that are names taken over."""
        steps = path.split("/")
        candidates = (_filled(parts, steps) for parts in self._paths)
        return nearest(path, ("/".join(filled) for filled in candidates if filled))


def _filled(parts: tuple[str, ...], steps: list[str]) -> list[str] | None:
    """Return a template's parts with its names taken from `steps`; None where the steps are not even like it."""
    filled = []
    for part, step in zip_longest(parts, steps, fillvalue=None):
        if part is None or step is None:
            return None
        if part.startswith("{"):
            filled.append(step)
        elif part == step or nearest(step, [part]):
            filled.append(part)
        else:
            return None
    return filled
