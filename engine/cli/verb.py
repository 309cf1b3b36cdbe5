"""Commands and groups: the options that every verb takes, and a group that loads its verbs when they are used."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli.desk import DEFAULT_SERVER, Desk


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    desk = ctx.find_root().ensure_object(Desk)
    if value is not None and param.name is not None:
        setattr(desk, param.name, value)


def shared_options(*, is_root: bool) -> list[click.Option]:
    """Return ``--server``, ``--library``, ``--state`` and ``--debug``.

    They are shown once, on the command itself, and understood after every verb too, where the later one counts.
    """
    folder = click.Path(file_okay=False, path_type=Path)
    options: list[tuple[list[str], dict[str, Any]]] = [
        (
            ["--server"],
            {
                "metavar": "URL",
                "envvar": "ENGINE_SERVER",
                "help": f"The engine to talk to.  [default: {DEFAULT_SERVER}]",
            },
        ),
        (
            ["--library"],
            {
                "metavar": "DIR",
                "type": folder,
                "envvar": "ENGINE_LIBRARY",
                "help": "Read and write models, schemas, streams and attachments in this folder, without a server.",
            },
        ),
        (
            ["--state"],
            {
                "metavar": "DIR",
                "type": folder,
                "envvar": "ENGINE_STATE",
                "help": "Where an engine started here keeps what must survive it.  [default: ./.engine]",
            },
        ),
        (
            ["--debug", "is_debug"],
            {"is_flag": True, "default": None, "envvar": "ENGINE_DEBUG", "help": "Show the traceback of every error."},
        ),
    ]
    return [
        click.Option(
            names,
            expose_value=False,
            callback=_keep,
            hidden=not is_root,
            is_eager=True,
            show_envvar=True,
            allow_from_autoenv=False,
            **(given if is_root else {**given, "envvar": None}),
        )
        for names, given in options
    ]


def keep_examples(text: str) -> str:
    """Return a help text in which paragraphs of examples keep their lines (to click, a backspace says so)."""
    return re.sub(r"\n\n( *)(?=Examples?[:,])", "\n\n\\1\b\n\\1", text)


class Verb(click.Command):
    """A command that also understands the shared options after its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if isinstance(param, click.Option):
                param.show_envvar = True
        own = {param.name for param in self.params}
        self.params += [option for option in shared_options(is_root=False) if option.name not in own]
        self.help = keep_examples(self.help or "")


class VerbGroup(click.Group):
    """A group of verbs about one thing, such as ``engine model``."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options(is_root=False)
        self.help = keep_examples(self.help or "")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used.

    Parameters
    ----------
    modules : mapping
        For each command, ``module:attribute``, in the order in which the help lists them.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += shared_options(is_root=True)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the table's order."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command."""
        if cmd_name not in self._modules:
            return None
        module, _, attribute = self._modules[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a mistyped one is answered with those it may have meant."""
        if args[0] not in self._modules and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self._modules, ctx=ctx)
        return super().resolve_command(ctx, args)
