"""``engine inspect``, ``pause``, ``unpause`` and ``reset``."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import output_option, print_json, talk
from engine.cli.report import print_engine
from engine.cli.verb import Verb


@click.command(cls=Verb, short_help="Show the state, model, slots and jets.")
@output_option
@pass_desk
def inspect(desk: Desk, form: str) -> None:
    """Show the engine on one screen: its state, model, slots, jets and the latest rejects."""
    info = desk.engine.inspect()
    if form == "json":
        print_json(info)
    else:
        print_engine(info)


@click.command(cls=Verb, short_help="Stop scoring until unpause.")
@pass_desk
def pause(desk: Desk) -> None:
    """Stop taking records from the inputs until `engine unpause`."""
    talk(f"Engine {desk.engine.pause()['state']}.")


@click.command(cls=Verb, short_help="Go on after pause.")
@pass_desk
def unpause(desk: Desk) -> None:
    """Go on after `engine pause`."""
    talk(f"Engine {desk.engine.unpause()['state']}.")


@click.command(cls=Verb, short_help="Let go of the model and the streams.")
@pass_desk
def reset(desk: Desk) -> None:
    """Let go of the model and of every stream, forget the state, and begin anew. Rejects stay."""
    talk(f"Engine {desk.engine.reset()['state']}.")
