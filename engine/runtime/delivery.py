"""What becomes of works that jets are through with: into the ledger, to who waits, or the end of the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgpack

from engine import metrics
from engine.channel import dump_error
from engine.runtime.cut import Cut
from engine.runtime.doom import Doom
from engine.runtime.interval import Yield
from engine.runtime.jets import Jet
from engine.runtime.rejects import LatestRejects
from engine.runtime.work import Work, refuse
from engine.state.commits import Answer

if TYPE_CHECKING:
    from engine.runtime.manifold import Manifold


class Delivery:
    """Takes works in the order in which they were given to jets.

    Parameters
    ----------
    manifold : Manifold
        Whose.
    rejects : LatestRejects
        Takes note of records that were not scored.
    """

    def __init__(self, manifold: Manifold, rejects: LatestRejects) -> None:
        self._manifold, self._rejects = manifold, rejects
        self._line, self._ledger = manifold.line, manifold.ledger
        self.replaying: set[int] = set()
        """Numbers in the reject log that are being scored again."""

    def deliver(self) -> None:
        """Take everything that is done, up to the first that is not."""
        while (item := self._line.head) is not None:
            if isinstance(item, Cut):
                self._line.pop()
                self._ledger.reach(item)
                continue
            if not item.is_done:
                break
            if self._manifold.tasks.is_void(item):
                self._pass_over(item)
            elif item.fatal is not None:
                self._meet_doom(item)
            else:
                self._line.pop()
                self._settle(item)
        self._manifold.bell.ring()
        if self._line.waiting:
            self._manifold.pump()
        self._manifold.consider()
        if self._line.is_still:
            self._manifold.check_end()

    def _pass_over(self, work: Work) -> None:
        """Let go of a work that was dropped while a jet had it; if the jet has stopped for it, renew the jet."""
        self._line.pop()
        if work.is_halted:
            self._manifold.rewind.do_again(self._keeper_of(work))

    def _keeper_of(self, work: Work) -> Jet | None:
        return self._manifold.crew.keeper_of(work.task) if self._manifold.crew is not None else None

    def _settle(self, work: Work) -> None:
        if work.answer_key is not None and work.answer is None:
            key, digest = work.answer_key
            content = dump_error(work.failures[0].error) if work.failures else work.replies
            work.answer = Answer(key, digest, msgpack.packb(content), time.time())
            self._manifold.answers[key] = work.answer
        if work.caller is not None and not work.caller.done():
            n_failed = len({failure.index for failure in work.failures}) if work.failures else 0
            metrics.count_records(work.slot, "scored", len(work.values) - n_failed)
            if n_failed:
                metrics.count_records(work.slot, "rejected", n_failed)
        if work.answer is None:
            work.reply()
        self._ledger.add(work)

    def _meet_doom(self, work: Work) -> None:
        """Stop for a record: what is in front of it is committed, as if there were nothing behind it."""
        if self._manifold.keepers and work.is_halted:
            if work.n_kept or not self._ledger.is_empty:
                # The state is that of behind the record by now: what is not committed is scored again, up to it.
                self._manifold.rewind.do_again(self._keeper_of(work))
                return
            if (cut := self._ledger.drop_cut()) is not None:
                self._line.sent.remove(cut)
        self._line.pop()
        self._manifold.doom = Doom(work, behind := self._line.clear(), self._model)
        refuse(behind, self._manifold.doom.error)
        if work.n_kept or not self._ledger.is_empty:
            self._ledger.add(work)
        self.end_if_doomed()

    @property
    def _model(self) -> str:
        return self._manifold.crew.model.script.name if self._manifold.crew is not None else ""

    def end_if_doomed(self) -> None:
        """Stop for the record that was met, if what is in front of it is committed."""
        if self._manifold.doom is not None and self._ledger.is_clear:
            error = self._manifold.doom.error
            self._manifold.abandon(error)
            self._manifold.on_broken(error)

    def tell(self, found: Yield) -> None:
        """Tell everybody what is kept."""
        for slot, values in found.outputs.items():
            metrics.count_records(slot, "written", len(values))
        for intake, progress in found.inputs.items():
            for outcome in ("scored", "rejected", "skipped"):
                metrics.count_records(intake.slot, outcome, getattr(progress, f"n_{outcome}"))
        for _, reject, _ in found.rejects:
            self._rejects.note(reject)
        for answer in found.answers:
            self._manifold.answers.pop(answer.key, None)
        for work in found.callers:
            work.reply()
        self.replaying.difference_update(found.replayed)
