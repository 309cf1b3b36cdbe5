"""What the engine says of itself, as tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.cli.printing import SHORT_DIGEST, print_table, size_text, talk

SILENT_S = 10.0  # of a jet that has work: longer than any record of most scripts takes, so worth a word
SLOT_HEADINGS = ("Slot", "Stream", "Transport", "Encoding", "Schema", "End", "Records", "Rejected")
_JET_HEADINGS = ("Jet", "Process", "Status", "Records", "Restarts", "Memory", "Threads")


def slot_rows(slots: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    """Yield a row of cells for each slot, under `SLOT_HEADINGS`."""
    for slot in slots:
        attached = slot["stream"] is not None
        yield (
            _slot_label(slot),
            slot["stream"],
            slot["transport"],
            slot["encoding"],
            slot["schema"],
            slot["is_eof"] if attached else None,
            slot["n_records"],
            slot["n_rejected"],
        )


def _slot_label(slot: Mapping[str, Any]) -> str:
    direction = "out" if slot["slot"] % 2 else "in"
    return f"{slot['slot']} {slot.get('name') or direction}"


def print_engine(info: Mapping[str, Any]) -> None:
    """Print one screen: state, model, slots, jets and the latest rejects."""
    model = info["model"]
    print_table(
        ("Engine", "Model", "Version"),
        [(info["state"], model and model["name"], model and model["digest"][:SHORT_DIGEST])],
    )
    if info["slots"]:
        print()
        print_table(SLOT_HEADINGS, slot_rows(info["slots"]))
    if info["jets"]:
        print()
        print_table(_JET_HEADINGS, jet_rows(info["jets"]))
    if info.get("fence"):
        print()
        print_table(("Commit", "Age", "Keys", "State"), [_fence_row(info)])
    if group := info.get("group"):
        print()
        _print_group(group)
    if info["rejects"]:
        print()
        print_table(
            ("Slot", "Record", "Rejected because"),
            ((reject["slot"], reject.get("place") or reject["seq_no"], reject["reason"]) for reject in info["rejects"]),
        )
    if info.get("plan") or info.get("promise"):
        talk("")
    tell_plan(info)
    tell_promise(info)
    if (info.get("fence") or {}).get("trouble"):
        talk(f"\nThe next commit waits: {info['fence']['trouble']}")
    if info["error"]:
        talk(f"\n{info['error']}")


def _print_group(group: Mapping[str, Any]) -> None:
    instance = group["instance"] or "(none)"
    print_table(
        ("Group", "Instance", "Partitions", "Lag", "Rebalances", "State in"),
        [(group["name"], instance, len(group["partitions"]), _lag(group), group["n_rebalances"], group["changelog"])],
    )
    if group["partitions"]:
        print()
        print_table(
            ("Slot", "Topic", "Partition", "Goes on at", "Ends at", "Lag"),
            (
                (one["slot"], one["topic"], one["partition"], one["position"], one["end"], one["lag"])
                for one in group["partitions"]
            ),
        )
    for one in group["restoring"]:
        left = f", {one['left_s']:.0f} s left" if one["left_s"] is not None else ""
        waits = f", and waits: {one['waits_for']}" if one["waits_for"] else ""
        talk(f"The state of partition {one['partition']}: {one['n_read']} of {one['n_total']} records{left}{waits}.")
    if group["trouble"]:
        talk(f"\nThe group waits: {group['trouble']}")


def _lag(group: Mapping[str, Any]) -> int | None:
    lags = [one["lag"] for one in group["partitions"]]
    return None if None in lags else sum(lags)


def _fence_row(info: Mapping[str, Any]) -> Sequence[Any]:
    age_s = info["fence"]["age_s"]
    age = None if age_s is None else f"{age_s:.1f} s"
    return info["fence"]["number"], age, info.get("n_keys"), size_text(info.get("state_bytes"))


def tell_promise(info: Mapping[str, Any]) -> None:
    """Say what is promised for the streams that are attached."""
    for sentence in info.get("promise", ()):
        talk(sentence)


def tell_plan(info: Mapping[str, Any]) -> None:
    """Say how the cores are shared, where predictors run, and which jet answers nothing."""
    if info.get("plan"):
        talk(info["plan"]["sentence"])
    for one in info.get("predictors", ()):
        if one["device"]:
            talk(f"{one['name']} runs on {one['device']} ({one['backend']}).")
    for jet in info["jets"]:
        if jet.get("silent_s", 0) > SILENT_S:
            talk(f"Jet {jet['number']} has answered nothing for {jet['silent_s']:.0f} s.")


def jet_rows(jets: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    """Yield a row of cells for each jet."""
    for jet in jets:
        memory = size_text(jet["rss_bytes"])
        yield (
            jet["number"],
            jet["pid"],
            jet["status"],
            jet["n_records"],
            jet["n_restarts"],
            memory,
            jet.get("n_threads"),
        )


def print_jets(jets: Sequence[Mapping[str, Any]]) -> None:
    """Print the processes that run the model."""
    if jets:
        print_table(_JET_HEADINGS, jet_rows(jets))
    else:
        talk("No jets are started.")


def next_step(info: Mapping[str, Any]) -> str:
    """Return what a person would do next, from what is missing."""
    if info["model"] is None:
        return "engine model load NAME"
    missing = [slot for slot in info["slots"] if slot["stream"] is None]
    if missing:
        wanted = " and ".join(f"{slot['slot']} ({_wants(slot)})" for slot in missing)
        return f"engine stream attach STREAM SLOT; no stream yet on slot {wanted}"
    if info["state"] == "PAUSED":
        return "engine unpause"
    by_direction = {slot["slot"] % 2: slot["slot"] for slot in reversed(info["slots"]) if _is_rest(slot)}
    match by_direction:
        case {0: source, 1: target}:
            return f"engine model input {source} < FILE, then engine model output {target}"
        case {0: source}:
            return f"engine model input {source} < FILE"
        case {1: target}:
            return f"engine model output {target} --follow"
    return "engine inspect"


def _wants(slot: Mapping[str, Any]) -> str:
    direction = "output" if slot["slot"] % 2 else "input"
    return f"{direction}, schema {slot['schema']}" if slot.get("schema") else direction


def _is_rest(slot: Mapping[str, Any]) -> bool:
    return str(slot["transport"]).lower().startswith("rest")


def tell_state(names: Sequence[Mapping[str, Any]]) -> None:
    """Say what the engine takes as a script's state, and why."""
    if not names:
        talk("State: none. No record influences another.")
    for name in names:
        size = size_text(name.get("size_bytes"))
        packed = f"; {size} packed" if size is not None else ""
        talk(f"State: {name['name']} ({name['reason']}, line {name['line']}{packed}).")


def tell_unkept(model: Mapping[str, Any] | None) -> None:
    """Say what of a model's state cannot be kept; all of it is known when ``begin()`` has run."""
    for name in model["state"] if model is not None else ():
        if name["refusal"] is not None:
            talk(f"Note: {name['refusal']}")


def _duration(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3600), ("m", 60)):
        if not seconds % length_s:
            return f"{seconds / length_s:g}{unit}"
    return f"{seconds:g}s"


def tell_sharing(fields: Mapping[str, Any]) -> None:
    """Say by what a script keeps its state, for how long, and what all its copies share."""
    keyed = [slot for slot in fields["slots"] if slot.get("key")]
    if keyed:
        told = ", ".join(f"{slot['key']} in slot {slot['slot']}" for slot in keyed)
        ttl_s = keyed[0].get("key_ttl_s")
        end = f", forgotten when it was not used for {_duration(ttl_s)}" if ttl_s else ""
        talk(f"Key: {told}. Every key has a state of its own{end}.")
    if fields.get("uses_cells"):
        talk("Cells: what it holds in cells and pools, all its copies share.")


def print_script(fields: Mapping[str, Any]) -> None:
    """Print a script's slots, and say what it keeps as state."""
    print_table(
        ("Slot", "Direction", "Schema", "Action"),
        (
            (slot["slot"], "out" if slot["slot"] % 2 else "in", slot["schema"], slot.get("action"))
            for slot in fields["slots"]
        ),
    )
    tell_state(fields["state"])
    tell_sharing(fields)
    for note in [*fields["unkept"], *fields["notes"]]:
        near = f" Did you mean {note['near']!r}?" if note["near"] else ""
        talk(f"Line {note['line']}: {note['message']}.{near}")
