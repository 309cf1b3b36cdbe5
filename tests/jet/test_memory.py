"""What is committed of a script's state, and how it is put back: the worker alone, without a process."""

import pytest

from engine.channel import Kind, load_error, pack_message, unpack_message
from engine.errors import StateCorrupt, StateIncompatible, StateTooLarge, StateUnkept
from engine.jet.answer import FLUSH_BYTES
from engine.state import pack, unpack
from tests.jet.test_worker import Conversation

SUMS = "total, seen = 0, []\ndef action(x):\n    global total\n    total += x\n    seen.append(x)\n    return total\n"


class Keeper(Conversation):
    """A conversation with a script that has begun, and what was committed of its state."""

    def __init__(self, folder, source, entries=(), **options):
        super().__init__(folder, source, **options)
        self.kept = {}
        self.begun = self.ask(pack_message(Kind.BEGIN, 1))
        if entries:
            self.restored = self.restore(entries)

    def restore(self, entries, pieces=1):
        entries = [list(entry) for entry in entries]
        self.kept = {(key, name): value for key, name, value in entries}
        size = -(-len(entries) // pieces)
        got = []
        for start in range(0, len(entries), size):
            is_last, rows = start + size >= len(entries), entries[start : start + size]
            got += self.ask(pack_message(Kind.RESTORE, [is_last, 0, rows]))
        return [(kind, unpack_message(body)) for kind, body in got]

    def commit(self, number=1):
        """Return what changed, by key and name; the figures are in `figures`."""
        self.messages = []
        for kind, body in self.ask(pack_message(Kind.COMMIT, number)):
            assert kind is Kind.CHANGED
            self.messages.append(unpack_message(body))
        assert [message["is_last"] for message in self.messages] == [False] * (len(self.messages) - 1) + [True]
        assert {message["number"] for message in self.messages} == {number}
        self.figures = self.messages[-1]
        changed = {}
        for message in self.messages:
            for _, key, name, value in message["entries"]:
                changed[key, name] = value
        for place, value in changed.items():
            if value is None:
                self.kept.pop(place, None)
            else:
                self.kept[place] = value
        return changed

    @property
    def entries(self):
        return [(key, name, value) for (key, name), value in self.kept.items()]


def values_of(changed):
    return {name: None if value is None else unpack(value) for (_, name), value in changed.items()}


def test_the_first_commit_holds_all_and_the_next_only_what_changed(tmp_path):
    talk = Keeper(tmp_path, SUMS)
    talk.score(1)
    assert values_of(talk.commit(7)) == {"total": 1, "seen": [1]}
    talk.score(0)
    assert values_of(talk.commit(8)) == {"seen": [1, 0]}
    assert talk.commit(9) == {}
    assert (talk.figures["n_keys"], talk.figures["n_live"], talk.figures["failure"]) == (0, 0, None)
    assert talk.figures["size_bytes"] == sum(len(name) + len(value) for _, name, value in talk.entries)


def test_a_script_that_scored_nothing_commits_what_begin_left(tmp_path):
    assert values_of(Keeper(tmp_path, SUMS).commit()) == {"total": 0, "seen": []}


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_was_committed_is_put_back_and_counts_as_committed(tmp_path, pieces):
    first = Keeper(tmp_path, SUMS)
    first.score(1, 2)
    first.commit()
    second = Keeper(tmp_path, SUMS)
    assert second.restore(first.entries, pieces) == [(Kind.RESTORED, {"task": 0, "n_keys": 0})]
    assert second.commit() == {}
    assert second.score(3) == [(1, 6)]
    assert values_of(second.commit()) == {"total": 6, "seen": [1, 2, 3]}


def test_a_name_that_is_new_in_the_script_begins_as_begin_left_it(tmp_path):
    talk = Keeper(tmp_path, SUMS, [(b"", "total", pack(5))])
    assert talk.score(1) == [(1, 6)]
    assert values_of(talk.commit()) == {"total": 6, "seen": [1]}


DELETED = "total = 5\ndef action(x):\n    global total\n    if x:\n        total = x\n    else:\n        del total\n"
DELETED += "    return 'total' in globals()\n"


def test_a_name_that_is_deleted_is_forgotten_and_stays_so_after_a_restart(tmp_path):
    talk = Keeper(tmp_path, f"# engine.state: total\n{DELETED}")
    talk.commit()
    talk.score(0)
    assert values_of(talk.commit()) == {"total": None, "$unbound": ["total"]}
    assert talk.commit() == {}
    again = Keeper(tmp_path, f"# engine.state: total\n{DELETED}", talk.entries)
    assert not hasattr(again.worker._module, "total")
    again.score(7)
    assert values_of(again.commit()) == {"total": 7, "$unbound": None}


GROWS = "box = {}\ndef action(x):\n    box['a'] = VALUE if x else 1\n    return x\n"


def test_a_value_that_can_no_longer_be_kept_is_named_once_and_forgotten(tmp_path):
    talk = Keeper(tmp_path, f"import threading\nVALUE = threading.Lock()\n{GROWS}")
    assert values_of(talk.commit()) == {"box": {}}
    talk.score(1)
    assert values_of(talk.commit()) == {"box": None}
    assert talk.figures["refusals"] == [["box", "box['a']: _thread.lock cannot be kept."]]
    talk.score(0)
    assert talk.commit() == {}
    assert (talk.figures["refusals"], talk.figures["failure"]) == ([], None)


@pytest.mark.parametrize(("value", "error"), [("threading.Lock()", StateUnkept), ("bytes(17 << 20)", StateTooLarge)])
def test_a_declared_value_that_can_no_longer_be_kept_fails_the_commit(tmp_path, value, error):
    talk = Keeper(tmp_path, f"# engine.state: box\nimport threading\nVALUE = {value}\n{GROWS}")
    talk.score(1)
    assert talk.commit() == {}
    assert isinstance(load_error(talk.figures["failure"]), error)


def test_a_value_that_grows_too_large_fails_the_commit_whoever_named_it(tmp_path):
    talk = Keeper(tmp_path, f"VALUE = bytes(17 << 20)\n{GROWS}")
    talk.score(1)
    talk.commit()
    assert isinstance(load_error(talk.figures["failure"]), StateTooLarge)


def test_what_was_refused_after_begin_is_left_out_without_a_word(tmp_path):
    source = "import threading\nlock, n = threading.Lock(), [0]\ndef action(x):\n    lock.acquire()\n    n[0] += x\n"
    talk = Keeper(tmp_path, source)
    assert values_of(talk.commit()) == {"n": [0]}
    assert talk.figures["refusals"] == []


def test_many_bytes_leave_in_several_frames(tmp_path):
    talk = Keeper(
        tmp_path, "a, b, c = [], [], []\ndef action(x):\n    for v in (a, b, c):\n        v.append('x' * x)\n"
    )
    talk.score(FLUSH_BYTES)
    assert [len(value) for value in values_of(talk.commit()).values()] == [1, 1, 1]
    assert len(talk.messages) == 4


@pytest.mark.parametrize(
    ("entry", "error", "sentence"),
    [
        ((b"", "gone", pack(1)), StateIncompatible, "'gone' was stored, and is not in the script's state any more"),
        ((pack("A"), "total", pack(1)), StateIncompatible, "it is of one key, and the script has no engine.key"),
        ((b"", "total", b"\x01?"), StateCorrupt, "The stored value is damaged"),
        ((b"", "total", b"\x63"), StateIncompatible, "version 99 of the format"),
    ],
)
def test_what_does_not_fit_the_script_is_refused_once(tmp_path, entry, error, sentence):
    [(kind, dumped)] = Keeper(tmp_path, SUMS).restore([entry, (b"", "seen", pack([]))], pieces=2)
    assert kind is Kind.FAILED
    assert isinstance(load_error(dumped), error)
    assert sentence in str(load_error(dumped))


MEAN = """
class Mean:
    def __init__(self): self.values = []
    def state(self): return self.values
    def restore(self, values): self.values = values
mean = Mean()
def action(x):
    mean.values.append(x)
    return sum(mean.values) / len(mean.values)
"""


def test_an_instance_comes_back_in_whatever_module_its_class_is_now(tmp_path):
    first = Keeper(tmp_path, MEAN, name="means")
    first.score(1, 3)
    first.commit()
    # The name is taken now, in this very process, by the module of the first.
    second = Keeper(tmp_path, MEAN, first.entries, name="means")
    assert (first.worker._module.__name__, second.worker._module.__name__) == ("means", "model_means")
    assert second.score(5) == [(1, 3.0)]
    assert type(second.worker._module.mean) is second.worker._module.Mean
    second.commit()
    (tmp_path / "other").mkdir()
    third = Keeper(tmp_path, MEAN, second.entries, name="means")
    assert third.score(7) == [(1, 4.0)]


def test_a_class_that_the_script_lost_is_named(tmp_path):
    first = Keeper(tmp_path, MEAN, name="losing")
    first.commit()
    [(kind, dumped)] = Keeper(tmp_path, MEAN.replace("Mean", "Average"), name="losing").restore(first.entries)
    assert kind is Kind.FAILED
    assert str(load_error(dumped)).endswith("losing.Mean is not a class with state() and restore().")
