"""The comments of a script that stand alone on their line."""

from __future__ import annotations

import io
import tokenize


def whole_line_comments(source: str) -> dict[int, str]:
    """Return line number to comment, from its first ``#``; a string that looks like a comment is none.

    Raises
    ------
    tokenize.TokenError, SyntaxError
        The text is not Python.
    """
    return {
        token.start[0]: token.string.rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }


def count_code_lines(source: str, comments: dict[int, str]) -> int:
    """Return the number of lines that are neither blank nor a comment."""
    lines = enumerate(io.StringIO(source), start=1)
    return sum(1 for number, line in lines if line.strip() and number not in comments)
