"""The verbs that models, schemas and streams have in common: add, list, show, remove, history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import SHORT_DIGEST, hint, output_option, print_json, print_table, size_text, talk
from engine.errors import AssetInvalid, EngineError

if TYPE_CHECKING:
    from engine import client, registry

    Asset = client.Asset | registry.Asset


def complete_name(plural: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a shell completion of the names in one collection; a server that does not answer completes nothing."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
        try:
            collection = getattr(ctx.ensure_object(Desk).assets, plural)
            return [asset.name for asset in collection.list() if asset.name.startswith(incomplete)]
        except (EngineError, OSError):
            return []

    return complete


def name_argument(plural: str) -> Callable[[Any], Any]:
    """Return the argument NAME of a verb, with completion."""
    return click.argument("name", shell_complete=complete_name(plural))


def add_verbs(group: click.Group, plural: str, *, example: str, next_step: str) -> None:
    """Add the common verbs to the group of one kind of asset.

    Parameters
    ----------
    group : click.Group
        Such as ``engine model``.
    plural : str
        The collection's name, such as ``models``.
    example : str
        Arguments for ``add`` that its help shows.
    next_step : str
        What to do after ``add``; ``{name}`` is the asset's.
    """
    kind = plural.removesuffix("s")

    @group.command(
        help=f"""Add a {kind} from FILE or standard input; a new version if it is there.

    Example: engine {kind} add {example}"""
    )
    @name_argument(plural)
    @click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
    @pass_desk
    def add(desk: Desk, name: str, file: str | None) -> None:
        content = read_content(kind, name, file)
        put = getattr(desk.assets, plural).put(name, content)
        talk(f"{kind.capitalize()} {name!r} {put.outcome} ({put.asset.sha256[:SHORT_DIGEST]}).")
        if put.outcome == "created":
            hint(next_step.format(name=name))

    @group.command("list", help=f"List the {plural}.")
    @output_option
    @pass_desk
    def list_assets(desk: Desk, form: str) -> None:
        print_assets(getattr(desk.assets, plural).list(), form, kind)

    @group.command(help=f"Print a {kind} as it was added.")
    @name_argument(plural)
    @click.option("--version", metavar="SHA256", help="An earlier version, as `history` lists them.")
    @pass_desk
    def show(desk: Desk, name: str, version: str | None) -> None:
        sys.stdout.buffer.write(getattr(desk.assets, plural).read(name, version))

    @group.command(help=f"Remove {plural}; their versions stay in the history.")
    @click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_name(plural))
    @pass_desk
    def remove(desk: Desk, names: tuple[str, ...]) -> None:
        for name in names:
            getattr(desk.assets, plural).remove(name)
            talk(f"{kind.capitalize()} {name!r} removed.")

    @group.command(help=f"List the versions of a {kind}, the newest first.")
    @name_argument(plural)
    @output_option
    @pass_desk
    def history(desk: Desk, name: str, form: str) -> None:
        versions = getattr(desk.assets, plural).history(name)
        if form == "json":
            print_json([asset_fields(version) for version in versions])
            return
        print_table(
            ["Modified", "Size", "SHA-256"],
            ((version.modified, size_text(version.size_bytes), version.sha256) for version in versions),
        )


def read_content(kind: str, name: str, file: str | None) -> bytes:
    """Return what is in the file, or on standard input.

    Raises
    ------
    AssetInvalid
        There is nothing in it.
    """
    if file is not None and file != "-":
        content, source = Path(file).read_bytes(), file
    else:
        stdin: BinaryIO = sys.stdin.buffer
        if stdin.isatty():
            talk("Reading from the terminal; Ctrl-D ends it.")
        content, source = stdin.read(), "standard input"
    if not content.strip():
        raise AssetInvalid(kind, name, f"was not added: {source} is empty")
    return content


def asset_fields(asset: Asset) -> dict[str, Any]:
    """Return what is printed of an asset as JSON, wherever it is."""
    return {
        "name": asset.name,
        "sha256": asset.sha256,
        "size_bytes": asset.size_bytes,
        "modified": asset.modified,
    }


def print_assets(assets: Sequence[Asset], form: str, kind: str) -> None:
    """Print a list of assets."""
    if form == "json":
        print_json([asset_fields(asset) for asset in assets])
    elif assets:
        print_table(
            ["Name", "Size", "Modified", "SHA-256"],
            (
                (asset.name, size_text(asset.size_bytes), asset.modified, asset.sha256[:SHORT_DIGEST])
                for asset in assets
            ),
        )
    else:
        talk(f"There is no {kind} yet.")
