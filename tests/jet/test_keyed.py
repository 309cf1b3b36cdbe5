"""Every key has its own state: put in place, committed, put back, and forgotten."""

import pytest

from engine.channel import Kind, OutputFrame, load_error, pack_message
from engine.errors import SchemaMismatch, StateIncompatible, StateTooLarge, StateUnkept
from engine.jet import keyed
from engine.state import pack, unpack
from tests.jet.test_memory import Keeper

COUNTER = """
# engine.key: k
last = None
seen = []
def action(r):
    global last
    last = r.get("x")
    seen.append(last)
    return len(seen)
def end():
    return [last, seen]
"""


def records(*keys):
    return [{"k": key, "x": number} for number, key in enumerate(keys)]


def state_of(changed):
    """Return what changed, by key and name, unpacked."""
    return {(unpack(key), name): None if value is None else unpack(value) for (key, name), value in changed.items()}


def failures_of_begin(talk):
    return [str(f.error) for kind, body in talk.begun if kind is Kind.OUTPUT for f in OutputFrame.unpack(body).failures]


def scores(got):
    return [value for _, value in got]


def test_every_key_counts_for_itself(tmp_path):
    talk = Keeper(tmp_path, COUNTER)
    assert scores(talk.score(*records("A", "B", "A", "A", "B"))) == [1, 1, 2, 3, 2]


def test_keys_of_different_types_are_different_keys(tmp_path):
    keys = ["1", 1, True, False, 0, None, "", "True"]
    talk = Keeper(tmp_path, COUNTER)
    assert scores(talk.score(*records(*keys, *keys))) == [1] * len(keys) + [2] * len(keys)
    talk.commit()
    assert talk.figures["n_keys"] == len(keys)


def test_a_key_may_lie_deeper_and_be_another_field_in_another_slot(tmp_path):
    source = COUNTER.replace("key: k", "key.0: trade.symbol\n# engine.key.2: k")
    talk = Keeper(tmp_path, source, slots=(0, 1, 2))
    assert talk.score({"trade": {"symbol": "A"}}) == [(1, 1)]
    assert talk.score({"k": "A"}, slot=2) == [(1, 2)]


@pytest.mark.parametrize(
    ("record", "got"),
    [
        ({}, "nothing"),
        ({"k": 1.5}, "1.5"),
        ({"k": [1]}, "[1] (list)"),
        ({"k": {"a": 1}}, "{'a': 1} (dict)"),
        ("text", "nothing"),
        ([1], "nothing"),
        (None, "nothing"),
    ],
)
def test_a_record_without_a_key_is_rejected_and_touches_no_state(tmp_path, record, got):
    talk = Keeper(tmp_path, COUNTER)
    assert scores(talk.score({"k": "A"}, record, {"k": "A"})) == [1, 2]
    [failure] = talk.failures
    assert (failure.index, failure.stage, type(failure.error)) == (1, "input", SchemaMismatch)
    sentence = "Field 'k': a key (a string, bytes, an integer, a boolean or null) expected, got "
    assert str(failure.error).startswith(sentence + got)


def test_a_key_begins_with_a_copy_of_what_begin_left(tmp_path):
    source = "# engine.key: k\ndef begin():\n    global a\n    a = {'n': [0]}\n"
    source += "def action(r):\n    a['n'][0] += 1\n    return a['n'][0]\ndef end():\n    return a\n"
    talk = Keeper(tmp_path, source)
    assert scores(talk.score(*records("A", "A", "B"))) == [1, 2, 1]
    assert talk.outputs(pack_message(Kind.END, 2)) == [(1, {"n": [0]})]


def test_a_commit_holds_the_keys_that_changed_and_nothing_else(tmp_path):
    talk = Keeper(tmp_path, COUNTER)
    talk.score(*records("A", "B"))
    assert state_of(talk.commit(1)) == {("A", "last"): 0, ("A", "seen"): [0], ("B", "last"): 1, ("B", "seen"): [1]}
    assert (talk.figures["n_keys"], talk.figures["n_live"]) == (2, 2)
    assert talk.commit(2) == {}
    talk.score({"k": "A", "x": 0})
    assert state_of(talk.commit(3)) == {("A", "seen"): [0, 0]}
    assert talk.commit(4) == {}
    assert talk.figures["n_live"] == 1
    assert scores(talk.score(*records("B", "A"))) == [2, 3]
    assert talk.figures["size_bytes"] == sum(
        len(key) + 4 + sum(6 + len(value) for (of, _), value in talk.kept.items() if of == key)
        for key in {key for key, _ in talk.kept}
    )


@pytest.mark.parametrize("pieces", [1, 3])
def test_what_was_committed_of_every_key_is_put_back(tmp_path, pieces):
    first = Keeper(tmp_path, COUNTER)
    first.score(*records("A", "B", "A", None))
    first.commit()
    second = Keeper(tmp_path, COUNTER)
    assert second.restore(first.entries, pieces) == [(Kind.RESTORED, {"task": 0, "n_keys": 3})]
    assert second.commit() == {}
    assert scores(second.score(*records("A", "B", None, "C"))) == [3, 2, 2, 1]
    assert {key for key, _ in state_of(second.commit())} == {"A", "B", None, "C"}


def test_a_name_that_is_new_in_the_script_begins_for_every_key_as_begin_left_it(tmp_path):
    talk = Keeper(tmp_path, COUNTER, [(pack("A"), "last", pack(5))])
    assert scores(talk.score({"k": "A", "x": 1})) == [1]


def test_a_deleted_name_stays_deleted_for_its_key_alone(tmp_path):
    source = "# engine.key: k\n# engine.state: n\nn = 1\ndef action(r):\n    global n\n    had = 'n' in globals()\n"
    source += "    if r['x']:\n        del n\n    return had\n"
    first = Keeper(tmp_path, source)
    assert scores(first.score(*records("B", "A"), {"k": "A", "x": 0})) == [True, True, False]
    assert state_of(first.commit()) == {("B", "n"): 1, ("A", "$unbound"): ["n"]}
    again = Keeper(tmp_path, source, first.entries)
    assert scores(again.score({"k": "A", "x": 0}, {"k": "B", "x": 0})) == [False, True]


def test_keys_that_give_way_within_an_interval_are_committed_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(keyed, "MAX_LIVE", 2)
    talk = Keeper(tmp_path, COUNTER)
    assert scores(talk.score(*records("A", "B", "C", "A", "D", "A"))) == [1, 1, 1, 2, 1, 3]
    talk.commit()
    assert {key: value for (key, name), value in state_of(talk.kept).items() if name == "seen"} == {
        "A": [0, 3, 5],
        "B": [1],
        "C": [2],
        "D": [4],
    }
    assert (talk.figures["n_keys"], talk.figures["n_live"]) == (4, 2)
    assert talk.commit() == {}
    entries = [(key, name) for message in talk.messages for _, key, name, _ in message["entries"]]
    assert len(entries) == len(set(entries))


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        ("threading.Lock()", StateUnkept, "box['a']: _thread.lock cannot be kept (key 'A')."),
        ("bytes(17 << 20)", StateTooLarge, "box of key 'A': it takes at least 17.0 MiB"),
    ],
)
@pytest.mark.parametrize("max_live", [10, 1])
def test_a_value_that_cannot_be_kept_fails_the_commit_and_names_the_key(
    tmp_path, monkeypatch, value, error, sentence, max_live
):
    monkeypatch.setattr(keyed, "MAX_LIVE", max_live)
    source = "# engine.key: k\nimport threading\nbox = {}\ndef action(r):\n    if r['k'] == 'A':\n"
    source += f"        box['a'] = {value}\n"
    talk = Keeper(tmp_path, source)
    talk.score(*records("A", "B", "C"))
    talk.commit()
    failure = load_error(talk.figures["failure"])
    assert isinstance(failure, error)
    assert str(failure).startswith(sentence)


def test_state_that_cannot_be_read_rejects_its_records_and_fails_the_commit(tmp_path):
    entries = [(pack(key), "seen", value) for key, value in [("A", pack([])), ("B", b"\x01?")]]
    talk = Keeper(tmp_path, COUNTER, entries)
    assert scores(talk.score(*records("B", "A"))) == [1]
    [failure] = talk.failures
    assert str(failure.error).startswith("The state of key 'B' cannot be read. The stored value is damaged")
    talk.commit()
    assert "damaged" in str(load_error(talk.figures["failure"]))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ((b"", "seen", pack([])), "it was stored by a script without engine.key, and this one has a key"),
        ((pack("A"), "gone", pack(1)), "'gone' was stored, and is not in the script's state any more"),
        ((pack("A"), "seen", b"\x63"), "version 99"),
        ((b"\x63", "seen", pack([])), "version 99"),
    ],
)
def test_what_does_not_fit_a_script_with_keys_is_refused(tmp_path, entry, sentence):
    [(kind, dumped)] = Keeper(tmp_path, COUNTER).restore([entry])
    assert (kind, type(load_error(dumped))) == (Kind.FAILED, StateIncompatible)
    assert sentence in str(load_error(dumped))


def test_a_name_that_cannot_be_kept_fails_begin_and_the_fix_is_named(tmp_path):
    source = "# engine.key: k\nimport threading\nlock = threading.Lock()\ndef action(r):\n    lock.acquire()\n"
    [sentence] = failures_of_begin(Keeper(tmp_path, source))
    assert sentence == (
        "begin() failed: lock: _thread.lock cannot be kept. Every key has its own state, and it must be kept."
        ' Say "# engine.shared: lock" if action() only reads it.'
    )


TABLE = "# engine.key: k\ntable, n = list(range(40_000)), [0]\ndef action(r):\n    table.append(r)\n    n.append(r)\n"


def test_a_large_value_that_nobody_declared_fails_begin_and_the_fix_is_named(tmp_path):
    [sentence] = failures_of_begin(Keeper(tmp_path, TABLE))
    assert sentence.startswith("begin() failed: table takes ")
    assert sentence.endswith(
        'would have a copy. Say "# engine.shared: table" if action() only reads it, or "# engine.state: n, table" if'
        " every key shall have its own."
    )


@pytest.mark.parametrize("line", ["shared: table", "state: table, n"])
def test_a_large_value_that_is_declared_is_taken(tmp_path, line):
    assert failures_of_begin(Keeper(tmp_path, f"# engine.{line}\n{TABLE}")) == []


class Clock:
    now_s = 1_000_000.0

    def __call__(self):
        return self.now_s


TTL = f"# engine.key_ttl: 80s\n{COUNTER}"


def test_a_key_that_is_not_used_is_forgotten_after_its_time_and_an_eighth(tmp_path):
    clock = Clock()
    talk = Keeper(tmp_path, TTL, clock=clock)
    talk.score(*records("A", "B"))
    assert state_of(talk.commit())["A", "$used"] == 1_000_000
    clock.now_s += 60
    talk.score(*records("A"))
    assert state_of(talk.commit()) == {("A", "seen"): [0, 0], ("A", "$used"): 1_000_060}
    clock.now_s += 29
    assert talk.commit() == {}
    clock.now_s += 1  # 90 s after B was used
    assert state_of(talk.commit()) == {("B", "last"): None, ("B", "seen"): None, ("B", "$used"): None}
    assert talk.figures["n_keys"] == 1
    assert scores(talk.score(*records("B", "A"))) == [1, 3]
    assert {key for key, _ in talk.kept} == {pack("A")}


def test_a_key_in_use_writes_its_time_once_in_an_eighth(tmp_path):
    clock = Clock()
    talk = Keeper(tmp_path, TTL.replace("seen.append(last)", "seen.append(0); seen.clear()"), clock=clock)
    written = []
    for _ in range(40):
        talk.score(*records("A"))
        written.append(len(talk.commit()))
        clock.now_s += 1
    assert written == [3, *[0] * 9, 1, *[0] * 9, 1, *[0] * 9, 1, *[0] * 9]


def test_the_time_of_last_use_survives_a_restart(tmp_path):
    clock = Clock()
    first = Keeper(tmp_path, TTL, clock=clock)
    first.score(*records("B"))
    first.commit()
    clock.now_s += 40
    first.score(*records("A"))
    first.commit()
    second = Keeper(tmp_path, TTL, first.entries, clock=clock)
    clock.now_s += 50
    assert {key for key, _ in state_of(second.commit())} == {"B"}
    clock.now_s += 40
    assert {key for key, _ in state_of(second.commit())} == {"A"}
    assert second.entries == []
    assert (second.figures["n_keys"], second.figures["size_bytes"]) == (0, 0)


def test_keys_from_before_there_was_a_lifetime_live_for_one_from_then_on(tmp_path):
    first = Keeper(tmp_path, COUNTER)
    first.score(*records("A", "B"))
    first.commit()
    clock = Clock()
    second = Keeper(tmp_path, TTL, first.entries, clock=clock)
    clock.now_s += 80
    assert second.commit() == {}
    clock.now_s += 10
    second.commit()
    assert second.figures["n_keys"] == 0


def test_a_key_used_while_there_was_no_lifetime_is_not_forgotten_for_its_old_time(tmp_path):
    clock = Clock()
    first = Keeper(tmp_path, TTL, clock=clock)
    first.score(*records("A"))
    first.commit()
    clock.now_s += 10_000
    second = Keeper(tmp_path, COUNTER, first.entries, clock=clock)
    second.score(*records("A"))
    assert state_of(second.commit())["A", "$used"] is None
    third = Keeper(tmp_path, TTL, second.entries, clock=clock)
    assert scores(third.score(*records("A"))) == [3]


def test_many_keys_are_forgotten_over_several_commits(tmp_path, monkeypatch):
    monkeypatch.setattr(keyed, "MAX_FORGOTTEN", 3)
    clock = Clock()
    talk = Keeper(tmp_path, TTL, clock=clock)
    talk.score(*records(*range(8)))
    talk.commit()
    clock.now_s += 90
    left = []
    for _ in range(4):
        talk.commit()
        left.append(talk.figures["n_keys"])
    assert left == [5, 2, 0, 0]
    assert talk.entries == []


def test_a_clock_that_goes_back_forgets_nothing_early(tmp_path):
    clock = Clock()
    talk = Keeper(tmp_path, TTL, clock=clock)
    talk.score(*records("A"))
    talk.commit()
    clock.now_s -= 500
    talk.score(*records("B"))
    assert state_of(talk.commit())["B", "$used"] == 1_000_000
    clock.now_s += 589
    assert talk.commit() == {}
