"""One record whose action is under way, among others."""

from __future__ import annotations

from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, greenlet

from engine.errors import ActionFailed, DataError, EngineError
from engine.jet.answer import MAX_OUTPUT_BYTES, OUTPUT_OVERHEAD_BYTES, Answer, Output, size_of_label
from engine.jet.hook import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.jet.chain import Chain
    from engine.jet.keys import Key
    from engine.sdk.batching import Call


class Action:
    """One record: where its action is, what it has given, and what it sees of the script's variables.

    Parameters
    ----------
    run : Run
        The batch that it is of.
    index : int
        Which of its records it is.
    """

    __slots__ = (
        "before",
        "call",
        "chain",
        "failures",
        "greenlet",
        "held_bytes",
        "index",
        "is_done",
        "is_new",
        "is_settled",
        "is_stale",
        "is_turn_awaited",
        "key",
        "left",
        "outputs",
        "run",
        "size_bytes",
        "value",
        "values",
    )

    def __init__(self, run: Run, index: int) -> None:
        self.run, self.index = run, index
        self.held_bytes = 0
        """What is counted of its outputs, and of what it waits with."""
        self.value: Any = None
        self.key: Key = None
        self.chain: Chain | None = None
        self.is_stale = False
        """Whether it has begun before: then its value is decoded anew."""
        self.is_new = False
        """Whether it is the first of its key, of which nothing was known."""
        self.is_settled = False
        """Whether what it gave stands: it is done, and so are those before it of its key."""
        self.clear()

    def clear(self) -> None:
        """Be as if it had not begun."""
        self.greenlet: greenlet | None = None
        self.call: Call | None = None
        self.outputs: list[Output] = []
        self.failures: list[tuple[str, EngineError]] = []
        self.size_bytes = 0
        self.values: list[Any] | None = None
        self.left: Sequence[Any] | None = None
        """What it had left of the variables when the next one of its key began."""
        self.before: Sequence[Any] | None = None
        """What it found; kept where it may have to be undone."""
        self.is_done = self.is_turn_awaited = False

    def thread(self) -> greenlet:
        """Return the greenlet in which it is."""
        assert self.greenlet is not None  # noqa: S101
        return self.greenlet

    def chain_of(self) -> Chain:
        """Return the chain of an action that was admitted."""
        assert self.chain is not None  # noqa: S101
        return self.chain

    def call_of(self) -> Call:
        """Return the call that an action waits for."""
        assert self.call is not None  # noqa: S101
        return self.call

    @property
    def has_failed(self) -> bool:
        """Whether the script has raised."""
        return bool(self.failures) and self.failures[-1][0] == "action"

    def perform(self, explain: Callable[[Answer, int, BaseException], ActionFailed]) -> None:
        """Call the function, and take what it gives; runs in a greenlet."""
        run = self.run
        try:
            result = run.hook.call(self.value, run.frame.slot, run.frame.first_seq + self.index)
            if type(result) is GeneratorType:
                for item in result:
                    self.put(item)
            elif result is not None:
                self.put(result)
        except GreenletExit:
            pass
        except KeyboardInterrupt:  # Ctrl-C, when the script runs inline
            raise
        except BaseException as exc:  # noqa: BLE001 -- the script may raise anything
            self.fail("action", explain(run.answer, self.index, exc))
        self.is_done = True
        self.greenlet = None

    def put(self, item: Any) -> None:
        """Take an output, as `Answer.put` does."""
        answer = self.run.answer
        try:
            output = answer.coded(self.index, item)
        except DataError as exc:
            self.failures.append(("output", exc))
            return
        self.outputs.append(output)
        self.size_bytes += len(output[1]) + OUTPUT_OVERHEAD_BYTES + (size_of_label(output[2]) if output[2] else 0)
        if self.size_bytes > MAX_OUTPUT_BYTES:
            raise answer.too_much(self.index)

    def fail(self, stage: str, error: EngineError) -> None:
        """Note why it failed: it gives nothing."""
        self.outputs.clear()
        self.failures.append((stage, error))

    def deliver(self) -> None:
        """Have the answer to its batch hold what it gave."""
        answer, index = self.run.answer, self.index
        for stage, error in self.failures:
            answer.fail(index, stage, error)  # type: ignore[arg-type]
        for output in self.outputs:
            answer.keep(index, *output)
