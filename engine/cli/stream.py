"""``engine stream``: descriptors in the library, and what is attached to the engine's slots."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.assets import add_verbs, complete_name, name_argument
from engine.cli.desk import Desk, pass_desk
from engine.cli.printing import counted, hint, is_readable, output_option, print_json, print_records, print_table, talk
from engine.cli.report import SLOT_HEADINGS, next_step, slot_rows, tell_promise, tell_unkept
from engine.cli.verb import VerbGroup
from engine.errors import AssetNotFound, DescriptorError

KEEP, CLEAR = "keep", "clear"
OUTPUT = 1  # a slot that is written to, as what gets rejects is


def is_literal(text: str) -> bool:
    """Return whether `text` is a literal stream, such as ``rest:``, and not the name of one in the library."""
    return ":" in text


@click.group(cls=VerbGroup)
def stream() -> None:
    """Where records come from and go to."""


add_verbs(
    stream,
    "streams",
    example="rest streams/rest.json",
    next_step="engine stream attach {name} SLOT (even slots are inputs, odd ones outputs)",
)

source_argument = click.argument("stream", shell_complete=complete_name("streams"))
slot_argument = click.argument("slot", type=click.IntRange(min=0))


@stream.command()
@name_argument("streams")
@click.argument("slot", required=False, type=click.IntRange(min=0), metavar="[SLOT]")
@pass_desk
def verify(desk: Desk, name: str, slot: int | None) -> None:
    """Check a descriptor, for SLOT if it is given.

    It is printed with every default filled in. Of a Kafka stream the brokers are asked whether its topic is there, and
    may be read or written.
    """
    answer = desk.assets.verify_stream(name, slot)
    if rejects := answer["descriptor"].get("Rejects"):
        _check_rejects(desk, name, rejects["$ref"])
    print_json(answer["descriptor"])
    for note in answer["notes"]:
        talk(f"Note: {note}")
    if answer.get("found"):
        talk(answer["found"])
    talk(f"The descriptor of stream {name!r} contains no errors.")


def _check_rejects(desk: Desk, name: str, reference: str) -> None:
    try:
        desk.assets.verify_stream(reference, OUTPUT)
    except AssetNotFound as exc:
        raise DescriptorError("Rejects", f"there is no stream {reference!r} in the library", exc.near, name) from exc


@stream.command()
@source_argument
@slot_argument
@pass_desk
def attach(desk: Desk, stream: str, slot: int) -> None:
    """Attach STREAM, a name or a literal such as rest:, to SLOT. Even slots are inputs, odd ones outputs.

    Examples: engine stream attach rest 1
              engine stream attach file:/data/prices.jsons 0
    """
    if is_literal(stream):
        answer = desk.engine.attach(slot, descriptor=stream)
    else:
        answer = desk.engine.attach(slot, name=stream)
    talk(f"Stream {stream!r} attached to slot {slot}.")
    for missing in answer["waits_for"]:
        if missing.startswith("the brokers"):
            talk(f"The engine waits for {missing}")
    info = desk.engine.inspect()
    if info["state"] != "INIT":  # begin() has run
        tell_unkept(info["model"])
        tell_promise(info)
    hint(next_step(info))


@stream.command()
@slot_argument
@pass_desk
def detach(desk: Desk, slot: int) -> None:
    """Take the stream off SLOT."""
    desk.engine.detach(slot)
    talk(f"Stream detached from slot {slot}.")


@stream.command()
@click.argument("slot", required=False, type=click.IntRange(min=0), metavar="[SLOT]")
@output_option
@pass_desk
def inspect(desk: Desk, slot: int | None, form: str) -> None:
    """Show what is attached to each slot, or to SLOT alone."""
    slots = [one for one in desk.engine.inspect()["slots"] if one["stream"] is not None and slot in (None, one["slot"])]
    if form == "json":
        print_json(slots if slot is None else next(iter(slots), None))
    elif slots:
        print_table(SLOT_HEADINGS, slot_rows(slots))
    else:
        talk("No stream is attached." if slot is None else f"No stream is attached to slot {slot}.")


@stream.command()
@source_argument
@click.option("-n", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@pass_desk
def sample(desk: Desk, stream: str, count: int) -> None:
    """Print the first records of STREAM.

    A name, or a literal such as file:/data/prices.jsons. Nothing is scored. Of a Kafka topic that is read from its
    end, the last records are printed; no offsets are committed.

    Example: engine stream sample file:/data/prices.jsons -n 3
    """
    assets = desk.assets
    ask = assets.sample_literal if is_literal(stream) else assets.sample_stream
    values = ask(stream, count)
    print_records(values, is_binary=not all(map(is_readable, values)))
    if len(values) < count:
        talk(f"The stream has {counted(len(values), 'record')}.")


@stream.command()
@source_argument
@click.option(
    "--to", metavar="WHERE", help="earliest, latest, group, state, an offset, or a time such as 2026-11-21T09:30Z."
)
@click.option("--group", help="The consumer group.  [default: the stream's Group, or the model's name]")
@click.option("--model", help="The model whose state belongs to the offsets.")
@click.option("--slot", type=click.IntRange(min=0), help="The input slot of the stream, where the model has several.")
@click.option("--partition", type=click.IntRange(min=0), help="Show, or move, this partition alone.")
@click.option(
    "--keep-state/--clear-state",
    "is_kept",
    default=None,
    envvar="ENGINE_STREAM_SEEK_KEEP_STATE",
    help="Go on with the state as it is, or forget that of the partitions that are moved.",
)
@output_option
@pass_desk
def seek(
    desk: Desk,
    stream: str,
    to: str | None,
    group: str | None,
    model: str | None,
    slot: int | None,
    partition: int | None,
    is_kept: bool | None,
    form: str,
) -> None:
    """Show where the group of a Kafka STREAM stands, or move it with --to.

    No engine may be in the group. The state that was committed with the offsets is moved with them, in one transaction:
    say whether it is kept or forgotten. Where somebody else has moved one of them, "--to group" lets the state go on
    where the group is, and "--to state" the group where the state is.

    Examples: engine stream seek prices --model average
              engine stream seek prices --model average --to earliest --clear-state
              engine stream seek kafka:broker/prices --group average --to 2026-11-21T09:30Z --keep-state
    """
    fate = None if is_kept is None else KEEP if is_kept else CLEAR
    standing = desk.assets.seek_stream(
        stream, to=to, state=fate, group=group, model=model, slot=slot, partition=partition
    )
    if form == "json":
        print_json(standing)
    else:
        rows = ([one[name] for name in _PLACE] for one in standing["partitions"])
        print_table([*_PLACE[:-1], "state"], rows)
    for sentence in _told(standing, to, fate):
        talk(sentence)


_PLACE = ("partition", "first", "last", "offset", "lag", "state_offset")


def _told(standing: dict[str, Any], to: str | None, fate: str | None) -> list[str]:
    """Return what is to be said beside the numbers: what was done, and what does not agree."""
    group, changelog = standing["group"], standing["changelog"]
    if to is not None:
        what = {KEEP: "kept", CLEAR: "forgotten"}.get(fate or KEEP)
        kept = f"The state in {changelog} belongs to these offsets now, and was {what}." if changelog else _STATELESS
        return [f"Group {group!r} goes on at these offsets.", kept]
    said = [f"In group {group!r} there are {', '.join(standing['members']) or 'no engines'}."]
    if changelog is None:
        return [*said, _STATELESS]
    if any(one["offset"] != one["state_offset"] for one in standing["partitions"]):
        said.append("The state does not belong to the offsets of the group: --to group or --to state says which holds.")
    return said


_STATELESS = "No state belongs to it."
