"""An engine's link to Kafka: the transactions in which it commits, and the group from which it has its records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from engine.channel import OutputFrame
from engine.errors import EngineError, NotBuilt, SlotsUnfit
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.fetcher import Fetcher
from engine.kafka.groups import read_offsets
from engine.kafka.log import KafkaLog
from engine.kafka.sink import KafkaSink
from engine.kafka.transaction import Transaction
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.group import Group, GroupOwner
from engine.runtime.growth import Growth, find_allowed_topic, n_tasks_of
from engine.runtime.manifold import Manifold
from engine.runtime.predecessors import refuse_members, with_saved_state
from engine.runtime.topic_sink import TopicSink
from engine.runtime.topics import Topics, find_topics
from engine.settings import Settings
from engine.state.commits import CommitLog
from engine.state.sqlite import SqliteStore
from engine.streams import Stream

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a job over Kafka has open."""

    asked: Topics
    topics: Topics
    transaction: Transaction
    store: KafkaLog
    n_partitions: Mapping[str, int]
    changelog: Changelog | None


class Link:
    """Opened for a job as soon as all of its streams are known, if one of them is Kafka.

    Parameters
    ----------
    manifold : Manifold
        Whose commits and records they are.
    settings : Settings
        Where secrets and the state directory are, and the engine's name.
    local : CommitLog
        The job's own store.
    owner : GroupOwner
        Who is told when the group is broken.
    on_step : callable
        Called at each `Step` with its value.
    is_volatile : bool
        Nothing of the job survives the engine: no group is to wait for it.
    """

    def __init__(
        self,
        manifold: Manifold,
        settings: Settings,
        local: CommitLog,
        owner: GroupOwner,
        on_step: Callable[[str], None],
        *,
        is_volatile: bool,
    ) -> None:
        self._manifold, self._settings, self._local, self._owner = manifold, settings, local, owner
        self._on_step, self._is_volatile = on_step, is_volatile
        self._opened: Opened | None = None
        self.group: Group | None = None
        """The group, once the engine has been in it; it tells what it was when the engine has left."""

    @property
    def topics(self) -> Topics | None:
        """What of the job is Kafka; None while nothing is."""
        return self._opened.topics if self._opened is not None else None

    @property
    def instance(self) -> str:
        """The name by which the group knows the engine; empty where it has none."""
        return self._instance if self._opened is not None else ""

    _instance = ""
    _asked: Brokers | None = None

    def give_up(self) -> None:
        """Have an `open` that waits for brokers end soon: whoever asked for it does not wait any longer."""
        if self._asked is not None:
            self._asked.give_up()

    async def open(
        self, streams: Mapping[int, Stream], model: Model, job_id: str, timeout_s: float | None = None
    ) -> None:
        """Open what a job needs of Kafka, if it needs some and has not got it, and keep commits there.

        Parameters
        ----------
        streams : mapping of int to Stream
            All streams of the job.
        model : Model
            What is run.
        job_id : str
            What tells the job from others; the engine's name where the settings give none.
        timeout_s : float, optional
            How long brokers may take for an answer; see `Brokers`.

        Raises
        ------
        SlotsUnfit
            The streams cannot be of one job.
        BrokerRefused, BrokerUnreachable
            A topic is not there, or no broker.
        StateError
            What was committed cannot be gone on with.
        """
        topics = find_topics(streams, model, self._settings)
        if self._opened is not None and self._opened.asked == topics:
            self.bind()  # what was attached since then
            return
        await self.close()
        if topics is None:
            return
        self._instance = self._settings.instance or job_id
        self._opened = await asyncio.to_thread(self._open, topics, timeout_s)
        self._manifold.use(self._opened.store)
        self._manifold.is_tasked = bool(topics.inlets)
        self.bind()

    def check_model(self, model: Model) -> None:
        """Refuse a model that cannot take the place of the one at work: its state would be kept in another topic."""
        topics = self.topics
        if topics is None:
            return
        name = model.script.name
        if name != topics.model:
            raise SlotsUnfit(
                f"Model {name!r} cannot take the place of {topics.model!r} while the engine works: over Kafka each has"
                " a state, and perhaps a group, of its own. Reset the engine first."
            )
        if not topics.has_changelog and not model.script.is_stateless:
            raise SlotsUnfit(
                f"Model {name!r} has state now, and had none: where it is kept is decided at the start. Reset the"
                " engine first."
            )

    def bind(self) -> None:
        """Give the topics that are attached the transactions in which they are written."""
        opened = self._opened
        if opened is None:
            return
        for outlet in self._manifold.all_outlets:
            sink = outlet.sink
            if isinstance(sink, TopicSink) and sink.inner is None:
                sink.inner = KafkaSink(opened.transaction, sink.topic, opened.n_partitions[sink.topic])

    def join(self, frames: Sequence[OutputFrame]) -> None:
        """Join the group, if anything is read; `frames` is what ``begin()`` gave."""
        opened = self._opened
        if opened is None or not opened.topics.inlets:
            return
        topics = opened.topics

        def fetch(group: Group) -> Fetcher:
            return Fetcher(
                topics.connection,
                topics.group,
                topics.inlets,
                group,
                instance="" if self._is_volatile else topics.transactional_id(self._instance),
                partition=topics.partition,
                max_record_bytes=self._settings.max_record_bytes,
                check=Growth(topics, n_tasks_of(topics, opened.n_partitions), opened.changelog).check,
            )

        self.group = Group(self._manifold, opened.store, topics, self._owner, fetch, frames)
        self.group.start()

    async def offsets(self) -> dict[int, dict[int, int]]:
        """Return where the group goes on, by slot and partition; nothing of what it has not committed."""
        opened = self._opened
        if opened is None or not opened.topics.inlets:
            return {}
        with suppress(EngineError):
            return await asyncio.to_thread(_offsets, opened)
        return {}

    def hush(self) -> None:
        """Read no more, and stay in the group."""
        if self.group is not None:
            self.group.fetcher.hush()

    async def release(self) -> None:
        """Read no more; what the jets have is finished and committed, and what waits is left to the group."""
        self.hush()
        if self.group is not None and not self.group.is_over:
            await self._manifold.release(self.group.tasks)

    async def leave(self, *, is_leaving: bool = True) -> None:
        """Leave the group."""
        if self.group is not None and not self.group.is_over:
            await self.group.stop(is_leaving=is_leaving)

    async def close(self) -> None:
        """Let go of everything; commits are kept in the job's own store again."""
        await self.leave()
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(EngineError):  # what is open is taken back by the brokers
                await asyncio.to_thread(opened.store.close)
            self._manifold.use(self._local)
            self._manifold.is_tasked, self._manifold.membership = False, None

    def _open(self, topics: Topics, timeout_s: float | None) -> Opened:
        local = self._local
        if not isinstance(local, SqliteStore):
            raise NotBuilt("A job over Kafka whose own store is no SQLite file")
        names = [*(inlet.topic for inlet in topics.inlets), *topics.written]
        with Brokers(topics.connection, timeout_s) as brokers:
            self._asked = brokers
            check_cluster(topics, brokers, timeout_s)
            n_partitions = {
                name: find_allowed_topic(brokers, name, topics).n_partitions for name in dict.fromkeys(names)
            }
            n_tasks = n_tasks_of(topics, n_partitions)
            refuse_members(topics, brokers)
            asked, topics = topics, with_saved_state(topics, brokers, n_tasks)
        changelog = Changelog(topics.connection, topics.changelog) if topics.has_changelog else None
        if changelog is not None:
            changelog.ensure(n_tasks)
        name = topics.transactional_id(self._instance)
        transaction = Transaction(topics.connection, name, on_step=self._on_step)
        store = KafkaLog(
            local,
            transaction,
            changelog,
            topics={inlet.slot: inlet.topic for inlet in topics.inlets},
            group=topics.group,
            is_bound=topics.is_bound,
            on_step=self._on_step,
        )
        log.info("kafka.opened", transactional_id=name, changelog=changelog.topic if changelog is not None else None)
        return Opened(asked, topics, transaction, store, n_partitions, changelog)


def _offsets(opened: Opened) -> dict[int, dict[int, int]]:
    from confluent_kafka import TopicPartition

    topics = opened.topics
    slots = {inlet.topic: inlet.slot for inlet in topics.inlets}
    numbers = range(n_tasks_of(topics, opened.n_partitions)) if topics.partition is None else [topics.partition]
    places = [TopicPartition(name, number) for name in slots for number in numbers]
    found: dict[int, dict[int, int]] = {slot: {} for slot in slots.values()}
    for place in read_offsets(topics.connection, topics.group, places):
        if place.offset >= 0:
            found[slots[place.topic]][place.partition] = place.offset
    return found


def check_cluster(topics: Topics, brokers: Brokers, timeout_s: float | None) -> None:
    """Raise `SlotsUnfit` where the streams name brokers of two clusters; one cluster may have many addresses."""
    for servers, refusal in topics.elsewhere:
        with Brokers(replace(topics.connection, servers=servers), timeout_s) as others:
            if others.cluster_id() != brokers.cluster_id():
                raise SlotsUnfit(refusal)
