"""What a job calls its topic of state and its transactions: of the group, the model and the engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")  # what names of topics have not
_SUFFIX = "-changelog"


def changelog_name(group: str, model: str) -> str:
    """Return the name of the topic with the state of a model that a group runs.

    >>> changelog_name("prices eu", "average")
    'prices_eu-average-changelog'
    """
    return _FOREIGN.sub("_", f"{group}-{model}{_SUFFIX}")


def models_of(group: str, topics: Collection[str]) -> list[str]:
    """Return the names of the models whose state a group keeps in one of these topics.

    >>> models_of("prices", ["prices-average-changelog", "prices", "others-average-changelog"])
    ['average']
    """
    before, behind = changelog_name(group, "").removesuffix(_SUFFIX), _SUFFIX
    found = (topic.removeprefix(before).removesuffix(behind) for topic in topics if topic.startswith(before))
    return [model for model in found if model and changelog_name(group, model) in topics]


def transactional_id(group: str, instance: str) -> str:
    """Return the name under which an engine of a group writes: a second one of it shuts the first one out."""
    return _FOREIGN.sub("_", f"{group}-{instance}")


def fixed_transactional_id(group: str, model: str, slots: Iterable[int], partition: int) -> str:
    """Return the name under which an engine writes that reads one partition, whoever else does."""
    return _FOREIGN.sub("_", f"{group}-{model}-{'-'.join(map(str, slots))}-{partition}")
