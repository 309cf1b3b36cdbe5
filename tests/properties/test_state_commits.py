"""Whatever a script does, and wherever its process ends: the next one goes on from what was committed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jet import keyed
from tests.jet.test_memory import Keeper
from tests.jet.test_tasks import Tasks

PLAIN = """
# engine.state: a, b, c, new
from collections import deque

class Sum:
    total = 0
    def state(self):
        return self.total
    def restore(self, total):
        self.total = total

a, b, c = 0, deque(maxlen=3), {"sum": Sum()}

def action(r):
    global a, b, new
    match r["do"]:
        case "set":
            a = r["x"]
        case "delete":
            globals().pop("a", None)
        case "append":
            b.append([r["x"]])
        case "nest":
            if b:
                b[-1].append(r["x"])
        case "replace":
            b = deque([[r["x"]]], 3)
        case "add":
            c["sum"].total += r["x"]
        case "new":
            new = (r["x"],)
    return [globals().get("a", "gone"), list(b), c["sum"].total, list(globals().get("new", []))]
"""
KEYED = f"# engine.key: k\n{PLAIN}"

KEYS = ["A", "B", 1, True, None]
LOOKS = [{"k": key, "do": "look", "x": 0} for key in KEYS]
keys = st.sampled_from(KEYS)
doings = st.sampled_from(["set", "delete", "append", "nest", "replace", "add", "new", "look"])
score = st.builds(lambda key, do, x: {"k": key, "do": do, "x": x}, keys, doings, st.integers(0, 2))
steps = st.lists(st.one_of(score, score, score, st.sampled_from(["commit", "crash"])), max_size=40)


def outputs(talk, *records):
    scored = [value for _, value in talk.score(*records)]
    assert talk.failures == []
    return scored


def play(subject, steps, expect):
    """Score, commit and crash; what was not committed is scored once more, as an engine does."""
    talk, pending = subject(()), []
    for step in [*steps, "commit", "crash", *LOOKS]:
        if step == "commit":
            talk.commit()
            assert (talk.figures["failure"], talk.figures["refusals"]) == (None, [])
            pending = []
        elif step == "crash":
            talk = subject(talk.entries)
            assert outputs(talk, *(record for record, _ in pending)) == [expected for _, expected in pending]
        else:
            pending.append((step, expect(step)))
            assert outputs(talk, step) == [pending[-1][1]]


@given(steps)
@settings(max_examples=60, deadline=None)
def test_a_script_that_is_interrupted_gives_what_one_gives_that_is_not(steps):
    with tempfile.TemporaryDirectory() as name:
        steady = Keeper(Path(name), PLAIN)
        play(
            lambda entries: Keeper(Path(name), PLAIN, entries, name="m"),
            steps,
            lambda record: outputs(steady, record)[0],
        )


@pytest.mark.parametrize("max_live", [1, 2, 100])
@given(steps=steps)
@settings(max_examples=40, deadline=None)
def test_a_script_with_keys_gives_for_every_key_what_a_script_of_its_own_gives(max_live, steps):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyed, "MAX_LIVE", max_live)
        steady = {}

        def expect(record):
            key = repr(record["k"])
            if key not in steady:
                steady[key] = Keeper(Path(name), PLAIN, name=f"m{len(steady)}")
            return outputs(steady[key], record)[0]

        play(lambda entries: Keeper(Path(name), KEYED, entries, name="keyed"), steps, expect)


TASKS = [0, 1, 5]
task_steps = st.lists(
    st.one_of(
        *[st.tuples(st.sampled_from(TASKS), score)] * 4,
        st.tuples(st.sampled_from(["commit", "crash"]), st.none()),
        st.tuples(st.sampled_from(["leave", "return"]), st.sampled_from(TASKS)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("source", [PLAIN, KEYED])
@pytest.mark.parametrize("max_live", [1, 100])
@given(steps=task_steps)
@settings(max_examples=40, deadline=None)
def test_a_task_gives_what_an_engine_of_its_own_gives_wherever_it_goes(source, max_live, steps):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyed, "MAX_LIVE", max_live)
        alone = {task: Keeper(Path(name), source, name=f"m{task}") for task in TASKS}
        talk, pending = Tasks(Path(name), source, name="all"), []

        def score_again(works):
            for task, record, expected in works:
                assert talk.scores(record, task=task) == [expected]

        for what, value in [*steps, ("commit", None), ("crash", None), *((task, LOOKS[0]) for task in TASKS)]:
            if what == "commit":
                talk.commit()
                assert (talk.figures["failure"], talk.figures["refusals"]) == (None, [])
                pending = []
            elif what == "crash":
                kept, talk = talk.kept, Tasks(Path(name), source, name="all")
                talk.kept = kept
                for task in TASKS:
                    talk.restore_task(task, talk.rows(task))
                score_again(pending)
            elif what == "leave":  # a commit comes first, and nothing of it is said any more
                talk.commit()
                talk.forget(value)
                assert talk.commit() == {}
                talk.restore_task(value, talk.rows(value))
                pending = []
            elif what == "return":  # what it did since the commit is taken back, beside others that go on
                talk.restore_task(value, talk.rows(value))
                score_again(work for work in pending if work[0] == value)
            else:
                pending.append((what, value, outputs(alone[what], value)[0]))
                score_again(pending[-1:])


class Clock:
    now_s = 1_000_000.0

    def __call__(self):
        return self.now_s


COUNTER = "# engine.key: k\n# engine.key_ttl: 40s\nn = 0\ndef action(r):\n    global n\n    n += 1\n    return n\n"
TTL_S, GRAIN_S = 40, 5


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from("AB"), st.booleans()), max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_key_lives_for_its_time_and_not_for_much_more(steps):
    clock, last, counts = Clock(), {}, {}
    with tempfile.TemporaryDirectory() as name:
        talk = Keeper(Path(name), COUNTER, clock=clock)
        for elapsed_s, key, is_restarted in steps:
            clock.now_s += elapsed_s
            talk.commit()
            if is_restarted:
                talk = Keeper(Path(name), COUNTER, talk.entries, clock=clock)
            [count] = outputs(talk, {"k": key})
            idle_s = clock.now_s - last.get(key, float("-inf"))
            if idle_s <= TTL_S:
                assert count == counts[key] + 1
            elif idle_s > TTL_S + GRAIN_S:
                assert count == 1
            last[key], counts[key] = clock.now_s, count
            talk.commit()
