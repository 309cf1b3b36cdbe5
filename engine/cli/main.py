"""The command ``engine``: its verbs, and what becomes of an error."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from engine import __version__
from engine.cli import exits
from engine.cli.desk import Desk
from engine.cli.verb import LazyGroup
from engine.errors import EngineError, Signal

VERBS = {
    "serve": "engine.cli.serve:serve",
    "run": "engine.cli.run:run",
    "test": "engine.cli.test:test",
    "torture": "engine.cli.torture:torture",
    "init": "engine.cli.init:init",
    "inspect": "engine.cli.control:inspect",
    "pause": "engine.cli.control:pause",
    "unpause": "engine.cli.control:unpause",
    "reset": "engine.cli.control:reset",
    "model": "engine.cli.model:model",
    "schema": "engine.cli.schema:schema",
    "stream": "engine.cli.stream:stream",
    "attachment": "engine.cli.attachment:attachment",
    "state": "engine.cli.state:state",
    "rejects": "engine.cli.rejects:rejects",
    "image": "engine.cli.image:image",
    "inference": "engine.cli.inference:inference",
    "completion": "engine.cli.completion:completion",
}


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's
    if value:
        click.echo(__version__)
        ctx.exit()


root = LazyGroup(
    "engine",
    modules=VERBS,
    no_args_is_help=True,
    context_settings={
        "auto_envvar_prefix": "ENGINE",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
    help="""Score streams of records with Python model scripts.

    \b
    Without a server:
      engine init demo && cd demo
      engine run model_scripts/average.py prices.jsons -

    \b
    With one:
      engine serve --library . &
      engine model load average
      engine stream attach rest: 0
      engine stream attach rest: 1
      engine model input < prices.jsons
      engine model output

    The options below are understood after a verb too. What a verb prints on standard output is data; everything else
    is on standard error. Exit codes: 0 done, 1 failed, 2 not understood, 3 contract or schema error, 4 the model's
    set-up failed, 5 no server, 6 the state cannot be kept or restored, 130 interrupted.
    """,
)
root.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        help="Print the version.",
        callback=_print_version,
    )
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    sys.exit(invoke(args))


def invoke(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are told on standard error."""
    desk = Desk(arguments=tuple(sys.argv[1:] if args is None else args))
    try:
        result = root.main(args, prog_name="engine", standalone_mode=False, obj=desk)
        sys.stdout.flush()
    except click.UsageError as error:
        _tell_usage(error)
        return exits.USAGE
    except click.ClickException as error:
        _tell(error.format_message())
        return exits.FAILURE
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return exits.INTERRUPTED
    except BrokenPipeError:
        return _leave_closed_pipe()
    except (EngineError, Signal, OSError) as error:
        if desk.is_debug:
            traceback.print_exception(error)
        _tell(_sentence(error))
        return exits.exit_code_of(error)
    finally:
        desk.close()
    return result if isinstance(result, int) else exits.OK


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    sentence = str(error) or type(error).__name__
    # The script's own traceback is what its author needs; a server sends it beside the sentence.
    script_traceback = getattr(error, "traceback", None)
    return f"{sentence}\n{script_traceback}" if script_traceback and script_traceback not in sentence else sentence


def _tell(sentence: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {sentence}", err=True)


def _tell_usage(error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    if error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"Try '{error.ctx.command_path} --help'.\n", err=True)
    _tell(error.format_message())


def _leave_closed_pipe() -> int:
    """Whoever read our output has gone, as ``head`` does: be quiet, and keep the interpreter's last flush quiet too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.FAILURE
