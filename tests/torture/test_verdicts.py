"""What is said of outputs: lost, repeated, wrong."""

from __future__ import annotations

import json

import pytest

from engine.torture.verdicts import compare, count, follow

EXPECTED = [b"1", b"2", b"2", b"3"]


@pytest.mark.parametrize(
    ("got", "n_lost", "n_repeated", "reason"),
    [
        ([b"1", b"2", b"2", b"3"], 0, 0, ""),
        ([b"1", b"2", b"2"], 1, 0, "3 outputs came, and 4 were expected."),
        ([b"1", b"2", b"3"], 1, 0, "Output 3 is 3, and 2 was expected."),
        ([b"1", b"2", b"2", b"2", b"3"], 0, 1, "Output 4 is 2, and 3 was expected."),
        ([b"1", b"2", b"2", b"4"], 1, 1, "Output 4 is 4, and 3 was expected."),
        ([b"2", b"1", b"2", b"3"], 0, 2, "Output 1 is 2, and 1 was expected."),
        ([], 4, 0, "0 outputs came, and 4 were expected."),
    ],
)
def test_outputs_that_differ_are_counted_and_the_first_is_named(
    got: list[bytes], n_lost: int, n_repeated: int, reason: str
) -> None:
    verdict = compare(EXPECTED, got)
    assert (verdict.n_lost, verdict.n_repeated, verdict.reason) == (n_lost, n_repeated, reason)


@pytest.mark.parametrize(("n", "n_lost", "n_repeated"), [(4, 0, 0), (3, 1, 0), (6, 0, 2)])
def test_of_outputs_that_no_run_repeats_the_number_is_compared(n: int, n_lost: int, n_repeated: int) -> None:
    verdict = count(4, [b"x"] * n)
    assert (verdict.n_lost, verdict.n_repeated) == (n_lost, n_repeated)
    assert bool(verdict.reason) == (n != 4)


def trail(*steps: tuple[int, int, int, int, int]) -> list[bytes]:
    return [json.dumps(dict(zip(("slot", "id", "value", "n", "total"), step, strict=True))).encode() for step in steps]


RIGHT = [(0, 0, 5, 1, 5), (2, 0, 7, 2, 12), (0, 1, 1, 3, 13), (2, 1, 1, 4, 14)]


@pytest.mark.parametrize(
    ("steps", "n_lost", "n_repeated"),
    [
        (RIGHT, 0, 0),
        ([RIGHT[0], (0, 1, 7, 2, 12), (2, 0, 1, 3, 13), RIGHT[3]], 0, 0),  # another order of the slots
        (RIGHT[:3], 1, 0),
        ([RIGHT[0], RIGHT[1], (2, 1, 1, 3, 13)], 1, 0),
        ([RIGHT[0], RIGHT[0], RIGHT[1], RIGHT[2], RIGHT[3]], 0, 1),
        ([RIGHT[0], (2, 0, 7, 1, 7), (0, 1, 1, 2, 8), (2, 1, 1, 3, 9)], 1, 0),  # the state was forgotten once
        ([], 4, 0),
    ],
)
def test_outputs_that_do_not_follow_each_other_are_counted(
    steps: list[tuple[int, int, int, int, int]], n_lost: int, n_repeated: int
) -> None:
    verdict = follow({0: 2, 2: 2}, trail(*steps))
    assert (verdict.n_lost, verdict.n_repeated) == (n_lost, n_repeated)
    assert bool(verdict.reason) == bool(n_lost or n_repeated)
