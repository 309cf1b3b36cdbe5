from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.cli.collect import collect
from engine.client.verbs import Outputs


class Engine:
    """Gives the answers that it was made with; the last one for ever."""

    def __init__(self, *answers: list[bytes] | None, encoding: str = "json", n_unsettled: int = 0) -> None:
        self._answers = list(answers)
        self._encoding = encoding
        self._n_unsettled = n_unsettled
        self._seq = 0
        self.questions: list[dict[str, Any]] = []
        self.acknowledged: list[int] = []

    def inspect(self) -> dict[str, Any]:
        return {"slots": [{"slot": 1, "encoding": self._encoding}]}

    def output(self, slot: int, *, after: int | None = None, limit: int | None = None, wait_s: Any = None) -> Outputs:
        if after is not None:
            self.acknowledged.append(after)
        if limit == 0:
            return Outputs([], self._seq, is_eof=False, is_settled=self._n_unsettled < 0, state="RUNNING")
        self._n_unsettled -= 1
        self.questions.append({"limit": limit, "wait_s": wait_s})
        answer = self._answers.pop(0) if self._answers else []
        if answer is None:
            return Outputs([], self._seq, is_eof=True, is_settled=True, state="FINISHED")
        values = answer[:limit]
        if rest := answer[len(values) :]:
            self._answers.insert(0, rest)
        self._seq += len(values)
        return Outputs(values, self._seq, is_eof=False, is_settled=self._n_unsettled < 0, state="RUNNING")


def run(engine: Engine, **options: Any) -> Any:
    defaults: dict[str, Any] = {"n_records": None, "is_following": False, "timeout_s": 60.0}
    return collect(engine, 1, **(defaults | options), pause=lambda _seconds: None)  # type: ignore[arg-type]  # a double


def test_everything_that_is_there_is_printed_one_record_a_line(capfdbinary: Any) -> None:
    engine = Engine([b"1", b"2"], [b"3"])
    assert run(engine).n_records == 3
    assert capfdbinary.readouterr().out == b"1\n2\n3\n"


def clock_of(*times: float) -> Callable[[], float]:
    """Return a clock that says these times, and the last one for ever."""
    left = list(times)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def waits(engine: Engine) -> list[float | None]:
    return [question["wait_s"] for question in engine.questions]


def test_once_all_is_scored_nothing_is_waited_for() -> None:
    engine = Engine([b"1"], [b"2"])
    run(engine, clock=clock_of(0.0))
    assert waits(engine) == [60.0, None, None]


def test_an_engine_that_is_not_through_is_asked_again_for_as_long_as_one_may_wait(capfdbinary: Any) -> None:
    engine = Engine([b"1"], [], [b"2"], [b"3"], n_unsettled=3)
    run(engine, timeout_s=12.0, clock=clock_of(0.0, 1.0, 1.0, 2.0))
    assert capfdbinary.readouterr().out == b"1\n2\n3\n"
    assert waits(engine)[:2] == [11.0, 10.0]
    assert waits(engine)[-1] is None


def test_a_wait_that_is_over_takes_what_is_there(capfdbinary: Any) -> None:
    engine = Engine([b"1"], n_unsettled=99)
    run(engine, timeout_s=12.0, clock=clock_of(0.0, 1.0, 12.0))
    assert capfdbinary.readouterr().out == b"1\n"


def test_no_wait_takes_what_is_there() -> None:
    engine = Engine([b"1"])
    run(engine, timeout_s=None)
    assert set(waits(engine)) == {None}


def test_what_was_printed_is_acknowledged() -> None:
    engine = Engine([b"1", b"2"], [b"3"])
    run(engine)
    assert engine.acknowledged[-1] == 3


def test_nothing_is_acknowledged_when_nothing_came() -> None:
    engine = Engine([])
    run(engine)
    assert engine.acknowledged == []


def test_n_records_are_waited_for_and_no_more_are_taken(capfdbinary: Any) -> None:
    engine = Engine([b"1"], [], [], [b"2", b"3"])
    assert run(engine, n_records=2).n_records == 2
    assert capfdbinary.readouterr().out == b"1\n2\n"
    assert engine.acknowledged[-1] == 2


def test_following_goes_on_to_the_end_of_the_stream(capfdbinary: Any) -> None:
    engine = Engine([b"1"], [], [b"2"], None)
    collected = run(engine, is_following=True)
    assert collected.is_eof
    assert capfdbinary.readouterr().out == b"1\n2\n"


@pytest.mark.parametrize("encoding", ["avro-binary", "null"])
def test_binary_records_go_into_a_pipe_as_they_are(capfdbinary: Any, encoding: str) -> None:
    run(Engine([b"\x00\x01", b"\x02"], encoding=encoding))
    assert capfdbinary.readouterr().out == b"\x00\x01\x02"


def test_an_interrupted_follower_has_acknowledged_what_it_printed(capfdbinary: Any) -> None:
    engine = Engine([b"1"])

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(engine, 1, n_records=None, is_following=True, timeout_s=60.0, pause=interrupt)  # type: ignore[arg-type]  # a double
    assert engine.acknowledged[-1] == 1
