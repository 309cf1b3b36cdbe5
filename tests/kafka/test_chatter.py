from __future__ import annotations

import logging

import pytest
from structlog.testing import capture_logs

from engine.kafka.chatter import CHATTER, LOGGER, QUIET_S, Chatter

REFUSED = (
    "FAIL [scoring-engine#consumer-1] [thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed:"
    " Connection refused (after 0ms in state CONNECT)"
)
TLS = (
    "FAIL [scoring-engine#producer-2] [thrd:ssl://broker:9093/bootstrap]: ssl://broker:9093/bootstrap: Disconnected"
    " (after 3ms in state UP)"
)
COORDINATOR = (
    "FAIL [scoring-engine#consumer-1] [thrd:GroupCoordinator]: GroupCoordinator: 127.0.0.1:9092: Disconnected:"
    " connection closed by peer: receive 0 after POLLIN (after 6006ms in state UP)"
)


class Seconds:
    """A clock that stands still."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def say(chatter: Chatter, line: str, level: int = logging.ERROR) -> bool:
    """Return whether a line is printed."""
    return chatter.filter(logging.LogRecord("kafka", level, "", 0, line, (), None))


@pytest.mark.parametrize("line", [REFUSED, "FATAL [p#producer-1] [thrd:main]: Fatal error: fenced", "TXNERR [x]: y"])
@pytest.mark.parametrize("level", [logging.ERROR, logging.CRITICAL])
def test_lines_of_librdkafka_are_printed_where_debugging_is_asked_for_alone(line, level, caplog) -> None:
    caplog.set_level(logging.INFO)
    assert not say(Chatter(), line, level)
    caplog.set_level(logging.DEBUG)
    record = logging.LogRecord("kafka", level, "", 0, line, (), None)
    assert Chatter().filter(record)
    assert record.levelname == "DEBUG"


def test_a_broker_that_goes_is_told_once_and_once_more_when_it_has_been_back_for_a_while() -> None:
    clock = Seconds()
    chatter = Chatter(clock)
    with capture_logs() as said:
        for _ in range(100):
            say(chatter, REFUSED)
        say(chatter, TLS)
        chatter.settle()
        clock.now_s += QUIET_S
        say(chatter, TLS)
        chatter.settle()
        chatter.settle()
        say(chatter, REFUSED)
    assert [(one["event"], one["broker"]) for one in said] == [
        ("kafka.broker.down", "127.0.0.1:9092"),
        ("kafka.broker.down", "broker:9093"),
        ("kafka.broker.up", "127.0.0.1:9092"),
        ("kafka.broker.down", "127.0.0.1:9092"),
    ]
    assert "Connection refused" in said[0]["reason"]


def test_connections_that_stood_are_counted_when_they_are_lost_whatever_is_printed(caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    before = CHATTER.n_lost
    for line in (REFUSED, TLS, REFUSED, COORDINATOR):
        LOGGER.info(line)
    assert CHATTER.n_lost - before == 2
