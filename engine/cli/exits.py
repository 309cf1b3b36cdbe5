"""From an error to the process's exit code: the only place that knows the codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine import errors

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
CONTRACT: Final = 3
SETUP: Final = 4
UNREACHABLE: Final = 5
STATE: Final = 6
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count

# The first class that fits decides, so a class stands before its parent.
_CODES: Sequence[tuple[type[BaseException], int]] = (
    (errors.ServerUnreachable, UNREACHABLE),
    (errors.StateLocked, FAILURE),
    (errors.StateError, STATE),
    (errors.PolicyViolation, FAILURE),
    (errors.ConfigError, CONTRACT),
    (errors.HookMissing, CONTRACT),
    (errors.DataError, CONTRACT),
    (errors.AttachmentUnsafe, SETUP),
    (errors.ModelError, SETUP),
    (KeyboardInterrupt, INTERRUPTED),
)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code for an error that ends a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILURE)
