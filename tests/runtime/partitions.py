"""Partitioned inputs, and a store that commits and aborts as a test wants: what Kafka is to an engine, without one."""

import asyncio
import json
import threading
from collections import defaultdict
from concurrent.futures import Future

from engine.errors import CommitAborted
from engine.record import Batch, Label, Labels
from engine.runtime.lanes import Lane
from engine.runtime.outlet import Outlet
from engine.state.commits import SCRIPT, Entry, InputFence, OutputFence
from engine.state.sqlite import SqliteStore
from tests.runtime.conftest import DISCARD, REST, stream


class Log:
    """A commit log that is kept in memory, and the transaction in which topics are written.

    `aborts` holds what the next commits are to meet: an error, or None for none of them. `gate` lets commits through.
    """

    def __init__(self):
        self.local = SqliteStore(None)
        self.fence = None
        self.state, self.offsets, self.answers = {}, {}, {}
        self.commits, self.topics = [], defaultdict(list)
        self.aborts, self.n_aborted = [], 0
        self.open = defaultdict(list)
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_waiting = False

    def __getattr__(self, name):
        return getattr(self.local, name)

    def entries(self, scope=SCRIPT, task=0):
        found = [Entry(*place[:1], *place[2:], value, task) for place, value in self.state.items() if place[1] == task]
        return iter([entry for entry in found if entry.scope == scope])

    def scopes(self):
        return sorted({place[0] for place in self.state})

    def commit(self, commit):
        done = Future()
        done.set_running_or_notify_cancel()
        asyncio.get_running_loop().create_task(self._commit(commit, done))
        return done

    async def _commit(self, commit, done):
        self.is_waiting = True
        await self.gate.wait()
        self.is_waiting = False
        error = self.aborts.pop(0) if self.aborts else None
        if error is not None:
            self.n_aborted += 1
            self.abort()
            done.set_exception(error)
            return
        assert self.fence is None or commit.fence.number == self.fence.number + 1
        self.commits.append(commit)
        # What is behind the fence is the group's: where tasks stand that this engine has not is kept.
        self.offsets |= commit.fence.tasks
        self.answers |= {answer.key: answer for answer in commit.answers}
        self.fence = commit.fence
        for entry in commit.entries:
            place = entry.scope, entry.task, entry.key, entry.name
            self.state.pop(place, None)
            if entry.value is not None:
                self.state[place] = entry.value
        for topic, records in self.open.items():
            self.topics[topic] += records
        self.open.clear()
        done.set_result(None)

    def abort(self):
        self.open.clear()

    def answer_of(self, key):
        return self.answers.get(key)

    def position(self, task, slot=0):
        """Return where a task stands."""
        fence = self.offsets.get(task)
        return fence.inputs[slot] if fence is not None else InputFence(slot)

    def close(self):
        self.local.close()


class Topic:
    """A sink that writes into the transaction; `aborts` holds what the next writes are to meet, `gate` lets them go."""

    wants_labels, identity = True, ""

    def __init__(self, log, name="out"):
        self._log, self._name, self.aborts = log, name, []
        self.gate, self.is_waiting = threading.Event(), False
        self.gate.set()

    def write(self, values, labels=None):
        self.is_waiting = True
        self.gate.wait(30)
        self.is_waiting = False
        if error := self.aborts.pop(0) if self.aborts else None:
            self._log.n_aborted += 1
            self._log.abort()
            raise error
        assert len(values) == len(labels)
        self._log.open[self._name] += zip(values, labels, strict=True)

    def flush(self):
        return 0

    def cut(self, position):
        assert position == 0
        self._log.abort()

    def close(self):
        pass


class Partitions:
    """Feeds the partitions of an input to an engine, as many batches ahead as are allowed.

    Parameters
    ----------
    engine : Engine
        Whose manifold takes them.
    records : list of list of bytes
        By task.
    """

    def __init__(self, engine, log, records, batch=7):
        self.manifold, self.log, self.records, self.batch = engine.manifold, log, records, batch
        self.lanes, self.read, self.credit = {}, {}, {}
        self.stream = stream({"Transport": "REST", "Encoding": "json"}, "topic")
        self.lost, self.rejects = [], None
        self.manifold.on_lost = self.on_lost

    async def take(self, tasks):
        """Become the owner of tasks: their state is restored, and their records flow."""
        for task in tasks:
            await self.manifold.restore(task, self.log.entries(SCRIPT, task))
            fence = self.log.position(task)
            lane = Lane(2, task, fence, self.stream, self.rejects, self.on_more)
            self.lanes[task], self.read[task], self.credit[task] = lane, fence.position, 2
            self.manifold.add_lanes([lane])
        for task in tasks:
            self.feed(task)

    async def release(self, tasks):
        await self.manifold.release(tasks)
        self.forget(tasks)

    async def drop(self, tasks):
        self.forget(tasks)
        await self.manifold.drop(tasks)

    def forget(self, tasks):
        for task in tasks:
            self.lanes.pop(task, None)

    def on_lost(self, tasks):
        self.lost.append(tasks)
        self.forget(tasks)

    def on_more(self, lane):
        if self.lanes.get(lane.task) is lane:
            self.credit[lane.task] += 1
            asyncio.get_running_loop().call_soon(self.feed, lane.task)

    def feed(self, task):
        while task in self.lanes and self.credit[task] and self.read[task] < len(self.records[task]):
            start = self.read[task]
            values = self.records[task][start : start + self.batch]
            self.read[task] += len(values)
            self.credit[task] -= 1
            labels = [Label(b"key-%d" % (start + i), 1000 + start + i) for i in range(len(values))]
            batch = Batch(values, range(start + 1, start + len(values) + 1), Labels.of(labels))
            self.manifold.membership = object()
            self.manifold.on_batch(self.lanes[task], batch)

    def is_through(self, tasks):
        """Whether everything of the tasks is committed."""
        return all(self.log.position(task).position == len(self.records[task]) for task in tasks)


async def begin(rig, source, records, *, name="model", n_jets=1, file=None, inputs=(0,), **settings):
    """Return a RUNNING engine that has partitions on slot 0 and a topic on slot 1, its partitions, log and topic."""
    log = Log()
    engine = rig.engine(n_jets=n_jets, restart_backoff_s=0.0, **settings)
    engine.manifold.use(log)
    engine.manifold.is_tasked = True
    for slot in inputs:
        await engine.attach(slot, stream(REST, "in"))
    await engine.attach(1, stream(DISCARD, "out"))
    topic = Topic(log)
    engine.manifold.outlets[1] = outlet = Outlet(9, stream(DISCARD, "out"), topic, OutputFence(1), engine.manifold)
    outlet.start()
    if file is not None:
        await engine.attach(3, stream({"Transport": {"Type": "file", "Path": str(file)}, "Encoding": "json"}))
    await engine.load(rig.model(source, name))
    return engine, Partitions(engine, log, records), log, topic


async def until(condition, seconds=30.0):
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def values(log, topic="out"):
    """Return what was committed to a topic, by task."""
    by_task = defaultdict(list)
    for value, label in log.topics[topic]:
        by_task[label.task].append(json.loads(value))
    return dict(by_task)


LOST = CommitAborted("the group took us for gone", is_lost=True)
TRIED = CommitAborted("the broker said so")
