"""``engine test``: a script against the outputs that are expected of it."""

from __future__ import annotations

import dataclasses
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import click

from engine.cli import exits
from engine.cli.comparison import Difference, differences
from engine.cli.desk import Desk, pass_desk
from engine.cli.job import perform
from engine.cli.printing import is_readable, talk
from engine.cli.run import model_options, prepare, print_console, tell_rejects
from engine.cli.verb import Verb

N_SHOWN = 10  # differences: a screen full; the rest are counted
_SHOWN_BYTES = 200  # of a record


@click.command(cls=Verb, short_help="Compare outputs with expected ones.")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("inputs", type=click.Path(exists=True, dir_okay=False))
@click.argument("expected", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="NUMBER",
    show_default=True,
    help="Numbers may differ by so much, times the expected one's size where that is above 1.",
)
@click.option("--update", is_flag=True, help="Write what came to EXPECTED in place of comparing.")
@model_options
@pass_desk
@click.pass_context
def test(
    ctx: click.Context,
    desk: Desk,
    /,
    script: Path,
    inputs: str,
    expected: Path,
    tolerance: float,
    update: bool,
    **options: Any,
) -> None:
    """Score INPUTS with SCRIPT and compare the outputs of slot 1 with EXPECTED, record by record.

    The exit code is 0 when they agree and 1 when they differ. It is an error if SCRIPT changes variables that are not
    taken as its state: they are named, and what to write.

    Examples: engine test model_scripts/average.py prices.jsons expected.jsons
              engine test model_scripts/average.py prices.jsons expected.jsons --update
    """
    if not update and not expected.exists():
        raise click.UsageError(f"{expected} does not exist. Write it with --update.")
    with tempfile.TemporaryDirectory(prefix="engine-test-") as folder:
        # The same suffix: it says how records are encoded.
        outputs = Path(folder, "outputs").with_suffix(expected.suffix)
        job = prepare(desk, script, {0: inputs, 1: str(outputs)}, **options)
        settings = dataclasses.replace(job.settings, state_dir=Path(folder, "state"), is_watched=True)
        done = perform(dataclasses.replace(job, settings=settings), on_console=print_console)
        tell_rejects(done)
        if done.error is not None:
            raise click.ClickException(str(done.error))
        got = outputs.read_bytes()
    if update:
        expected.write_bytes(got)
        talk(f"{done.n_out} records written to {expected}.")
        return
    wanted = expected.read_bytes()
    found = differences(wanted.splitlines(), got.splitlines(), tolerance)
    n_different = 0
    for difference in islice(found, N_SHOWN):
        n_different += 1
        _print_difference(difference)
    n_different += sum(1 for _ in found)
    if n_different > N_SHOWN:
        click.echo(f"and {n_different - N_SHOWN} more")
    talk(
        f"{'Different' if n_different else 'As expected'}: {done.n_in} records in, {done.n_out} out, "
        f"{len(wanted.splitlines())} expected, {n_different} different, {done.n_rejected} rejected."
    )
    ctx.exit(exits.FAILURE if n_different else exits.OK)


def _print_difference(difference: Difference) -> None:
    click.echo(f"line {difference.line_no}: {difference.reason}")
    for sign, value, colour in (("-", difference.expected, "red"), ("+", difference.got, "green")):
        if value is not None:
            click.echo(click.style(f"  {sign} {_shown(value)}", fg=colour))


def _shown(value: bytes) -> str:
    text = value.decode() if is_readable(value) else value.hex(" ")
    return text if len(text) <= _SHOWN_BYTES else text[: _SHOWN_BYTES - 1] + "…"
