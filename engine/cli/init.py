"""``engine init``: a new library that works."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from engine.cli.printing import talk
from engine.cli.sample import FILES
from engine.cli.verb import Verb

_NEXT_STEPS = """\
Next:
{enter}  engine test model_scripts/average.py prices.jsons expected.jsons
  engine run model_scripts/average.py prices.jsons -
  engine serve --library ."""


@click.command(cls=Verb, short_help="Make a new library that works.")
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Make a library in DIR: a script, its schema, a stream, and prices to score. Nothing is overwritten.

    Example: engine init demo
    """
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        raise click.ClickException(f"{folder / taken[0]} exists already, and nothing was changed. Take another folder.")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        talk(f"  {path}")
    enter = "" if folder == Path() else f"  cd {shlex.quote(str(folder))}\n"
    talk(_NEXT_STEPS.format(enter=enter))
