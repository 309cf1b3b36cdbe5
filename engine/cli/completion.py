"""``engine completion``: scripts that teach a shell the verbs, options and names."""

from __future__ import annotations

import click

from engine.cli.verb import Verb


@click.command(cls=Verb, short_help="Teach a shell the verbs and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what completes `engine` in a shell.

    Examples, for the shell's start file:
      bash:  eval "$(engine completion bash)"
      zsh:   eval "$(engine completion zsh)"
      fish:  engine completion fish | source
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(kind(ctx.find_root().command, {}, "engine", "_ENGINE_COMPLETE").source())
