"""``engine image``: container images of models."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine import __version__
from engine.cli.assets import complete_name
from engine.cli.desk import Desk, pass_desk
from engine.cli.endpoint import slot_pairs
from engine.cli.printing import SHORT_DIGEST, hint, output_option, print_json, print_table, size_text, talk
from engine.cli.verb import VerbGroup
from engine.errors import BuildFailed, ConfigError, NotBuilt

if TYPE_CHECKING:
    from engine.image.recipe import Recipe
    from engine.registry import Library

BASE = f"localhost/scoring-engine:{__version__}"
_STEP_WIDTH = 100  # of a step that is shown; the rest of the line is not what anyone looks for

builder_option = click.option(
    "--builder",
    metavar="COMMAND",
    envvar="ENGINE_BUILDER",
    help="docker, podman or buildah, with options of its own if need be.  [env var: ENGINE_BUILDER;"
    " default: the first that is there]",
)
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)


@click.group(cls=VerbGroup, short_help="Container images of models.")
def image() -> None:
    """Container images of models, which score by themselves."""


@image.command(context_settings={"ignore_unknown_options": False})
@click.argument("model", shell_complete=complete_name("models"))
@click.argument("options", nargs=-1, metavar="[-- OPTIONS...]")
@click.option("-t", "--tag", metavar="NAME", help="What the image is called.  [default: localhost/MODEL:VERSION]")
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="SLOT=STREAM",
    help="A stream of the library, or a literal, for a slot.  [default: rest: for each]",
)
@click.option("--base", default=BASE, show_default=True, metavar="IMAGE", help="The image with the engine.")
@builder_option
@click.option(
    "--output", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Keep the build folder."
)
@click.option("--dry-run", is_flag=True, help="Show the build folder and build nothing.")
@click.option("--lock", metavar="FILE", type=_file, help="The model's locked packages, instead of locking them now.")
@click.option(
    "--netrc", metavar="FILE", type=_file, help="Credentials for a private package index, for the build only."
)
@click.option("--gpu", is_flag=True, help="Not built yet: an image that scores on a GPU.")
@pass_desk
def build(
    desk: Desk,
    /,
    model: str,
    options: tuple[str, ...],
    tag: str | None,
    streams: tuple[str, ...],
    base: str,
    builder: str | None,
    folder: Path | None,
    dry_run: bool,
    lock: Path | None,
    netrc: Path | None,
    gpu: bool,
) -> None:
    """Build an image of MODEL, a name in the library or the path of a script in one.

    The image scores by itself as soon as it is started. OPTIONS are handed to the builder.

    Examples: engine image build tf_sp500_lstm
              engine image build tf_sp500_lstm --dry-run --output build
              engine image build tf_sp500_lstm --stream 0=prices --stream 1=kafka:broker:9092/scores
              engine image build tf_sp500_lstm --builder buildah -- --isolation chroot
    """
    from engine.image.builders import build as run_build
    from engine.image.builders import find_builder, is_there
    from engine.image.folder import write_folder

    if gpu:
        raise NotBuilt("an image with a runtime for GPUs (--gpu)", "engine image build")
    library, name = _find(desk, model)
    given = slot_pairs(streams, "--stream")
    chosen = find_builder(builder) if not dry_run else None
    recipe = _recipe(library, name, base, given, lock)
    tag = tag or _default_tag(recipe)
    epoch_s = _epoch()
    with _kept(folder) as path:
        files = write_folder(recipe, path, epoch_s)
        if chosen is None:
            _show(path, files)
            if folder is not None:
                talk(f"The build folder is {folder}. Build it with docker build, podman build or buildah build.")
            return
        if base.startswith("localhost/") and not is_there(chosen, base):
            raise BuildFailed(
                f"{chosen.name} build",
                [f"there is no image {base} on this machine"],
                f"Build it first, in the source folder of the engine: {chosen.name} build -t {base} .",
            )
        started_s = time.monotonic()
        talk(f"Building {tag} with {chosen.name} ...")
        with _steps() as show:
            run_build(chosen, path, tag, epoch_s=epoch_s, secret=netrc, options=options, on_step=show)
    talk(f"Image {tag} built in {time.monotonic() - started_s:.1f} s.")
    click.echo(tag)
    run = "podman" if chosen.name == "buildah" else chosen.name
    volume = f"{name.lower()}-state:/var/lib/engine"
    hint(f"{run} run --rm --read-only --tmpfs /tmp -p 8000:8000 -e ENGINE_NO_AUTH=1 -v {volume} {tag}")


@image.command("list")
@builder_option
@output_option
def list_images(builder: str | None, form: str) -> None:
    """List the images of models on this machine."""
    from engine.image.builders import find_builder, find_images
    from engine.image.recipe import read_labels

    found = [(one, read_labels(one.labels)) for one in find_images(find_builder(builder))]
    if form == "json":
        print_json([{"id": one.id, "tags": one.tags, "size_bytes": one.size_bytes, **own} for one, own in found])
        return
    if not found:
        talk("There are no images of models. Build one with: engine image build MODEL")
        return
    print_table(
        ("Image", "Model", "Version", "Engine", "Id", "Size"),
        [
            (
                ", ".join(one.tags) or None,
                own.get("model"),
                own.get("model.digest", "")[:SHORT_DIGEST],
                own.get("version"),
                one.id.removeprefix("sha256:")[:SHORT_DIGEST],
                size_text(one.size_bytes),
            )
            for one, own in found
        ],
    )


@image.command("inspect")
@click.argument("name", metavar="IMAGE")
@builder_option
@output_option
def inspect_image(name: str, builder: str | None, form: str) -> None:
    """Show what the labels of IMAGE say: model, versions, slots, streams, state.

    Example: engine image inspect localhost/tf_sp500_lstm:latest -o json
    """
    from engine.image.builders import find_builder, inspect
    from engine.image.recipe import read_labels

    found = inspect(find_builder(builder), name)
    own = read_labels(found.labels)
    if form == "json":
        print_json({"id": found.id, "tags": found.tags, "labels": found.labels, **own})
        return
    rows = [(key, _plain(value)) for key, value in own.items() if key != "slots"]
    print_table(("Label", "Value"), rows)
    talk("")
    slots: Mapping[str, Mapping[str, str]] = own.get("slots", {})
    print_table(
        ("Slot", "Name", "Schema", "Key", "Stream"),
        [
            (number, *(slot.get(field) for field in ("name", "schema", "key", "stream")))
            for number, slot in sorted(slots.items(), key=lambda item: int(item[0]))
        ],
    )


@image.command(hidden=True)
@click.argument("model")
@click.option("--lock", type=_file, required=True)
@click.option("--cache", type=_folder, required=True)
@pass_desk
def prepare(desk: Desk, /, model: str, lock: Path, cache: Path) -> None:
    """Build the environment of MODEL inside an image that is being built."""
    import subprocess

    from engine.registry import Library, unpack
    from engine.runtime.environment import build_environment, import_path

    os.environ["UV_CONSTRAINT"] = str(lock.absolute())
    stored = Library(desk.library or Path()).attachments(model)
    with tempfile.TemporaryDirectory(prefix="engine-prepare-") as work:
        for attachment in stored.list():
            unpack(stored.locate(attachment), Path(work))
        environment = build_environment(model, Path(work, "requirements.txt"), cache, on_progress=talk)
    import_path(cache)
    # By content: the times of files change when layers are made reproducible, and nobody may write here later.
    compiling = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(environment.path / "lib")]
    subprocess.run([environment.python, *compiling], check=False)  # a file that does not compile need not be imported


def _find(desk: Desk, model: str) -> tuple[Library, str]:
    from engine.registry import Library, library_of

    path = Path(model)
    if path.suffix in (".py", ".py3"):
        library = library_of(path)
        if library is None or not path.is_file():
            raise ConfigError(f"{model} is not a script of a library: LIBRARY/model_scripts/NAME.py is expected.")
        return library, path.stem
    library = Library(desk.library or Path())
    if desk.library is None and not (library.root / "model_scripts").is_dir():
        raise ConfigError(f"{Path.cwd()} is no library. Name the folder of one with --library DIR.")
    return library, model


def _recipe(library: Library, name: str, base: str, given: Mapping[int, str], lock: Path | None) -> Recipe:
    """Return the recipe, of which every stream was looked at: what is wrong is told here and not in a container."""
    from engine.image.recipe import collect
    from engine.image.requirements import engine_versions, lock_of
    from engine.registry import assemble
    from engine.runtime.environment import JET_REQUIREMENTS
    from engine.server.autostart import Autostart

    script = assemble(library, name).script
    streams = {slot: given.get(slot, "rest:") for slot in {*script.slots, *given}}
    for slot, text in streams.items():
        if text.startswith(("/", ".")):
            raise ConfigError(f"Slot {slot}: {text!r} is a path. Add it to the library: engine stream add NAME {text}")
    model, found = Autostart(name, streams).put_together(library)
    _check_slots(model.script.slots, found)
    requirements = lock_of(model, list(JET_REQUIREMENTS.values()), lock)
    if requirements is None and lock is not None:
        raise ConfigError(f"{lock}: model {name!r} has no requirements.txt that could be locked.")
    return collect(
        library,
        name,
        base=base,
        streams=streams,
        requirements=engine_versions() if requirements is None else requirements,
        brings_packages=requirements is not None,
    )


def _check_slots(used: Mapping[int, object], given: Mapping[int, object]) -> None:
    if unused := sorted(set(given) - set(used)):
        slots = ", ".join(map(str, sorted(used)))
        raise ConfigError(f"The model does not use slot {unused[0]}. Its slots are {slots}.")


def _default_tag(recipe: Recipe) -> str:
    import re

    name = recipe.name.lower()
    if not re.fullmatch(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*", name):
        raise ConfigError(f"{recipe.name!r} cannot be the name of an image. Give it another one with --tag.")
    return f"localhost/{name}:{recipe.model.digest[:SHORT_DIGEST]}"


def _epoch() -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not text.isdecimal():
        raise ConfigError(f"SOURCE_DATE_EPOCH: {text!r} is not a number of seconds since 1970.")
    return int(text)


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="engine-image-") as work:
        yield Path(work)


def _show(folder: Path, files: list[Path]) -> None:
    for path in files:
        talk(f"{path.relative_to(folder)}  {size_text(path.stat().st_size)}")
    talk("")
    click.echo((folder / "Dockerfile").read_text(), nl=False)


@contextmanager
def _steps() -> Iterator[Callable[[str], object]]:
    """Show the step that is under way: a spinner where a person watches, else a line each."""
    if not sys.stderr.isatty():
        yield lambda step: talk(f"  {step[:_STEP_WIDTH]}")
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("Starting") as status:
        yield lambda step: status.update(escape(step[:_STEP_WIDTH]))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {str(digest)[:SHORT_DIGEST]}" for name, digest in value.items()) or "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
