"""Any sequence of writes and reopenings leaves in the store what it leaves in a few dicts."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.record import Oversized
from engine.state.commits import Answer, Commit, Entry, Fence, InputFence, OutputFence, Reject
from engine.state.sqlite import Peek, SqliteStore

NOW_S = 1e9
ATTACHMENTS = (1, 2, 300)  # each one an input and an output

values = st.binary(max_size=3) | st.builds(bytes, st.sampled_from([500, 5000]))
records = st.lists(values | st.builds(Oversized, values, st.integers(0, 1 << 40)), max_size=4)
entries = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["script", "cells", "pools/\ud800"]),
        st.sampled_from([b"", b"a", b"ab", b"b"]),
        st.sampled_from(["", "n", "bn"]),
        st.none() | values,
    ),
    max_size=12,
)
answers = st.builds(Answer, st.sampled_from(["", "k", "\udc80"]), values, values, st.just(NOW_S))


class Stores(RuleBasedStateMachine):
    """A store, and what should be in it."""

    @initialize()
    def make(self) -> None:
        memory = Path("/dev/shm")
        self.temporary = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.folder = Path(self.temporary.name)
        self.store = SqliteStore(self.folder, clock=lambda: NOW_S)
        self.rejects: list[Reject] = []
        self.last_reject = 0
        self.forget()

    def forget(self) -> None:
        self.fence: Fence | None = None
        self.job: object = None
        self.state: dict[tuple[str, bytes, str], bytes] = {}
        self.journal: dict[int, list[bytes]] = {number: [] for number in ATTACHMENTS}
        self.pending: dict[int, bytes] = {}
        self.positions = dict.fromkeys(ATTACHMENTS, 0)
        self.outputs: dict[int, list[bytes]] = {number: [] for number in ATTACHMENTS}
        self.taken = dict.fromkeys(ATTACHMENTS, 0)
        self.answers: dict[str, Answer] = {}

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.folder, clock=lambda: NOW_S)

    @rule(job=st.none() | st.dictionaries(st.integers(-5, 5) | st.text(), st.lists(st.binary() | st.floats(0, 1))))
    def set_job(self, job: object) -> None:
        self.store.set_job(job).result()
        self.job = job

    @rule(
        attachment=st.sampled_from(ATTACHMENTS),
        requests=st.lists(
            st.tuples(records, values, st.lists(answers, max_size=2), st.booleans()), min_size=1, max_size=3
        ),
    )
    def append(self, attachment: int, requests: list[tuple[list[bytes], bytes, list[Answer], bool]]) -> None:
        futures = [
            self.store.append(attachment, values, pending=pending, answers=given, is_synced=is_synced)
            for values, pending, given, is_synced in requests
        ]
        for (values, pending, given, _), future in zip(requests, futures, strict=True):
            self.journal[attachment] += values
            self.pending[attachment] = pending
            self.answers |= {answer.key: answer for answer in given}
            assert future.result() == len(self.journal[attachment])

    @rule(
        entries=entries,
        outputs=st.dictionaries(st.sampled_from(ATTACHMENTS), records),
        scored=st.dictionaries(st.sampled_from(ATTACHMENTS), st.integers(0, 5)),
        n_rejects=st.integers(0, 3),
        replayed=st.sets(st.integers(0, 10)),
        answer=st.none() | answers,
        is_anew=st.booleans(),
        is_synced=st.booleans(),
    )
    def commit(
        self,
        entries: list[Entry],
        outputs: dict[int, list[bytes]],
        scored: dict[int, int],
        n_rejects: int,
        replayed: set[int],
        answer: Answer | None,
        is_anew: bool,
        is_synced: bool,
    ) -> None:
        for number, n_scored in scored.items():
            self.positions[number] = min(self.positions[number] + n_scored, len(self.journal[number]))
        for number, values in outputs.items():
            self.outputs[number] += values
        self.fence = Fence(
            self.fence.number + 1 if self.fence is not None else 1,
            "model",
            "digest",
            {0: "key"},
            {number: InputFence(0, self.positions[number]) for number in ATTACHMENTS},
            {number: OutputFence(1, 0, len(self.outputs[number]), "\udcff") for number in ATTACHMENTS},
        )
        rejects = [Reject(0.5, 0, n, n, "input", "E", "\ud800", "", b"v") for n in range(n_rejects)]
        given = [answer] if answer is not None else []
        commit = Commit(self.fence, entries, outputs, rejects, sorted(replayed), given, is_synced, is_anew)
        self.store.commit(commit).result()
        if is_anew:
            self.state.clear()
        for scope, key, name, value, *_ in entries:
            self.state.pop((scope, key, name), None)
            if value is not None:
                self.state[scope, key, name] = value
        self.rejects = [reject for reject in self.rejects if reject.number not in replayed]
        self.rejects += [replace(reject, number=self.last_reject + n) for n, reject in enumerate(rejects, 1)]
        self.last_reject += n_rejects
        if answer is not None:
            self.answers[answer.key] = answer

    @precondition(lambda self: self.fence is not None)
    @rule(attachment=st.sampled_from(ATTACHMENTS), through=st.integers(0, 20))
    def acknowledge(self, attachment: int, through: int) -> None:
        self.store.acknowledge(attachment, through)
        self.taken[attachment] = max(self.taken[attachment], min(through, len(self.outputs[attachment])))

    @rule(numbers=st.none() | st.sets(st.integers(0, 10)))
    def drop_rejects(self, numbers: set[int] | None) -> None:
        self.store.drop_rejects(None if numbers is None else sorted(numbers)).result()
        self.rejects = [one for one in self.rejects if numbers is not None and one.number not in numbers]

    @rule()
    def clear(self) -> None:
        self.store.clear().result()
        self.forget()

    @invariant()
    def the_store_holds_what_the_dicts_hold(self) -> None:
        store = self.store
        assert (store.fence, store.job, store.rejects()) == (self.fence, self.job, self.rejects)
        assert {tuple(one[:3]): one.value for scope in store.scopes() for one in store.entries(scope)} == self.state
        assert store.scopes() == sorted(
            {scope for scope, _, _ in self.state}, key=lambda scope: scope.encode(errors="surrogatepass")
        )
        for number in ATTACHMENTS:
            inputs, outputs = store.inputs(number), store.outputs(number)
            assert (inputs.first_seq, inputs.pending) == (self.positions[number] + 1, self.pending.get(number, b""))
            assert are_same(inputs.values, self.journal[number][self.positions[number] :])
            assert outputs.first_seq == self.taken[number] + 1
            assert are_same(outputs.values, self.outputs[number][self.taken[number] :])
            assert (outputs.ends[-1] if outputs.ends else self.taken[number]) == len(self.outputs[number])
        assert {key: store.answer_of(key) for key in ("", "k", "\udc80")} == {
            key: self.answers.get(key) for key in ("", "k", "\udc80")
        }

    @invariant()
    def another_process_sees_it_too(self) -> None:
        with Peek(self.folder) as peek:
            assert (peek.fence, peek.job, peek.rejects()) == (self.fence, self.job, self.rejects)
            assert len([one for scope in peek.scopes() for one in peek.entries(scope)]) == len(self.state)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.temporary.cleanup()


def are_same(found: list[bytes], expected: list[bytes]) -> bool:
    """Whether records are equal, and those that are oversized are so on both sides."""
    sizes = [[getattr(value, "size_bytes", None) for value in values] for values in (found, expected)]
    return found == expected and sizes[0] == sizes[1]


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
