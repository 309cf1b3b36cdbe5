"""``engine schema``: Avro schemas that slots and streams name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from engine.cli import exits
from engine.cli.assets import add_verbs, name_argument
from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import output_option, print_json, talk
from engine.cli.verb import VerbGroup


@click.group(cls=VerbGroup)
def schema() -> None:
    """Avro schemas that slots and streams name."""


add_verbs(
    schema,
    "schemas",
    example="double schemas/double.avsc",
    next_step="check records against it with: engine schema verify {name} FILE",
)

data_argument = click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="[FILE]"
)


@schema.command()
@name_argument("schemas")
@data_argument
@output_option
@pass_desk
@click.pass_context
def verify(ctx: click.Context, desk: Desk, name: str, file: str | None, form: str) -> None:
    """Check the schema NAME, and each line of FILE.

    FILE may be - for standard input. Each line is printed behind OK, JSON (not JSON at all) or FAIL (does not fit),
    with the reason below. The exit code is 3 when a line is not OK.

    Example: engine schema verify double prices.jsons
    """
    lines = [] if file is None else _lines(file)
    outcomes: Counter[str] = Counter()
    listed: list[dict[str, Any]] = []
    for verdict in desk.assets.verify_records(name, lines):
        outcomes[verdict["outcome"]] += 1
        if form == "json":
            listed.append(verdict)
            continue
        click.echo(f"{verdict['outcome'].upper():<4} {verdict['text']}")
        if verdict["reason"]:
            click.echo(f"     line {verdict['line_no']}: {verdict['reason']}")
    if form == "json":
        print_json(listed)
    if file is None:
        talk(f"Schema {name!r} is valid.")
        return
    talk(f"{outcomes['ok']} of {outcomes.total()} records fit schema {name!r}.")
    if outcomes["ok"] != outcomes.total():
        ctx.exit(exits.CONTRACT)


@schema.command()
@data_argument
@click.option("--name", default="record", show_default=True, help="The name of the schema's outermost record.")
@click.option("--enums", is_flag=True, help="Take strings that repeat for an enum.")
def infer(file: str | None, name: str, enums: bool) -> None:
    """Print a schema that every line of FILE (or standard input) fits.

    Example: engine schema infer trades.jsons --name trade | engine schema add trade
    """
    from engine.schema import infer_lines

    print_json(infer_lines(_lines(file or "-"), name, enums=enums))


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from sys.stdin.buffer
    else:
        with Path(file).open("rb") as stream:
            yield from stream
