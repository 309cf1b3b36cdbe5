"""An engine that stops waits for no broker, and one that starts reads no topic on its event loop."""

import asyncio
import threading

from engine.kafka.log import KafkaLog
from engine.runtime.outlet import Outlet
from engine.runtime.starting import begin
from engine.state import pack
from engine.state.commits import Entry, Fence, OutputFence
from tests.runtime.conftest import DISCARD, REST, stream

SOURCE = "def action(x):\n    yield x\n"


class Transactional:
    """A sink that waits for its transaction, as one does of which the broker is away."""

    wants_labels, identity = False, ""

    def __init__(self):
        self.is_waiting, self.closed = threading.Event(), threading.Event()

    def write(self, values, labels=None):
        """Take everything."""

    def flush(self):
        return 0

    def cut(self, position):
        self.is_waiting.set()
        assert self.closed.wait(30)

    def close(self):
        """Leave the transaction as it is."""


def test_the_transaction_is_closed_before_the_outlets_that_wait_for_it(rig, within, monkeypatch):
    async def test():
        engine, sink = await rig.rest(rig.model(SOURCE)), Transactional()
        engine.manifold.outlets[1] = outlet = Outlet(9, stream(DISCARD, "out"), sink, OutputFence(1), engine.manifold)
        outlet.start()
        cutting = asyncio.create_task(outlet.cut())
        await asyncio.to_thread(sink.is_waiting.wait)

        async def close():
            sink.closed.set()

        monkeypatch.setattr(engine.link, "close", close)
        await asyncio.wait_for(engine.close(is_at_once=True), 20)
        await cutting

    within(test)


def test_cells_are_read_from_a_topic_beside_the_event_loop(rig, within):
    read_by = []

    class Store(KafkaLog):
        """One whose topic holds a cell."""

        fence = Fence(1, "model", "")

        def __init__(self, local):
            self._local = local

        def scopes(self):
            return ["script", "hits"]

        def entries(self, scope="script", task=0):
            def read():
                read_by.append((scope, threading.current_thread()))
                yield Entry(scope, b"", "hits", pack(7))

            return read()

    async def test():
        engine = rig.engine()
        await engine.attach(0, stream(REST, "in"))
        await engine.load(rig.model(SOURCE))
        local = engine.manifold.store
        engine.manifold.use(Store(local))
        engine.manifold.is_tasked = True
        try:
            await begin(engine.manifold, engine._berths, engine._record, engine.link, engine.manifold.crew)
        finally:
            engine.manifold.use(local)
            engine.manifold.is_tasked = False
        [(scope, thread)] = read_by
        assert scope == "hits"
        assert thread is not threading.main_thread()
        assert len(engine.manifold.cells) == 1

    within(test)
