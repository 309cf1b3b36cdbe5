"""The manual of the command line, written from the commands: ``python -m engine.cli.manual > docs/cli.md``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import click

from engine.cli.main import root

_HEAD = """\
# The command line

Written from the commands by `python -m engine.cli.manual`; a test keeps it current.
"""


def manual() -> str:
    """Return the manual as Markdown."""
    context = click.Context(root, info_name="engine", **root.context_settings)
    sections = [_HEAD, *_section(root, context, level=2)]
    return "\n".join(sections).rstrip() + "\n"


def _section(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}\n"
    yield f"    {context.command_path} {' '.join(command.collect_usage_pieces(context))}\n"
    yield _text(command.help or "") + "\n"
    options = [
        option for option in command.get_params(context) if isinstance(option, click.Option) and not option.hidden
    ]
    records = [record for option in options if (record := option.get_help_record(context)) is not None]
    if any("--help" not in names for names, _ in records):
        yield "| option | |\n|---|---|"
        yield from (f"| `{names}` | {_cell(text)} |" for names, text in records if "--help" not in names)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _section(child, click.Context(child, info_name=name, parent=context), level + 1)


def _text(text: str) -> str:
    paragraphs = inspect.cleandoc(text.replace("\b\n", "\b")).split("\n\n")
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    """Return a paragraph; one that keeps its lines, as examples do, is shown as code."""
    text = text.strip("\n ")
    if not text.startswith("\b"):
        return re.sub(r"\s*\n\s*", " ", text)
    return "```\n" + text.removeprefix("\b").strip() + "\n```"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(manual())
