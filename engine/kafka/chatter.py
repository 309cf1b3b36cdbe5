"""What librdkafka writes into its log: most of it only for whoever looks for a fault, since errors tell the rest.

A client that cannot reach a broker says so many times a second, and each client of a process does. Here that is one
event for each broker that goes, and one when it has been quiet about it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

from engine.kafka.errors import said_by
from engine.log import get_logger

log = get_logger(__name__)

QUIET_S = 15.0
"""After how long without a complaint a broker is taken to be back: librdkafka tries again within 10 s."""

# `FAIL [scoring-engine#consumer-1] [thrd:...]: 127.0.0.1:9092/1: Connect to ... failed: Connection refused`
_FAIL = re.compile(
    r"^FAIL \[[^]]*\] \[thrd:[^]]*\]: (?:\w+://)?(?P<broker>[^/\s]+:\d+)/\S+: (?P<reason>.*)$", re.DOTALL
)
_LOST = re.compile(r"^FAIL .* in state UP\b", re.DOTALL)


class Chatter(logging.Filter):
    """Turns what librdkafka says into events of ours; the lines themselves are for the level debug.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()  # each client says its part in a thread of its own
        self._failed_s: dict[str, float] = {}
        self.n_lost = 0
        """How many connections were lost that stood."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a line; return whether it is to be printed, as one of the level debug."""
        message = record.getMessage()
        if _LOST.match(message) is not None:
            with self._lock:
                self.n_lost += 1
        if (found := _FAIL.match(message)) is not None:
            self._note_failure(found["broker"], said_by(found["reason"]))
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger().isEnabledFor(logging.DEBUG)

    def settle(self) -> None:
        """Say which brokers are back; called now and then while brokers answer."""
        if not self._failed_s:
            return
        now_s = self._clock()
        with self._lock:
            back = [broker for broker, failed_s in self._failed_s.items() if now_s - failed_s >= QUIET_S]
            for broker in back:
                del self._failed_s[broker]
        for broker in back:
            log.info("kafka.broker.up", broker=broker)

    def _note_failure(self, broker: str, reason: str) -> None:
        with self._lock:
            is_news = broker not in self._failed_s
            self._failed_s[broker] = self._clock()
        if is_news:
            log.warning("kafka.broker.down", broker=broker, reason=reason)


CHATTER = Chatter()
"""What the clients of this process say."""

LOGGER = logging.getLogger("kafka")
LOGGER.setLevel(logging.DEBUG)  # the filter hears everything, and says what is printed
LOGGER.addFilter(CHATTER)
