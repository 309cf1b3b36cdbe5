"""Batches of predictions out of records that know nothing of each other.

Each record's action runs in a greenlet of its own. Where it calls a batched function or a predictor, it is parked and
the next record begins; when there are none, or a batch is full, the calls of one kind are made as one, and the parked
actions go on, in the order of their records.

What comes out is what would have come out one by one. Outputs leave in the order of the records. Each record sees the
variables of its key as the records before it have left them: see `engine.jet.chain` for those that begin before
the ones before them are done, and are done again where that was too early.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from engine.channel import Cell, Phase
from engine.errors import ActionFailed, DataError, StateError
from engine.jet.action import Action
from engine.jet.answer import FLUSH_BYTES, Answer
from engine.jet.apart import Apart, Made
from engine.jet.calls import Group, Raised, answers_to, count_waiting
from engine.jet.chain import Chain
from engine.jet.hook import Run
from engine.jet.memory import Memory, Resolve
from engine.jet.turn import Turn
from engine.sdk import batching
from engine.sdk.batching import MAX_SIZE, Call
from engine.state import copied, rough_size_bytes

N_BATCHES = 3
"""How many full batches may have begun and not left, beside those that are computed."""

MAX_BYTES = 1 << 26
"""How much copies of variables, and outputs that wait for records before theirs, may take, nearly: 64 MiB."""


class Batcher:
    """Scores batches whose records may wait for predictions.

    Parameters
    ----------
    memory : Memory
        The script's state.
    cell : Cell
        Where the record in work is noted.
    turn : Turn
        Looks up what the script asks about the record in work.
    resolve : callable
        Finds the classes of instances among the variables.
    explain : callable
        Makes of what the script raised on a record the error that says so.
    is_keyed : bool
        Whether the script has keys.
    """

    def __init__(
        self,
        memory: Memory,
        cell: Cell,
        turn: Turn,
        resolve: Resolve,
        explain: Callable[[Answer, int, BaseException], ActionFailed],
        *,
        is_keyed: bool,
    ) -> None:
        self._memory, self._cell, self._turn, self._resolve = memory, cell, turn, resolve
        self._explain, self._is_keyed = explain, is_keyed
        self.is_within = True
        """Whether a record may begin before the one before of its key is done."""
        self._hub, self._loop = getcurrent(), _event_loop()
        self._runs: deque[Run] = deque()
        self._window: deque[Action] = deque()
        self._chains: dict[tuple[int, object], Chain] = {}
        self._ready: deque[Action] = deque()
        self._groups: dict[Any, Group] = {}
        self._apart = Apart(cell)
        self._idle: list[greenlet] = []
        """Greenlets that wait for another action."""
        self._running: Action | None = None
        self._seen: Action | None = None
        """Whose variables the script would see."""
        self._noted: Action | None = None
        """Which record is noted as the one in work."""
        self._due: Group | None = None
        self._is_halted = self._is_undoable = self._is_discarding = False
        self._n_most, self._held_bytes = N_BATCHES * MAX_SIZE, 0
        self._more: Callable[[float], list[Run]] = lambda _wait_s: []

    @property
    def is_useful(self) -> bool:
        """Whether anything can wait for anything."""
        return self.is_within or self._is_keyed

    def try_copies(self) -> None:
        """Find out whether a record can have copies of the variables as they are now."""
        self._copies()
        self._memory.settle()
        if (names := self._memory.entangled()) is not None:
            self._say_off(f"{names[0]} and {names[1]} hold a part in common, which copies would not.")

    @property
    def is_patient(self) -> bool:
        """Whether a batched function of the script waits for more records than there are."""
        return any(function.max_wait_ms for function in batching.defined)

    def score(self, runs: Iterable[Run], more: Callable[[float], list[Run]], *, is_undoable: bool) -> bool:
        """Score batches, and those that come meanwhile; return whether a record has stopped the jet.

        Parameters
        ----------
        runs : iterable of Run
            The batches.
        more : callable
            Takes for how many seconds it may wait, and returns the batches that have come.
        is_undoable : bool
            Whether a record may stop the jet, so that what was done behind it has to be undone.
        """
        self._hub, self._loop, self._more, self._is_undoable = getcurrent(), _event_loop(), more, is_undoable
        self._runs.extend(runs)
        self._is_halted = False
        copies_bytes = 2 * rough_size_bytes(self._memory.take())
        n_wanted = max(
            [(N_BATCHES + batching.max_lanes()) * MAX_SIZE, *(function.max_size for function in batching.defined)]
        )
        self._n_most = max(1, min(n_wanted, MAX_BYTES // (copies_bytes + 1)))
        while self._step():
            if self._window and self._window[0].is_settled:
                self._deliver()
        self._running = self._seen = self._noted = None
        self._memory.settle()
        self._cell.leave()  # not after an error, which ends the jet: the cell tells in the middle of what
        self._turn.end()
        return self._is_halted

    def is_open(self) -> bool:
        """Tell whether the action in work may wait: not in a thread, or an event loop, of its own."""
        self._check_wanted()
        return self._current() is not None and _event_loop() is self._loop

    def take(self, call: Call) -> Any:
        """Have the action in work wait until its call is answered together with others; return the answer."""
        action = self._running
        assert action is not None  # noqa: S101 - it is open
        action.call = call
        group = self._groups.get(call.group)
        if group is None:
            group = self._groups[call.group] = Group()
        group.add(action)
        if self._is_due(group):
            self._due = group
        return self._hub.switch()

    def await_turn(self) -> None:
        """Return when all records before the one in work stand: what it does then is never done again."""
        self._check_wanted()
        action = self._current()
        if action is not None and self._window[0] is not action:
            action.is_turn_awaited = True
            self._hub.switch()

    def _check_wanted(self) -> None:
        """End an action again that is discarded, and goes on in spite of it."""
        if self._is_discarding:
            raise GreenletExit

    def _current(self) -> Action | None:
        action = self._running
        return action if action is not None and getcurrent() is action.greenlet else None

    def _step(self) -> bool:
        """Do the next thing; return False when there is none."""
        if self._window and self._window[0].is_turn_awaited:
            self._window[0].is_turn_awaited = False
            self._go_on(self._window[0])
        elif self._ready:
            self._begin(self._ready.popleft())
        elif (made := self._apart.take()) is not None:
            self._go_on_with(made)
        elif (due := self._due) is not None and (not due.n_lanes or self._apart.has_room(due.n_lanes)):
            self._due = None
            if self._is_due(due):  # otherwise some of it have begun anew meanwhile
                self._answer(due)
        elif self._has_room and (action := self._next()) is not None:
            self._window.append(action)
            self._admit(action)
        elif (made := self._apart.take(is_awaited=True)) is not None:
            self._go_on_with(made)
        elif self._groups:
            self._answer(min(self._groups.values(), key=lambda group: group.deadline_s))
        else:
            return False
        return True

    @property
    def _has_room(self) -> bool:
        """Whether one more record may begin."""
        return not self._window or (len(self._window) < self._n_most and self._held_bytes < MAX_BYTES)

    def _next(self) -> Action | None:
        """Return the next record, of those that are there."""
        while True:
            while self._runs:
                run = self._runs[0]
                if run.n_started < len(run.frame.values):
                    if not self._window:
                        run.answer.start()
                    run.n_started += 1
                    return Action(run, run.n_started - 1)
                self._runs.popleft()
            deadline_s = min((group.deadline_s for group in self._groups.values()), default=0.0)
            runs = self._more(max(0.0, deadline_s - time.perf_counter()) if deadline_s else 0.0)
            if not runs:
                return None
            self._runs.extend(run for run in runs if run.frame.is_synchronous or not self._is_halted)

    def _admit(self, action: Action) -> None:
        """Decode a record, and have it begin, or wait for those before it of its key."""
        run, index = action.run, action.index
        self._note(action)
        try:
            action.value = run.hook.decode(run.frame.values[index])
            action.key = run.hook.key_of(action.value) if run.hook.key_of is not None else None
        except DataError as exc:
            action.fail("input", exc)
            action.is_done = action.is_settled = True
            return
        key = action.key
        place = run.frame.task, ((key,) if key is True or key is False else key)  # True is 1 to a dictionary
        chain = self._chains.get(place)
        if chain is None:
            chain = self._chains[place] = Chain(place)
        action.chain = chain
        if chain.is_open(is_within=self.is_within):
            self._begin(action)
        else:
            chain.waiting.append(action)

    def _begin(self, action: Action) -> None:
        chain = action.chain_of()
        if action.is_stale:
            action.value = action.run.hook.decode(action.run.frame.values[action.index])
        try:
            chain.join(action, self._resolve, is_undoable=self._is_undoable)
        except StateError as exc:
            self._say_off(f"a record cannot have variables of its own. {exc}")
            chain.waiting.appendleft(action)
            return
        # One performs many actions: to make a greenlet takes longer than to switch to it.
        action.greenlet = self._idle.pop() if self._idle else greenlet(self._perform)
        action.greenlet.gr_context = copy_context()  # what a record sets, such as a precision, is not the next one's
        self._go_on(action, action)

    def _perform(self, action: Action) -> None:
        this = getcurrent()
        while True:
            action.perform(self._explain)
            self._idle.append(this)
            action = self._hub.switch()

    def _note(self, action: Action) -> None:
        """Note which record is in work."""
        if action is self._noted:
            return
        self._noted = action
        words, frame = self._cell.words, action.run.frame
        words[Cell.PHASE] = Phase.IDLE
        words[Cell.BATCH], words[Cell.SLOT], words[Cell.FIRST_SEQ] = frame.batch, frame.slot, frame.first_seq
        words[Cell.INDEX] = action.index
        words[Cell.PHASE] = Phase.ACTION
        self._turn.begin(frame)

    def _see(self, action: Action) -> None:
        """Have the script see the variables of a record; raises `DataError` where those of its key cannot be read."""
        memory = self._memory
        memory.enter(action.run.frame.task)
        action.is_new |= memory.turn_to(action.key)
        if action.values is not None:
            memory.put(action.values)
        self._seen = action

    def _go_on(self, action: Action, *given: Any) -> None:
        """Run a record's action until it waits for something or is done."""
        thread = action.thread()
        self._note(action)
        try:
            self._see(action)
        except DataError as exc:
            action.fail("input", exc)
            action.is_done = True
        else:
            if self._is_undoable and action.before is None:
                action.before = self._copies()
            self._running = action
            try:
                if given and isinstance(given[0], Raised):
                    thread.throw(given[0].error)
                else:
                    thread.switch(*given)
            finally:
                self._running = None
            action.values = self._memory.take()
            self._hold(action)
        chain = action.chain_of()
        if action.left is not None and not chain.has_kept(action):
            place = f"record {action.run.frame.first_seq + action.index} of slot {action.run.frame.slot}"
            self._say_off(f"{place} has changed variables after a prediction, which the next one had read.")
            self._redo(chain, action)
        if action.is_done:
            self._settle(chain)

    def _hold(self, action: Action) -> None:
        """Count anew what a record holds."""
        held_bytes = action.size_bytes
        if action.call is not None:
            for array in action.call.inputs:
                held_bytes += array.nbytes
        self._held_bytes += held_bytes - action.held_bytes
        action.held_bytes = held_bytes

    def _copies(self) -> list[Any] | None:
        """Return copies of the variables that are seen now; None if they can have none."""
        try:
            return copied(self._memory.take(), self._resolve)
        except StateError as exc:
            self._say_off(f"a record cannot have variables of its own. {exc}")
            return None

    def _is_due(self, group: Group) -> bool:
        """Tell whether nothing is to be gained by waiting for more calls of a group."""
        return group.is_full or self._apart.is_idle(group.n_lanes)

    def _answer(self, group: Group) -> None:
        """Make the calls of a group as one, and let the actions go on; or have them made meanwhile."""
        is_apart = self._apart.has_room(group.n_lanes)
        actions = group.take()
        if not group.actions:
            del self._groups[actions[0].call_of().group]
        elif self._is_due(group):
            self._due = group
        calls = [action.call_of() for action in actions]
        count_waiting(calls)
        if is_apart:
            self._apart.put(actions, calls)
            return
        self._note(actions[0])
        if len(actions) > 1:
            self._cell.words[Cell.CALLS] += 1
            self._cell.words[Cell.PHASE] = Phase.BATCHED
            self._noted = None
        self._go_on_with(Made(actions, calls, answers_to(calls)))

    def _go_on_with(self, made: Made) -> None:
        """Let actions go on whose calls are answered."""
        for action, call, answer in zip(*made, strict=True):
            if action.call is call:  # otherwise it has begun anew meanwhile
                action.call = None
                self._go_on(action, answer)

    def _redo(self, chain: Chain, action: Action) -> None:
        """Have all records of a chain behind one begin anew."""
        later = chain.cut(action)
        for one in reversed(later):
            self._discard(one)
        chain.waiting.extendleft(reversed(later))
        action.left = None

    def _discard(self, action: Action) -> None:
        """Undo what a record did, but to the variables."""
        if action.call is not None and (group := self._groups.get(action.call.group)) is not None:
            group.remove(action)
            if not group.actions:
                del self._groups[action.call.group]
        thread = action.greenlet
        if thread is not None:
            self._see(action)
            self._is_discarding = True
            for _ in range(3):  # a script may catch even this, and go on
                thread.throw(GreenletExit)
                if action.is_done:
                    break
            self._is_discarding = False
        action.clear()
        self._hold(action)
        action.is_stale = True

    def _settle(self, chain: Chain) -> None:
        last = chain.settle()
        if chain.actions:
            return
        if last is not None and last is not self._seen and last.values is not None:
            self._see(last)
        if chain.waiting:
            self._ready.append(chain.waiting.popleft())
        else:
            del self._chains[chain.place]

    def _deliver(self) -> None:
        """Let the outputs of the oldest records go, as far as they stand."""
        window = self._window
        while window and window[0].is_settled:
            action = window.popleft()
            run, n_done = action.run, action.index + 1
            self._held_bytes -= action.held_bytes
            action.deliver()
            if action.has_failed and run.is_halting:
                self._halt(action)
            elif n_done == len(run.frame.values):
                run.answer.finish(n_done)
                if window:
                    window[0].run.answer.start()
            elif run.answer.size_bytes > FLUSH_BYTES:
                run.answer.send_part(n_done)

    def _halt(self, action: Action) -> None:
        """Stop at a record: undo those behind it; only those that somebody waits for are scored, from the beginning."""
        action.run.answer.finish(action.index, is_halted=True)
        self._is_halted = True
        later, runs = list(self._window), dict.fromkeys(one.run for one in self._window)
        firsts: dict[Chain, Action] = {}
        for one in later:
            if one.chain is not None and one.before is not None:
                firsts.setdefault(one.chain, one)
        undone = {chain.place: (first, first.before) for chain, first in reversed(firsts.items())}
        for one in reversed(later):
            self._discard(one)
        for first, before in undone.values():
            first.values = list(before or ())
            self._see(first)
            first.clear()
            if first.is_new:
                self._memory.drop()
        self._window.clear()
        self._ready.clear()
        self._chains.clear()
        self._runs = deque(run for run in (*runs, *self._runs) if run.frame.is_synchronous)
        for run in self._runs:
            run.n_started = 0

    def _say_off(self, reason: str) -> None:
        """Say once that records of one key are scored one by one from here on."""
        if self.is_within:
            self.is_within = False
            scope = "Records of one key are" if self._is_keyed else "Records are"
            print(f"{scope} not batched from here on: {reason}", file=sys.stderr)  # noqa: T201 - the jet's console


def _event_loop() -> object:
    """Return the event loop in the middle of which this is called, if any."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio.get_running_loop() if asyncio is not None else None
    except RuntimeError:
        return None
