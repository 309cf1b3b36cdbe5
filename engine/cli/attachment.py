"""``engine attachment``: files that go with a model."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine.cli.assets import complete_name, print_assets
from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import SHORT_DIGEST, output_option, size_text, talk
from engine.cli.verb import VerbGroup
from engine.errors import AssetInvalid

model_argument = click.argument("model", shell_complete=complete_name("models"))


@click.group(cls=VerbGroup, short_help="Files that go with a model.")
def attachment() -> None:
    """Files that go with a model, such as weights; archives are unpacked for it."""


@attachment.command()
@model_argument
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@pass_desk
def upload(desk: Desk, model: str, files: tuple[str, ...]) -> None:
    """Give files to MODEL, under their own names.

    Example: engine attachment upload tf_sp500_lstm attachments/tf_sp500_lstm/attachment.tar.gz
    """
    for path in map(Path, files):
        if path.stat().st_size == 0:
            raise AssetInvalid("attachment", path.name, "was not uploaded: the file is empty")
        put = desk.assets.upload(model, path)
        digest, size = put.asset.sha256[:SHORT_DIGEST], size_text(path.stat().st_size)
        talk(f"Attachment {path.name!r} of {model!r} {put.outcome} ({digest}, {size}).")


@attachment.command("list")
@model_argument
@output_option
@pass_desk
def list_attachments(desk: Desk, model: str, form: str) -> None:
    """List the files of MODEL."""
    print_assets(desk.assets.attachments(model).list(), form, "attachment")


@attachment.command()
@model_argument
@click.argument("name")
@click.argument("target", required=False, type=click.Path(allow_dash=True), metavar="[TARGET]")
@pass_desk
def download(desk: Desk, model: str, name: str, target: str | None) -> None:
    """Write the attachment NAME of MODEL to TARGET.

    A file, a folder or - for standard output; by default NAME in the working directory.

    Example: engine attachment download tf_sp500_lstm attachment.tar.gz /tmp
    """
    pieces = desk.assets.download(model, name)
    if target == "-":
        sys.stdout.buffer.writelines(pieces)
        return
    path = Path(target or name)
    if path.is_dir():
        path /= name
    part = path.with_name(path.name + ".part")  # whoever looks at `path` sees all of it or nothing
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    talk(f"Attachment {name!r} of {model!r} written to {path}.")


@attachment.command()
@model_argument
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@pass_desk
def remove(desk: Desk, model: str, names: tuple[str, ...]) -> None:
    """Take attachments away from MODEL."""
    collection = desk.assets.attachments(model)
    for name in names:
        collection.remove(name)
        talk(f"Attachment {name!r} of {model!r} removed.")
