"""A real engine in the test's own process, its jets real processes, streams as a test wants them."""

import asyncio
import json
from pathlib import Path

import pytest

from engine.registry import from_path
from engine.runtime import Engine, EngineState
from engine.schema import parse_schema
from engine.settings import Settings
from engine.streams import parse_descriptor, resolve_stream

SCRIPTS = Path(__file__).parents[1] / "model_scripts"
SCHEMAS = {name: parse_schema(f'"{name}"', name) for name in ("double", "string", "long")}
END = (EngineState.FINISHED, EngineState.ERROR)


def stream(descriptor, name="test"):
    """Return a stream of a descriptor."""
    return resolve_stream(name, parse_descriptor(descriptor), SCHEMAS.__getitem__)


REST = {"Transport": "REST", "Encoding": "json"}
DISCARD = {"Transport": "discard", "Encoding": "json"}


def inline(*records):
    """Return the descriptor of a stream that holds these records."""
    data = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return {"Transport": {"Type": "inline", "Data": data}, "Encoding": "json"}


class Rig:
    """Makes models and engines in a folder, and closes what it made."""

    def __init__(self, folder):
        self.folder, self.engines, self.rejects = folder, [], []

    def model(self, source, name="model", **options):
        path = self.folder / f"{name}.py"
        path.write_text(source)
        return from_path(path, schemas=SCHEMAS, **options)

    def sample(self, name):
        """Return one of the misbehaving scripts."""
        return from_path(SCRIPTS / f"{name}.py", schemas=SCHEMAS)

    def engine(self, *, is_inline=False, on_console=None, store=None, job="", is_resuming=False, **settings):
        settings = {"state_dir": self.folder / "state", "cache_dir": self.folder / "cache"} | settings
        engine = Engine(
            Settings(**settings),
            store=store,
            job=job,
            is_resuming=is_resuming,
            is_inline=is_inline,
            on_console=on_console,
        )
        self.engines.append(engine)
        return engine

    async def run(self, model, *records, outputs=(1,), slot=0, **options):
        """Return the engine after it has scored the records, and what came out, by slot; `rejects` has its log."""
        engine = self.engine(**options)
        await engine.attach(slot, stream(inline(*records)))
        for number in outputs:
            path = str(self.folder / f"out-{number}")
            await engine.attach(number, stream({"Transport": {"Type": "file", "Path": path}, "Encoding": "json"}))
        await engine.load(model)
        await asyncio.wait_for(engine.wait(*END), 60)
        self.rejects = engine.rejected()
        await engine.close()
        return engine, {n: list(map(json.loads, (self.folder / f"out-{n}").read_text().splitlines())) for n in outputs}

    async def rest(self, model, **options):
        """Return a RUNNING engine with REST streams on slots 0 and 1."""
        engine = self.engine(**options)
        await engine.attach(0, stream(REST, "in"))
        await engine.attach(1, stream(REST, "out"))
        await engine.load(model)
        return engine


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.fixture
def within(rig):
    """Run a coroutine function of a test to its end, and close every engine that it made."""

    def run(test):
        async def whole():
            try:
                await asyncio.wait_for(test(), 90)
            finally:
                for engine in rig.engines:
                    await engine.close()

        asyncio.run(whole())

    return run
