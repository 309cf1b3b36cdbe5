"""``engine serve``: the engine as a server."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from engine.cli.desk import Desk, pass_desk
from engine.cli.endpoint import slot_pairs
from engine.cli.printing import talk
from engine.cli.verb import Verb
from engine.errors import StreamChanged

_folder = click.Path(file_okay=False, path_type=Path)


@click.command(cls=Verb, short_help="Serve an engine over HTTP.")
@click.option(
    "--library", type=_folder, metavar="DIR", help="The library.  [env var: ENGINE_LIBRARY; default: STATE/library]"
)
@click.option(
    "--state", type=_folder, metavar="DIR", help="What must survive it.  [env var: ENGINE_STATE; default: .engine]"
)
@click.option("--host", metavar="ADDRESS", help="Where to listen.  [env var: ENGINE_HOST; default: 127.0.0.1]")
@click.option("--port", type=int, metavar="PORT", help="0 takes a free one.  [env var: ENGINE_PORT; default: 8000]")
@click.option("--jets", "n_jets", type=int, metavar="N", help="Processes that run the model.  [env var: ENGINE_JETS]")
@click.option("--memory", metavar="SIZE", help="What each of them may allocate, as in 2G.  [env var: ENGINE_MEMORY]")
@click.option("--cpus", metavar="N", help="Cores to share with them.  [env var: ENGINE_CPUS; default: what it may use]")
@click.option("--device", metavar="NAME", help="Where models predict: cpu, or gpu:0.  [env var: ENGINE_DEVICE]")
@click.option("--instance", metavar="NAME", help="Of the engine in a consumer group.  [env var: ENGINE_INSTANCE]")
@click.option(
    "--no-auth",
    "is_auth_off",
    is_flag=True,
    default=None,
    help="Whoever reaches the port may do everything.  [env var: ENGINE_NO_AUTH]",
)
@click.option("--model", metavar="NAME", help="Run this model by itself.  [env var: ENGINE_MODEL]")
@click.option(
    "--stream",
    "slots",
    multiple=True,
    metavar="SLOT=STREAM",
    help="Attach a stream of the library, a literal, or a descriptor's path to it.  [env var: ENGINE_STREAM_<slot>]",
)
@click.option(
    "--log-level", metavar="LEVEL", help="debug, info, warning or error.  [env var: ENGINE_LOG_LEVEL; default: info]"
)
@click.option("--fresh", "is_fresh", is_flag=True, help="Begin anew: forget the model, the streams and their state.")
@pass_desk
def serve(
    desk: Desk,
    /,
    library: Path | None,
    state: Path | None,
    memory: str | None,
    cpus: str | None,
    device: str | None,
    model: str | None,
    slots: tuple[str, ...],
    log_level: str | None,
    is_fresh: bool,
    **options: Any,
) -> None:
    """Serve an engine over HTTP, with the models, schemas, streams and attachments of the library.

    The documentation of its API is at /docs. Ctrl-C or SIGTERM finishes what was accepted and stops. The next start
    goes on from there, as it does after a crash: with the model, the streams and the state that were there.

    With --model the engine runs by itself, as it does in an image. Another version of the model goes on with the state
    of the one before.

    Examples: engine serve --library . --port 8000
              engine serve --library . --model tf_sp500_lstm --stream 0=rest --stream 1=rest
    """
    from engine.registry import Library
    from engine.runtime.threads import plan_threads
    from engine.server import serve as run_server
    from engine.server.autostart import Autostart
    from engine.server.container import settle
    from engine.settings import Settings, parse_cpus, parse_device, parse_size

    given = {name: value for name, value in options.items() if value is not None}
    given |= {"library": library or desk.library} if library or desk.library else {}
    given |= {"state_dir": state or desk.state} if state or desk.state else {}
    if memory is not None:
        given["memory_limit_bytes"] = parse_size(memory)
    if cpus is not None:
        given["n_cpus"] = parse_cpus(cpus)
    if device is not None:
        given["device"] = parse_device(device)
    told = {"ENGINE_LOG_LEVEL": log_level, "ENGINE_HOST": options["host"]}
    environ = {**os.environ, **{name: text for name, text in told.items() if text}}
    settings = settle(replace(Settings.from_env(environ), **given), environ, talk)
    autostart = Autostart.from_env(environ, model=model, streams=slot_pairs(slots, "--stream"))
    library_folder = Library(settings.library or settings.state_dir / "library")
    talk(str(plan_threads(settings, settings.n_jets)))
    try:
        run_server(settings, library_folder, is_fresh=is_fresh, autostart=autostart)
    except StreamChanged as exc:
        raise StreamChanged(exc.where, exc.reason, fix="") from exc  # the server has said how to begin anew


for option in serve.params:
    # The settings read the environment themselves: they know when a variable is Kubernetes' and not ours.
    if isinstance(option, click.Option) and option.name != "is_fresh":
        option.allow_from_autoenv = False
