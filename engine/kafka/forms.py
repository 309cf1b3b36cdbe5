"""The bytes of the changelog's records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.state.commits import Fence


class Stamp(NamedTuple):
    """By what a commit is known again: who wrote it, and which of its commits it was."""

    writer: bytes
    number: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What a job keeps beside its tasks.

    Parameters
    ----------
    home : str
        The state directory that the job is bound to; empty for none.
    fence : Fence or None
        Its attachments, as of its last commit.
    scopes : tuple of str
        The scopes, beside the script's own, that may have entries.
    """

    home: str = ""
    fence: Fence | None = None
    scopes: tuple[str, ...] = ()
