"""The script as a module, and what is said when it raises."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from weakref import WeakSet

from engine.errors import EngineError, ScriptInvalid, StateIncompatible
from engine.state import loaded_class

MAX_TRACEBACK_CHARS = 16_384
"""Enough for the deepest of useful tracebacks, small enough to keep one with every rejected record."""

MAX_REASON_CHARS = 2000
"""What is kept of an exception's own words."""


_scripts: WeakSet[ModuleType] = WeakSet()
"""Every script that this process has imported: one model after the other, where it is the engine's own."""


def import_script(name: str, path: Path) -> ModuleType:
    """Import a script's file as an ordinary module.

    Its name in `sys.modules` is the model's, or ``model_<name>`` where that would hide a module of Python's or of a
    library.

    Raises
    ------
    ScriptInvalid
        The script raised while it was imported.
    """
    taken = name.partition(".")[0]
    module_name = _other_name(name) if taken in sys.modules or _is_importable(taken, path) else name
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ScriptInvalid(name, f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    _scripts.add(module)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:
        del sys.modules[module_name]
        fix = ""
        if isinstance(exc, ModuleNotFoundError):
            fix = "; put the module into an attachment, or its distribution into the attachments' requirements.txt"
        raise ScriptInvalid(name, f"{reason_of(exc)}{fix}", _line_of(exc, path), script_traceback(exc, path)) from exc
    return module


def _other_name(name: str) -> str:
    return f"model_{name}"


def class_finder(name: str, module: ModuleType) -> Callable[[str, str], type]:
    """Return what finds the classes of stored instances: those of the script under either name it may have had."""
    own_names = {name, _other_name(name), module.__name__}

    def find(module_name: str, class_name: str) -> type:
        if module_name in own_names:
            try:
                return loaded_class(module.__name__, class_name)
            except StateIncompatible:
                if sys.modules.get(module_name) in _scripts:
                    raise
        # Also where a module of an attachment has the script's name.
        return loaded_class(module_name, class_name)

    return find


def _is_importable(name: str, path: Path) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin != str(path)


def reason_of(exc: BaseException) -> str:
    """Return an exception as one line: ``ZeroDivisionError: division by zero``."""
    try:
        said = str(exc)
    except Exception:  # noqa: BLE001 -- a class of the script's own may fail at this, too
        said = ""
    if isinstance(exc, EngineError):
        said = said.removesuffix(".")  # a sentence, which becomes a part of another
    said = _printable(said[:MAX_REASON_CHARS])
    return f"{type(exc).__name__}: {said}" if said else type(exc).__name__


def _printable(text: str) -> str:
    """Return the text with what no encoding takes, such as half a character of a file's name, written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _line_of(exc: BaseException, path: Path) -> int | None:
    lines = [line for frame, line in traceback.walk_tb(exc.__traceback__) if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else None


def script_traceback(exc: BaseException, path: Path) -> str:
    """Return the traceback from the script's own frame on, without the engine's frames above it."""
    tb = exc.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename != str(path):
        tb = tb.tb_next
    text = _printable("".join(traceback.format_exception(type(exc), exc, tb, chain=tb is not None)).rstrip())
    return text if len(text) <= MAX_TRACEBACK_CHARS else f"...{text[-MAX_TRACEBACK_CHARS:]}"
