"""Kills the members of a consumer group, and does worse to them: from topic to topic, nothing is lost or comes twice.

Engines read one topic and write another. They are killed as in the other cases; members join and leave, stand still for
longer than the group waits, and are shut out; brokers are bounced; the model is slow, hangs, and meets records that are
none. What a `read_committed` reader finds in the end must be, for every key, what engines gave that nobody hurt.
"""

from engine.torture.kafka.brokers import Bouncer, Brokers
from engine.torture.kafka.campaign import GroupReport, torture_group
from engine.torture.kafka.cases import GROUP_CASES, GroupCase, GroupSubject

__all__ = [
    "GROUP_CASES",
    "Bouncer",
    "Brokers",
    "GroupCase",
    "GroupReport",
    "GroupSubject",
    "torture_group",
]
