"""``engine run``: score a file, a pipe or any stream without a server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli import exits
from engine.cli.desk import Desk, pass_desk
from engine.cli.endpoint import existing_file, find_endpoint, slot_pairs
from engine.cli.job import Done, Job, counts_before, perform
from engine.cli.printing import counted, talk
from engine.cli.progress import progress_bar
from engine.cli.resuming import TroubleTeller, is_done, keep, resume_command, tell_promise, went_on_at
from engine.cli.verb import Verb
from engine.errors import AssetNotFound, ConfigError, StateError, StateIncompatible, StreamChanged, nearest

if TYPE_CHECKING:
    from engine.registry import Library, Model
    from engine.runtime.info import ConsoleLine, EngineInfo
    from engine.schema import Schema

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what a script is run with."""
    options = (
        click.option("--attachment", multiple=True, metavar="FILE", type=_file, help="Unpack FILE for the script."),
        click.option(
            "--schema",
            multiple=True,
            metavar="NAME=FILE",
            help="What the script calls NAME is the Avro schema in FILE.",
        ),
        click.option("--encoding", metavar="NAME", help="Of records in files.  [default: json, or by the suffix]"),
        click.option("--memory", metavar="SIZE", envvar="ENGINE_MEMORY", help="What it may allocate, as in 2G."),
        click.option(
            "--cpus", metavar="N", envvar="ENGINE_CPUS", help="Cores to share with it.  [default: what it may use]"
        ),
        click.option("--device", metavar="NAME", envvar="ENGINE_DEVICE", help="Where it predicts: cpu, or gpu:0."),
        click.option("--inline", is_flag=True, help="Run the script in this process: pdb works."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=Verb, short_help="Score a file or a pipe, without a server.")
@click.argument("script", type=_file)
@click.argument("input", default="-", metavar="[INPUT]")
@click.argument("output", default="-", metavar="[OUTPUT]")
@click.option(
    "--slot", multiple=True, metavar="SLOT=STREAM", help="Attach STREAM to SLOT too, in place of INPUT for 0."
)
@model_options
@click.option("--instance", metavar="NAME", envvar="ENGINE_INSTANCE", help="Of the engine in a consumer group.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a record was rejected.")
@click.option("--resume", "is_resuming", is_flag=True, help="Go on where the same run was stopped, or crashed.")
@pass_desk
@click.pass_context
def run(
    ctx: click.Context,
    desk: Desk,
    /,
    script: Path,
    input: str,  # noqa: A002 - the argument's name in the help
    output: str,
    slot: tuple[str, ...],
    instance: str | None,
    strict: bool,
    is_resuming: bool,
    **options: Any,
) -> None:
    """Score the records of INPUT with SCRIPT and write the scores to OUTPUT.

    INPUT and OUTPUT are files, - for standard input and output, literals such as inline:1,2,3 or names of streams in
    the library. Schemas and attachments come from the library that SCRIPT lies in, unless options give them.

    A run begins at the start of its inputs. With --resume it goes on behind the last commit of the run of the same
    script with the same streams: nothing is scored twice, and the script has the state that it had there. A topic is
    always read on from where its consumer group has committed, and runs in several places share its partitions.

    Examples: engine run model_scripts/average.py prices.jsons -
              engine run --resume model_scripts/average.py prices.jsons scores.jsons
              head -40 prices.jsons | engine run model_scripts/average.py > scores.jsons
              engine run join.py left.jsons out.jsons --slot 2=right.jsons
              engine run average.py kafka:localhost:9092/prices kafka:localhost:9092/averages
    """
    named = {0: input, 1: output, **slot_pairs(slot, "--slot", "2=right.jsons")}
    job = prepare(desk, script, named, **options)
    if instance is not None:
        job = replace(job, settings=replace(job.settings, instance=instance))
    with keep(job, script, is_resuming=is_resuming) as job:
        if is_done(job):
            talk("The run has finished already, so that there is nothing to resume. Without --resume it begins anew.")
            return
        resumed = went_on_at(job)
        try:
            with progress_bar(existing_file(named[0]), counts_before(job).n_in, is_shown=not job.is_inline) as show:
                tell_trouble = TroubleTeller()

                def on_tick(info: EngineInfo) -> None:
                    show(info)
                    tell_trouble(info)

                done = perform(job, on_console=print_console, on_start=tell_promise, on_tick=on_tick)
        except KeyboardInterrupt:
            tell_how_to_resume(desk, job)
            raise
        except StateIncompatible as exc:
            raise advised(exc, job) from exc.__cause__
        raise_closed_pipe(done)
        talk(f"{done.summary()}{resumed}")
        tell_predictors(done)
        tell_rejects(done)
        if done.error is not None:
            tell_how_to_resume(desk, job)
            if isinstance(done.error, StateError):
                raise advised(done.error, job)  # it has an exit code of its own
            raise click.ClickException(str(done.error))
    if strict and done.n_rejected:
        ctx.exit(exits.FAILURE)


def advised(error: StateError, job: Job) -> StateError:
    """Return the error with what a person at this command can do about it, where its cause is what was resumed."""
    if not job.is_resuming or not isinstance(error, StateIncompatible):
        return error
    fix = "Run without --resume to begin anew."
    if isinstance(error, StreamChanged):
        return StreamChanged(error.where, error.reason, fix)
    return StateIncompatible(error.reason, error.fix or fix)


def tell_how_to_resume(desk: Desk, job: Job) -> None:
    """Say how to go on after a run that did not come to its end, if there is anything to go on with."""
    if (command := resume_command(job, desk.arguments)) is not None:
        talk(f"Go on with: {command}")


def prepare(
    desk: Desk,
    script: Path,
    named: dict[int, str],
    *,
    attachment: tuple[Path, ...],
    schema: tuple[str, ...],
    encoding: str | None,
    memory: str | None,
    cpus: str | None,
    device: str | None,
    inline: bool,
) -> Job:
    """Return the job that the arguments describe.

    Raises
    ------
    EngineError
        The script, a schema, an attachment or a stream is wrong.
    """
    from engine.log import configure
    from engine.registry import Library, from_path, library_of
    from engine.settings import Settings, parse_cpus, parse_device, parse_size
    from engine.streams import resolve_stream

    settings = Settings.from_env(os.environ)
    # Absolute: with --inline the script's folder becomes the working directory.
    settings = replace(settings, state_dir=(desk.state or settings.state_dir).absolute())
    configure(settings.is_log_json)
    # What went wrong is told in sentences at the end; the events are for whoever looks for the reason.
    logging.getLogger().setLevel(logging.INFO if desk.is_debug else logging.CRITICAL)
    if memory is not None:
        settings = replace(settings, memory_limit_bytes=parse_size(memory))
    if cpus is not None:
        settings = replace(settings, n_cpus=parse_cpus(cpus))
    if device is not None:
        settings = replace(settings, device=parse_device(device))
    library = Library(desk.library) if desk.library is not None else library_of(script)
    schemas = _schemas(schema)
    model = from_path(script, library, attachment, schemas)
    find_schema = _schema_finder(library, schemas, model)
    _check_distinct(named)
    stored = library.streams.read if library is not None else None
    streams = {
        slot: resolve_stream(text, find_endpoint(text, slot, library, encoding), find_schema, stored)
        for slot, text in named.items()
        if slot in model.script.slots or slot not in (0, 1)
    }
    return Job(settings, model, streams, is_inline=inline)


def _schemas(given: tuple[str, ...]) -> dict[str, Schema]:
    from engine.schema import parse_schema

    schemas = {}
    for text in given:
        name, _, file = text.partition("=")
        if not name or not file:
            raise click.BadParameter(f"{text!r} is not of the form NAME=FILE.", param_hint="--schema")
        schemas[name] = parse_schema(Path(file).read_bytes(), name)
    return schemas


def _schema_finder(library: Library | None, given: dict[str, Schema], model: Model) -> Callable[[str], Schema]:
    def find(name: str) -> Schema:
        if name in given:
            return given[name]
        if library is None:
            raise AssetNotFound("schema", name, nearest(name, [*given, *model.schemas]))
        return library.schema(name)

    return find


def _check_distinct(named: dict[int, str]) -> None:
    """Raise ConfigError when an output is a file that is read too: it would be emptied first."""
    inputs = [path for slot, text in named.items() if slot % 2 == 0 and (path := existing_file(text)) is not None]
    for slot, text in named.items():
        output = existing_file(text) if slot % 2 else None
        if output is not None and any(output.samefile(path) for path in inputs):
            raise ConfigError(f"{text} is both read and written. Write to another file.")


def print_console(line: ConsoleLine) -> None:
    """Print what the script printed, on standard error: standard output is for scores. Nobody has to read it."""
    with suppress(OSError):
        sys.stderr.write(line.text + "\n")


def raise_closed_pipe(done: Done) -> None:
    """Raise BrokenPipeError if the run ended because whoever read standard output has gone: that is no news."""
    cause: BaseException | None = done.error
    while cause is not None:
        if isinstance(cause, BrokenPipeError):
            raise cause
        cause = cause.__cause__


def tell_predictors(done: Done) -> None:
    """Say how many rows a call of each predictor had, what came of its being batched, and how the cores were shared."""
    called = [one for one in done.info.predictors if one.n_calls]
    if called and done.info.plan is not None:
        talk(done.info.plan.sentence)
    for one in called:
        where = f" on {one.device}" if one.device else ""
        rows = f"{counted(one.n_rows, 'row')} in {counted(one.n_calls, 'call')}"
        talk(f"{one.name}{where}: {rows}, {one.mean_rows:.1f} a call, {1e6 * one.row_s:,.0f} us a row.")


def tell_rejects(done: Done) -> None:
    """Explain the first rejected records."""
    for reject in done.rejects:
        what = f"record {reject.seq_no} of slot {reject.slot}" if reject.place is None else f"the one at {reject.place}"
        talk(f"  {what}: {reject.reason}")
    if done.n_rejected > len(done.rejects):
        talk(f"  and {done.n_rejected - len(done.rejects)} more")
