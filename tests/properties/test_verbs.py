"""Any verbs in any order: those that are refused change nothing, and of what is accepted nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engine.errors import ActionFailed, InvalidTransition, ScriptInvalid, StreamError
from engine.runtime import EngineState
from engine.runtime.states import Event, next_state
from tests.runtime.conftest import REST, Rig, inline, stream

INIT, RUNNING, PAUSED, FINISHED, ERROR = (EngineState[n] for n in ("INIT", "RUNNING", "PAUSED", "FINISHED", "ERROR"))
PATIENCE_S = 10
POISON = -1

SCRIPTS = {
    name: f"# engine.state: none\n{imports}\ndef begin():\n    {begin}\ndef action(x):\n    if x == {POISON}:\n"
    f"        raise ValueError(x)\n    yield [{name!r}, x]\n"
    for name, imports, begin in (
        ("one", "", "pass"),
        ("two", "", "pass"),
        ("import_fails", "raise RuntimeError('at import')", "pass"),
        ("begin_fails", "", "raise RuntimeError('in begin')"),
    )
}
ERRORS = {"import_fails": ScriptInvalid, "begin_fails": ActionFailed}


class Verbs(RuleBasedStateMachine):
    """An engine with REST on slots 0 and 1, beside a small model of what it has to be."""

    is_inline = True

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._before = Path.cwd(), list(sys.path), signal.getsignal(signal.SIGINT)
        self._loop = asyncio.new_event_loop()
        self.rig = Rig(Path(self._folder.name))
        self.models = {name: self.rig.model(source, name) for name, source in SCRIPTS.items()}
        self.engine = self.run(self._make())
        self.n_jets, self.number = 1, 0
        self.forget()

    async def _make(self) -> Any:
        return self.rig.engine(is_inline=self.is_inline, n_restarts=1, restart_backoff_s=0.0)

    def run(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(PATIENCE_S):
                return await work

        return self._loop.run_until_complete(bounded())

    def teardown(self) -> None:
        self.run(self.engine.close())
        self._loop.close()
        self._folder.cleanup()
        folder, path, handler = self._before
        os.chdir(folder)
        sys.path[:] = path
        signal.signal(signal.SIGINT, handler)

    # The model.

    def forget(self) -> None:
        """Be what a new engine is."""
        self.state, self.model, self.is_paused_first = INIT, None, False
        self.attached: set[int] = set()
        self.accepted: list[int] = []
        self.loaded: list[str] = []

    @property
    def is_working(self) -> bool:
        return self.state is RUNNING and self.n_jets > 0

    def start_if_complete(self) -> type[Exception] | None:
        """Start; return what that raises."""
        if self.state is not INIT or self.model is None or self.attached != {0, 1}:
            return None
        if self.n_jets and self.model == "begin_fails":
            self.state = ERROR
            return ActionFailed
        self.state = PAUSED if self.is_paused_first else RUNNING
        return None

    def fails_at_once(self, name: str) -> bool:
        """Return whether a jet of a script fails when it is added: begin() waits for the start."""
        return name == "import_fails" or (name == "begin_fails" and self.state is not INIT)

    def refusal(self, event: Event) -> type[Exception] | None:
        try:
            next_state(self.state, event)
        except InvalidTransition:
            return InvalidTransition
        return None

    # What is compared.

    def look(self) -> Any:
        """Return what a refused verb must not change."""
        info = dataclasses.asdict(self.engine.inspect())
        del info["plan"]  # it counts the jets, and those of an engine in ERROR end by and by
        for jet in info["jets"]:
            del jet["rss_bytes"], jet["n_records"]
            if jet["status"] == "stopped":
                del jet["pid"]  # it ends by and by
        for slot in info["slots"]:
            del slot["n_records"], slot["position"]  # what was accepted before may be scored meanwhile
        return info

    def attempt(self, work: Any, error: type[Exception] | None) -> Any:
        """Run a verb that has to raise, or must not."""
        if error is None:
            return self.run(work)
        before = self.look()
        with pytest.raises(error):
            self.run(work)
        if error is not ActionFailed or self.state is not ERROR:
            after = self.look()
            # What was accepted before may be committed meanwhile.
            assert {**after, "error": None, "fence": None} == {**before, "error": None, "fence": None}
        return None

    def settle(self) -> None:
        if self.is_working and self.attached == {0, 1}:
            self.check(self.run(self.engine.outputs(1, wait_s=PATIENCE_S)), is_all=True)

    def check(self, outputs: Any, *, is_all: bool) -> None:
        values = [json.loads(value) for value in outputs.values]
        numbers = [number for _, number in values]
        assert numbers == self.accepted[: len(numbers)]
        if is_all:
            assert len(numbers) == len(self.accepted)
        assert all(name in self.loaded for name, _ in values)
        order = [self.loaded.index(name) for name, _ in values] if len(set(self.loaded)) == len(self.loaded) else []
        assert order == sorted(order)

    # The verbs.

    @rule(name=st.sampled_from(sorted(SCRIPTS)))
    def load(self, name: str) -> None:
        error = self.refusal(Event.LOAD)
        if error is None and self.n_jets and self.fails_at_once(name):
            error = ERRORS[name]
        if error is None:
            self.model = name
            self.loaded.append(name)
            error = self.start_if_complete()
        self.attempt(self.engine.load(self.models[name]), error)

    @rule()
    def unload(self) -> None:
        error = self.refusal(Event.UNLOAD)
        if error is None:
            self.model = None
        self.attempt(self.engine.unload(), error)

    @rule(slot=st.sampled_from([0, 1]))
    def attach(self, slot: int) -> None:
        self.settle()
        error = self.refusal(Event.ATTACH)
        if error is None:
            if slot == 1 and 1 in self.attached and self.run(self.engine.outputs(1)).values:
                error = StreamError  # they would be dropped
            else:
                self.attached.add(slot)
                error = self.start_if_complete()
        self.attempt(self.engine.attach(slot, stream(REST)), error)

    @rule(slot=st.sampled_from([0, 1]))
    def detach(self, slot: int) -> None:
        error = self.refusal(Event.DETACH) or (None if slot in self.attached else StreamError)
        if error is None:
            self.attached.discard(slot)
            if slot == 0:
                self.accepted.clear()
        self.attempt(self.engine.detach(slot), error)

    @rule()
    def pause(self) -> None:
        error = self.refusal(Event.PAUSE)
        if error is None:
            self.state, self.is_paused_first = next_state(self.state, Event.PAUSE), True
        self.attempt(self.engine.pause(), error)

    @rule()
    def unpause(self) -> None:
        error = self.refusal(Event.UNPAUSE)
        if error is None:
            self.state, self.is_paused_first = next_state(self.state, Event.UNPAUSE), False
        self.attempt(self.engine.unpause(), error)

    @rule(n_jets=st.integers(0, 3))
    def scale(self, n_jets: int) -> None:
        error = self.refusal(Event.SCALE)
        if error is None and n_jets > self.n_jets and self.model is not None and self.fails_at_once(self.model):
            error = ERRORS[self.model]
        self.attempt(self.engine.scale(n_jets), error)
        if error is None:
            self.n_jets = n_jets

    @rule()
    def reset(self) -> None:
        self.run(self.engine.reset())
        self.forget()

    @rule(n=st.integers(1, 5))
    def accept(self, n: int) -> None:
        error = self.refusal(Event.INPUT) or (None if 0 in self.attached else StreamError)
        numbers = list(range(self.number, self.number + n))

        async def put() -> None:
            assert await self.engine.accept(0, [b"%d" % number for number in numbers]) == n

        self.attempt(put(), error)
        if error is None:
            self.accepted += numbers
            self.number += n

    @rule()
    def score(self) -> None:
        error = self.refusal(Event.SCORE)
        if error is None and not self.n_jets:
            return  # it would wait for a jet
        answer = self.attempt(self.engine.score(b"1000"), error)
        if error is None:
            assert [json.loads(value) for value in answer] == [[self.model, 1000]]

    @rule(is_acknowledged=st.booleans())
    def fetch(self, is_acknowledged: bool) -> None:
        if 1 not in self.attached:
            self.attempt(self.engine.outputs(1), StreamError)
            return
        is_all = self.is_working and self.attached == {0, 1}
        outputs = self.run(self.engine.outputs(1, wait_s=PATIENCE_S if is_all else None))
        self.check(outputs, is_all=is_all)
        if is_acknowledged:
            rest = self.run(self.engine.outputs(1, after=outputs.last_seq))
            self.accepted = self.accepted[len(outputs.values) :]
            assert len(rest.values) <= len(self.accepted)

    @precondition(lambda self: self.is_working and self.model not in ERRORS)
    @rule(n=st.integers(0, 3))
    def finish(self, n: int) -> None:
        self.settle()
        numbers = list(range(self.number, self.number + n))
        self.number += n
        self.run(self.engine.attach(0, stream(inline(*numbers))))
        self.run(self.engine.wait(FINISHED, ERROR))
        self.accepted += numbers
        self.state = FINISHED
        self.check(self.run(self.engine.outputs(1)), is_all=True)

    @precondition(lambda self: self.is_working)
    @rule()
    def fail(self) -> None:
        self.settle()
        self.run(self.engine.accept(0, [b"%d" % POISON, b"7"]))
        self.run(self.engine.wait(ERROR))
        self.state = ERROR
        assert "ValueError" in (self.engine.inspect().error or "")
        self.check(self.run(self.engine.outputs(1)), is_all=True)

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        info = self.engine.inspect()
        assert info.state == self.state.value
        assert (info.error is None) == (self.state is not ERROR)
        assert (info.model.name if info.model is not None else None) == self.model
        assert {slot.slot for slot in info.slots if slot.stream is not None} == self.attached
        assert self.engine.n_jets == self.n_jets
        if self.model is not None and self.state in (INIT, RUNNING, PAUSED):
            assert len(info.jets) == self.n_jets
        is_waiting = self.state is INIT
        assert bool(info.waits_for) == is_waiting


class VerbsOnProcesses(Verbs):
    """The same with real jets."""

    is_inline = False


def run_machine(machine: type[Verbs], n_examples: int, n_steps: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # Hypothesis does not annotate it
        machine,
        settings=settings(
            max_examples=n_examples,
            stateful_step_count=n_steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_verbs_in_any_order_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    # Several inline jets would fight over the working directory, which `engine run --inline`, with its one, need not.
    fake_os = types.SimpleNamespace(chdir=lambda _folder: None, getpid=os.getpid, environ={})
    monkeypatch.setattr("engine.runtime.inline.os", fake_os)
    run_machine(Verbs, 200, 30)


@pytest.mark.integration
def test_any_verbs_in_any_order_on_processes() -> None:
    run_machine(VerbsOnProcesses, 10, 20)
