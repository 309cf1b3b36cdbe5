"""Every task has its own state: put in place, committed, put back while others work, and dropped."""

import pytest

from engine.channel import Kind, load_error, pack_message, unpack_message
from engine.errors import StateIncompatible, StateUnkept
from engine.jet import keyed
from engine.state import pack, unpack
from tests.jet.test_memory import Keeper

TOTAL = """
total, seen = 0, []
def begin():
    global total
    total = 100
def action(x):
    global total
    total += x
    seen.append(x)
    return [total, len(seen)]
def end():
    return ["end", total, seen]
"""

COUNTER = """
# engine.key: k
seen = []
def action(r):
    seen.append(r["k"])
    return len(seen)
def end():
    return ["end", seen]
"""


class Tasks(Keeper):
    """A conversation about several tasks; what is kept is by task, key and name."""

    def __init__(self, folder, source, **options):
        super().__init__(folder, source, is_tasked=True, **options)

    def commit(self, number=1):
        """Return what changed, by task, key and name, unpacked."""
        self.messages = [unpack_message(body) for _, body in self.ask(pack_message(Kind.COMMIT, number))]
        self.figures = self.messages[-1]
        entries = [entry for message in self.messages for entry in message["entries"]]
        changed = {(task, key, name): value for task, key, name, value in entries}
        assert len(changed) == len(entries)
        self.kept = {place: value for place, value in (self.kept | changed).items() if value is not None}
        return {
            (task, unpack(key) if key else None, name): None if value is None else unpack(value)
            for (task, key, name), value in changed.items()
        }

    def rows(self, task):
        return [[key, name, value] for (of, key, name), value in self.kept.items() if of == task]

    def restore_task(self, task, rows, *, is_last=True):
        frame = pack_message(Kind.RESTORE, [is_last, task, rows])
        return [(kind, unpack_message(body)) for kind, body in self.ask(frame)]

    def forget(self, *tasks):
        assert self.ask(pack_message(Kind.FORGET, list(tasks))) == []

    def scores(self, *values, task):
        return [value for _, value in self.score(*values, task=task)]


def keyed_records(*keys):
    return [{"k": key} for key in keys]


def test_every_task_has_a_copy_of_what_begin_left(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    assert talk.scores(1, task=0) == [[101, 1]]
    assert talk.scores(5, 5, task=3) == [[105, 1], [110, 2]]
    assert talk.scores(1, task=0) == [[102, 2]]
    assert talk.scores(1, task=7) == [[101, 1]]


def test_one_key_is_another_one_in_another_task(tmp_path):
    talk = Tasks(tmp_path, COUNTER)
    assert talk.scores(*keyed_records("A", "B", "A"), task=0) == [1, 1, 2]
    assert talk.scores(*keyed_records("A", "A"), task=1) == [1, 2]
    assert talk.scores(*keyed_records("A"), task=0) == [3]
    talk.commit()
    assert (talk.figures["n_keys"], talk.figures["n_live"]) == (3, 3)


def test_a_commit_holds_by_task_what_has_changed_and_nothing_of_tasks_without_records(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    assert talk.commit() == {}
    talk.score(1, task=0)
    talk.score(2, task=1)
    assert talk.commit() == {
        (0, None, "total"): 101,
        (0, None, "seen"): [1],
        (1, None, "total"): 102,
        (1, None, "seen"): [2],
    }
    talk.score(0, task=1)
    assert talk.commit() == {(1, None, "seen"): [2, 0]}
    assert talk.commit() == {}
    assert talk.figures["size_bytes"] == sum(len(name) + len(value) for (_, _, name), value in talk.kept.items())


def test_a_commit_holds_by_task_the_keys_that_have_changed(tmp_path):
    talk = Tasks(tmp_path, COUNTER)
    talk.score(*keyed_records("A"), task=0)
    talk.score(*keyed_records("A", "B"), task=1)
    assert talk.commit() == {(0, "A", "seen"): ["A"], (1, "A", "seen"): ["A"], (1, "B", "seen"): ["B"]}
    talk.score(*keyed_records("A"), task=1)
    assert talk.commit() == {(1, "A", "seen"): ["A", "A"]}
    sizes = {(task, key): len(key) + 4 for task, key, _ in talk.kept}
    assert talk.figures["size_bytes"] == sum(sizes.values()) + sum(6 + len(value) for value in talk.kept.values())


@pytest.mark.parametrize("source", [TOTAL, COUNTER])
def test_a_task_is_put_back_between_the_batches_of_another(tmp_path, source):
    values = keyed_records("A", "A") if source is COUNTER else (1, 1)
    first = Tasks(tmp_path, source)
    first.score(*values, task=4)
    first.commit()
    expected = first.scores(*values, task=4)
    again = Tasks(tmp_path, source)
    again.score(*values, task=0)
    rows = first.rows(4)
    assert again.restore_task(4, rows[:1], is_last=False) == []
    assert again.scores(*values, task=0) == expected
    n_keys = 1 if source is COUNTER else 0
    assert again.restore_task(4, rows[1:]) == [(Kind.RESTORED, {"task": 4, "n_keys": n_keys})]
    assert {task for task, _, _ in again.commit()} == {0}
    assert again.scores(*values, task=4) == expected
    assert {task for task, _, _ in again.commit()} == {4}


@pytest.mark.parametrize("source", [TOTAL, COUNTER])
def test_what_is_put_back_takes_the_place_of_what_the_task_had(tmp_path, source):
    values = keyed_records("A") if source is COUNTER else (1,)
    talk = Tasks(tmp_path, source)
    before = talk.scores(*values, task=0)
    assert talk.scores(*values, task=0) != before
    assert talk.restore_task(0, []) == [(Kind.RESTORED, {"task": 0, "n_keys": 0})]
    assert talk.scores(*values, task=0) == before


@pytest.mark.parametrize("source", [TOTAL, COUNTER])
def test_tasks_that_are_forgotten_are_not_committed_and_begin_anew(tmp_path, source):
    values = keyed_records("A") if source is COUNTER else (1,)
    talk = Tasks(tmp_path, source)
    first = talk.scores(*values, task=1)
    talk.score(*values, task=0)
    talk.score(*values, task=2)
    talk.forget(2, 0, 9)
    assert {task for task, _, _ in talk.commit()} == {1}
    assert talk.scores(*values, task=2) == first
    assert talk.scores(*values, task=0) == first
    assert talk.scores(*values, task=1) != first


def test_a_task_may_be_forgotten_while_it_is_put_back(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    talk.restore_task(1, [[b"", "total", pack(5)]], is_last=False)
    talk.forget(1)
    assert talk.restore_task(1, [[b"", "seen", pack([7])]]) == [(Kind.RESTORED, {"task": 1, "n_keys": 0})]
    assert talk.scores(1, task=1) == [[101, 2]]


def test_what_does_not_fit_is_said_once_and_other_tasks_can_be_put_back(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    [(kind, dumped)] = talk.restore_task(1, [[b"", "gone", pack(1)]], is_last=False)
    assert (kind, type(load_error(dumped))) == (Kind.FAILED, StateIncompatible)
    assert talk.restore_task(1, [[b"", "gone", pack(1)]]) == []
    talk.restore_task(1, [[b"", "gone", pack(1)]], is_last=False)
    talk.forget(1)
    assert talk.restore_task(1, [[b"", "total", pack(1)]]) == [(Kind.RESTORED, {"task": 1, "n_keys": 0})]
    assert talk.restore_task(2, [[b"", "total", pack(1)]]) == [(Kind.RESTORED, {"task": 2, "n_keys": 0})]
    assert talk.scores(1, task=2) == [[2, 1]]


SHARED = """
import threading
lock, n = threading.Lock(), [0]
def action(x):
    lock.locked()
    n[0] += x
    return [n[0], id(lock)]
"""


def test_what_cannot_be_kept_is_there_once_for_all_tasks(tmp_path):
    talk = Tasks(tmp_path, SHARED)
    [[one, lock]], [[other, same_lock]] = talk.scores(1, task=0), talk.scores(1, task=1)
    assert (one, other, lock) == (1, 1, same_lock)
    assert talk.commit() == {(0, None, "n"): [1], (1, None, "n"): [1]}
    assert talk.figures["refusals"] == []


def test_stored_state_of_a_name_that_can_no_longer_be_copied_is_refused(tmp_path):
    [(kind, dumped)] = Tasks(tmp_path, SHARED).restore_task(0, [[b"", "lock", pack(1)]])
    assert kind is Kind.FAILED
    assert "'lock' was stored, and what begin() leaves there now cannot be kept" in str(load_error(dumped))


GROWS = "import threading\nbox = {}\ndef action(x):\n    box['a'] = threading.Lock() if x else 1\n    return 1\n"


def test_a_value_that_can_no_longer_be_kept_is_named_once_and_forgotten_in_every_task(tmp_path):
    talk = Tasks(tmp_path, GROWS)
    for task in (0, 1):
        talk.score(0, task=task)
    talk.commit()
    talk.score(1, task=0)
    assert talk.commit() == {(0, None, "box"): None, (1, None, "box"): None}
    assert talk.figures["refusals"] == [["box", "box['a']: _thread.lock cannot be kept."]]
    talk.score(1, task=1)
    assert (talk.commit(), talk.figures["refusals"]) == ({}, [])


def test_a_declared_value_that_can_no_longer_be_kept_in_one_task_fails_the_commit(tmp_path):
    talk = Tasks(tmp_path, f"# engine.state: box\n{GROWS}")
    talk.score(0, task=0)
    talk.score(1, task=1)
    assert talk.commit() == {(0, None, "box"): {"a": 1}}
    assert isinstance(load_error(talk.figures["failure"]), StateUnkept)


DELETED = """
# engine.state: n
n = 1
def action(x):
    global n
    had = "n" in globals()
    if x:
        n = x
    else:
        globals().pop("n", None)
    return had
"""


def test_a_deleted_name_stays_deleted_in_its_task_alone(tmp_path):
    first = Tasks(tmp_path, DELETED)
    assert first.scores(0, 0, task=0) == [True, False]
    assert first.scores(5, task=1) == [True]
    assert first.commit() == {(0, None, "$unbound"): ["n"], (1, None, "n"): 5}
    again = Tasks(tmp_path, DELETED)
    for task in (0, 1):
        again.restore_task(task, first.rows(task))
    assert (again.scores(0, task=0), again.scores(5, task=1), again.scores(7, task=0)) == ([False], [True], [False])
    assert again.commit() == {(0, None, "n"): 7, (0, None, "$unbound"): None}


def test_end_is_called_once_for_every_task_and_sees_its_state(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    talk.score(1, 2, task=2)
    talk.score(5, task=0)
    assert talk.outputs(pack_message(Kind.END, 9)) == [(1, ["end", 105, [5]]), (1, ["end", 103, [1, 2]])]


def test_end_is_called_once_where_nothing_differs_between_tasks(tmp_path):
    talk = Tasks(tmp_path, "def action(x):\n    return x\ndef end():\n    return 'end'\n")
    for task in (0, 1):
        talk.score(1, task=task)
    assert talk.outputs(pack_message(Kind.END, 9)) == [(1, "end")]


def test_end_sees_what_begin_left_where_there_is_no_task_and_where_there_are_keys(tmp_path):
    talk = Tasks(tmp_path, TOTAL)
    talk.score(1, task=0)
    talk.forget(0)
    assert talk.outputs(pack_message(Kind.END, 9)) == [(1, ["end", 100, []])]
    talk = Tasks(tmp_path, COUNTER)
    talk.score(*keyed_records("A"), task=1)
    assert talk.outputs(pack_message(Kind.END, 9)) == [(1, ["end", []])]


def test_keys_of_all_tasks_share_the_room_for_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(keyed, "MAX_LIVE", 2)
    talk = Tasks(tmp_path, COUNTER)
    for _ in range(2):
        for task in range(4):
            talk.score(*keyed_records("A", "B"), task=task)
    assert talk.commit() == {(task, key, "seen"): [key, key] for task in range(4) for key in "AB"}
    assert (talk.figures["n_keys"], talk.figures["n_live"]) == (8, 2)
    talk.forget(3)
    talk.commit()
    assert (talk.figures["n_keys"], talk.figures["n_live"]) == (6, 0)


def test_a_key_in_two_tasks_is_warned_about_once(tmp_path):
    talk = Tasks(tmp_path, COUNTER)
    talk.score(*keyed_records("A", "B"), task=0)
    talk.score(*keyed_records("C"), task=1)
    talk.commit()
    assert talk.figures["warnings"] == []
    talk.score(*keyed_records("D", "B", "A"), task=1)
    talk.commit()
    [[event, fields]] = talk.figures["warnings"]
    assert (event, fields["key"], fields["partitions"]) == ("key.split", "'B'", [0, 1])
    talk.score(*keyed_records("A"), task=2)
    talk.commit()
    assert talk.figures["warnings"] == []


def test_a_key_that_is_put_back_in_one_task_and_comes_in_another_is_warned_about(tmp_path):
    first = Tasks(tmp_path, COUNTER)
    first.score(*keyed_records("A"), task=0)
    first.commit()
    talk = Tasks(tmp_path, COUNTER)
    talk.restore_task(0, first.rows(0))
    talk.score(*keyed_records("A"), task=0)
    talk.commit()
    assert talk.figures["warnings"] == []
    talk.score(*keyed_records("A"), task=1)
    talk.commit()
    assert [fields["key"] for _, fields in talk.figures["warnings"]] == ["'A'"]


def test_a_lifetime_ends_in_every_task_by_itself(tmp_path):
    now_s = 1_000_000.0
    talk = Tasks(tmp_path, f"# engine.key_ttl: 80s\n{COUNTER}", clock=lambda: now_s)
    talk.score(*keyed_records("A"), task=0)
    talk.score(*keyed_records("A"), task=1)
    talk.commit()
    now_s += 60
    talk.score(*keyed_records("A"), task=1)
    talk.commit()
    now_s += 30
    assert talk.commit() == {(0, "A", "seen"): None, (0, "A", "$used"): None}
    assert talk.scores(*keyed_records("A"), task=1) == [3]


def test_without_tasks_all_is_task_0_and_the_variables_stay_the_objects_that_they_are(tmp_path):
    talk = Keeper(tmp_path, TOTAL)
    begun = talk.worker._module.seen
    talk.score(1)
    assert talk.worker._module.seen is begun
    talk.commit()
    assert {task for message in talk.messages for task, *_ in message["entries"]} == {0}
