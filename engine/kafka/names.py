"""What a job calls its topic of state and its transactions: of the group, the model and the engine.

Two names are never one, whatever they are of: what is no letter, digit, underscore or hyphen is escaped by a dot, and
so is a hyphen of all that stands behind the group. The last hyphen without a dot is where the group ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_SUFFIX = "-changelog"
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")  # what names of topics have not, and the dot
_FOREIGN_BEHIND = re.compile(r"[^A-Za-z0-9_]")
_FIXED = re.compile(r"(?<!\.)(?:\.\.)*\.p\d+(?:\.s\d+)+$")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_]|\.[.-]|(?:\.[0-9a-f]{2})+)+")


def changelog_name(group: str, model: str) -> str:
    """Return the name of the topic with the state of a model that a group runs.

    >>> changelog_name("prices", "average"), changelog_name("prices-eu", "average")
    ('prices-average-changelog', 'prices-eu-average-changelog')
    >>> changelog_name("prices", "eu-average"), changelog_name("team.prices", "average")
    ('prices-eu.-average-changelog', 'team..prices-average-changelog')
    """
    return f"{_escape(group)}-{_escape_behind(model)}{_SUFFIX}"


def models_of(group: str, topics: Collection[str]) -> list[str]:
    """Return the names of the models whose state a group keeps in one of these topics.

    >>> models_of("prices", ["prices-average-changelog", "prices", "prices-eu-average-changelog"])
    ['average']
    """
    before = f"{_escape(group)}-"
    found = (
        topic.removeprefix(before).removesuffix(_SUFFIX)
        for topic in topics
        if topic.startswith(before) and topic.endswith(_SUFFIX)
    )
    models = (_unescape(escaped) for escaped in found if _ESCAPED.fullmatch(escaped))
    return [model for model in models if changelog_name(group, model) in topics]


def transactional_id(group: str, instance: str) -> str:
    """Return the name under which an engine of a group writes: a second one of it shuts the first one out.

    >>> transactional_id("prices", "host-1")
    'prices-host.-1'
    """
    return f"{_escape(group)}-{_escape_behind(instance)}"


def fixed_transactional_id(group: str, model: str, slots: Iterable[int], partition: int) -> str:
    """Return the name under which an engine writes that reads one partition, whoever else does.

    >>> fixed_transactional_id("prices", "average", [0, 2], 7)
    'prices-average.p7.s0.s2'
    """
    return f"{_escape(group)}-{_escape_behind(model)}.p{partition}{''.join(f'.s{slot}' for slot in slots)}"


def is_fixed(name: str) -> bool:
    """Whether a name is what `fixed_transactional_id` gave.

    >>> is_fixed("prices-average.p7.s0.s2"), is_fixed(transactional_id("prices", "average.p7.s0"))
    (True, False)
    """
    return _FIXED.search(name) is not None


def _escape(name: str) -> str:
    return _FOREIGN.sub(_escape_one, name)


def _escape_behind(name: str) -> str:
    return _FOREIGN_BEHIND.sub(_escape_one, name)


def _escape_one(found: re.Match[str]) -> str:
    if found[0] in ".-":
        return f".{found[0]}"
    return "".join(f".{byte:02x}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _unescape(escaped: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[0][1] in ".-":
            return found[0][1]
        return bytes.fromhex(found[0].replace(".", "")).decode("utf-8", "replace")

    return re.sub(r"\.[.-]|(?:\.[0-9a-f]{2})+", one, escaped)
