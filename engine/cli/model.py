"""``engine model``: scripts in the library, and the one that the engine runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from engine.cli.assets import add_verbs, name_argument
from engine.cli.collect import collect
from engine.cli.desk import Desk, pass_desk
from engine.cli.feed import feed, read_lines, standard_input
from engine.cli.printing import SHORT_DIGEST, counted, hint, output_option, print_json, print_table, talk
from engine.cli.profile import print_profile
from engine.cli.report import next_step, print_jets, print_script, tell_state, tell_unkept
from engine.cli.verb import VerbGroup


@click.group(cls=VerbGroup)
def model() -> None:
    """Python scripts that score records."""


add_verbs(
    model,
    "models",
    example="tf_sp500_lstm model_scripts/tf_sp500_lstm.py",
    next_step="engine model load {name}",
)


def slot_argument(default: int) -> Callable[[Any], Any]:
    """Return the argument SLOT."""
    return click.argument("slot", type=click.IntRange(min=0), default=default, metavar=f"[SLOT={default}]")


@model.command()
@name_argument("models")
@click.option("--strict", is_flag=True, help="Take a note, such as on a mistyped annotation, for an error.")
@output_option
@pass_desk
def verify(desk: Desk, name: str, strict: bool, form: str) -> None:
    """Check the script NAME and show its slots.

    So is everything that it names; nothing of it is run.
    """
    fields = desk.assets.verify_model(name, is_strict=strict)
    if form == "json":
        print_json(fields)
        return
    print_script(fields)
    talk(f"Model {name!r} contains no errors.")


@model.command()
@name_argument("models")
@pass_desk
def load(desk: Desk, name: str) -> None:
    """Run the model NAME. Records are scored as soon as each of its slots has a stream.

    Example: engine model load tf_sp500_lstm
    """
    desk.engine.load(name)
    info = desk.engine.inspect()
    talk(f"Model {name!r} loaded.")
    if info["model"]:
        tell_state(info["model"]["state"])
        for note in info["model"]["notes"]:
            talk(f"Note: {note}")
    hint(next_step(info))


@model.command()
@pass_desk
def unload(desk: Desk) -> None:
    """End the model; its memory is given back."""
    desk.engine.unload()
    talk("Model unloaded.")


@model.command("input")
@slot_argument(0)
@pass_desk
def input_records(desk: Desk, slot: int) -> None:
    """Send standard input to SLOT, one record a line. Waits while the engine is busy.

    Example: head -40 prices.jsons | engine model input
    """
    if sys.stdin.isatty():
        talk("Reading records from the terminal, one a line; Ctrl-D ends it.")
    is_told = False

    def tell_busy() -> None:
        nonlocal is_told
        if not is_told:
            talk("The engine has no room for more now; waiting. See: engine inspect")
            is_told = True

    fed = feed(desk.engine, slot, read_lines(standard_input()), on_busy=tell_busy)
    if fed.n_accepted == 0:
        raise click.ClickException("There is no record on standard input; give one a line.")
    blank = f"; {counted(fed.n_blank, 'blank line')} skipped" if fed.n_blank else ""
    talk(f"{counted(fed.n_accepted, 'record')} accepted on slot {slot}{blank}.")


@model.command("output")
@slot_argument(1)
@click.option("-n", "--count", type=click.IntRange(min=1), metavar="N", help="Wait for N records.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the stream ends or Ctrl-C.")
@click.option("--no-wait", is_flag=True, help="Print what is there now.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for what was accepted before.",
)
@pass_desk
def output_records(desk: Desk, slot: int, count: int | None, follow: bool, no_wait: bool, timeout: float) -> None:
    """Print the outputs of SLOT, one record a line.

    They are acknowledged then, and the engine forgets them.

    Waits until what was accepted before is scored. Binary records are shown in hexadecimal on a terminal, and go
    into a pipe as they are.

    Examples: engine model output
              engine model output 3 -f
    """
    if no_wait and (follow or count is not None):
        raise click.UsageError("--no-wait takes what is there; it goes with neither -n nor -f.")
    collected = collect(
        desk.engine,
        slot,
        n_records=count,
        is_following=follow,
        timeout_s=None if no_wait else timeout,
    )
    info = desk.engine.inspect()
    if info["error"] is not None:
        raise click.ClickException(f"The engine is in {info['state']}: {info['error']}")
    if collected.is_eof:
        talk("The stream has ended.")
    elif collected.n_records == 0:
        n_rejected = sum(one["n_rejected"] for one in info["slots"])
        # Those that were replayed since are among them.
        rejected = f" {counted(n_rejected, 'record')} rejected since the streams were attached; see what is left with"
        talk(f"There are no outputs.{f'{rejected}: engine rejects show' if n_rejected else ''}")


@model.command()
@click.argument("jets", type=click.IntRange(min=1))
@pass_desk
def scale(desk: Desk, jets: int) -> None:
    """Run the model in JETS processes.

    Example: engine model scale 4
    """
    scaled = desk.engine.scale(jets)
    talk(f"The model runs in {counted(scaled['n_jets'], 'jet')}. {scaled.get('note', '')}".strip())


@model.command()
@output_option
@pass_desk
def inspect(desk: Desk, form: str) -> None:
    """Show the loaded model and the processes that run it."""
    info = desk.engine.inspect()
    loaded = info["model"]
    if form == "json":
        print_json(loaded and {**loaded, "jets": info["jets"]})
        return
    if loaded is None:
        talk("No model is loaded.")
        return
    print_table(
        ("Model", "Version", "Lines", "Jets"),
        [(loaded["name"], loaded["digest"][:SHORT_DIGEST], loaded["sloc"], loaded["n_jets"])],
    )
    tell_state(loaded["state"])
    tell_unkept(loaded)
    talk("")
    print_jets(info["jets"])


@model.command()
@output_option
@pass_desk
def profile(desk: Desk, form: str) -> None:
    """Show where the time of the loaded model goes: what its predictors did, its action, commits and requests.

    Predictors are the model files that the script loads, and the functions that it batches. "Mean batch" is how many
    rows went through in one call, "Waiting" how long a row waited for the others of its batch.

    Example: engine model profile
    """
    if desk.engine.inspect()["model"] is None:
        if form == "json":
            print_json(None)
        else:
            talk("No model is loaded.")
        return
    fields = desk.engine.profile()
    if form == "json":
        print_json(fields)
    else:
        print_profile(fields)
