"""What a server says that it goes on with."""

from __future__ import annotations

from collections.abc import Mapping

from engine.runtime import EngineInfo
from engine.runtime.info import Resumed

N_PARTITIONS = 8
"""Partitions of which a line says where they go on."""


def resumed_sentences(resumed: Resumed, info: EngineInfo) -> list[str]:
    """Return a line or two: the model, where each input goes on, and how much state there is."""
    model = "no model" if resumed.model is None else f"model {resumed.model!r}"
    n_streams = sum(slot.stream is not None for slot in info.slots)
    streams = f"{n_streams} stream{'' if n_streams == 1 else 's'}"
    sentences = [f"Resumed at commit {resumed.number:,}: {model}, {streams}, {resumed.state}."]
    places = [_offsets_text(slot, its) for slot, its in sorted(resumed.offsets.items())]
    places += [f"slot {slot} goes on at record {seq_no + 1:,}" for slot, seq_no in sorted(resumed.positions.items())]
    if info.n_keys:  # 0 until the jet has said how many it was given
        places.append(f"{info.n_keys:,} keys have state")
    if places:
        text = "; ".join(places)
        sentences.append(f"{text[:1].upper()}{text[1:]}.")
    return sentences


def _offsets_text(slot: int, offsets: Mapping[int, int]) -> str:
    if not offsets:
        return f"slot {slot} begins where its SkipToRecord says, since its group has committed nothing"
    shown = [f"{offset:,} of partition {number}" for number, offset in sorted(offsets.items())[:N_PARTITIONS]]
    n_more = len(offsets) - len(shown)
    more = f", and {n_more} more (engine inspect)" if n_more else ""
    return f"slot {slot} goes on at offset {', '.join(shown)}{more}"


def begun_sentences(info: EngineInfo) -> list[str]:
    """Return what a server says of a model that runs by itself: what it waits for, and what is promised."""
    name = info.model.name if info.model is not None else "its model"
    waits = f", and waits for {', '.join(info.waits_for)}" if info.waits_for else ""
    return [f"The engine is {info.state} with {name}{waits}.", *info.promise]
