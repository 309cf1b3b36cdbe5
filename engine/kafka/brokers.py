"""Questions to the brokers: each is answered within a time, or with a sentence that says why not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from engine.errors import BrokerUnreachable, EngineError
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error, said_by

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient

K = TypeVar("K")
T = TypeVar("T")

TIMEOUT_S = 10.0
"""How long a person waits for a question to be answered."""

_LOOK_S = 0.1
_GRACE_S = 1.0  # one broker of several may know better than the one that does not let us in
_N_SHARES = 4
"""Of the time for a question, a broker that is away gets so large a share, before others are asked."""
_HOPELESS = ("_AUTHENTICATION", "_SSL")  # in this order: no user is asked for before the handshake is done
_TROUBLE = ("_RESOLVE", "_TRANSPORT")
_PASSING = (
    "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH",
    "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "UNSTABLE_OFFSET_COMMIT",
    "INVALID_REPLICATION_FACTOR", "OFFSET_NOT_AVAILABLE", "_TRANSPORT", "_TIMED_OUT",
)  # fmt: skip
"""What is said for a moment of a topic or a group that was just made, or that another broker has taken over, or while
one is away that is to have a replica of a topic that is made, or that was to answer. So a question may be asked twice
though it was heard."""
_UNHEARD = ("UNKNOWN_TOPIC_OR_PART", "_NOENT")
"""What one of several brokers says for a moment of a topic that another one has made."""


class Complaints(logging.Handler):
    """What librdkafka says while it tries to connect: an answer that does not come says nothing itself."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._errors: dict[str, KafkaError] = {}
        self._logged = ""
        self.logger = logging.Logger("kafka")  # not to be found by name: it is for these questions only
        self.logger.addHandler(self)

    def note(self, error: KafkaError) -> None:
        """Take an error of which librdkafka thinks that it may go by."""
        self._errors[error.name()] = error

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of its log."""
        self._logged = record.getMessage().partition("]: ")[2] or record.getMessage()

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting will not help."""
        return any(name in self._errors for name in _HOPELESS)

    @property
    def worst(self) -> KafkaError | None:
        """What most probably keeps the answer away."""
        return next((self._errors[name] for name in (*_HOPELESS, *_TROUBLE) if name in self._errors), None)

    @property
    def logged(self) -> str:
        """The last line of the log."""
        return said_by(self._logged)


class Brokers:
    """Whom questions are asked of; the first one connects.

    Parameters
    ----------
    connection : Connection
        How they are reached.
    timeout_s : float, optional
        How long one question may take; `TIMEOUT_S` when nobody says.
    """

    def __init__(self, connection: Connection, timeout_s: float | None = None) -> None:
        self.connection = connection
        self._timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        self._complaints = Complaints()
        self._client: AdminClient | None = None
        self._is_given_up = threading.Event()

    def give_up(self) -> None:
        """Have the question that is being asked end soon, as if nobody had answered it; from any thread."""
        self._is_given_up.set()

    def ask(
        self,
        what: str,
        question: Callable[[AdminClient, float], Mapping[K, Future[T]]],
        *,
        is_known: bool = False,
    ) -> dict[K, T]:
        """Return the answers to a question about several things.

        Parameters
        ----------
        what : str
            What it is about, such as ``look at topic 'prices'``.
        question : callable
            Gets a client and the time that the answer may take, in seconds; returns what will be the answers.
        is_known : bool
            The topic is there: a broker that knows nothing of it has not heard yet, and is asked again.

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            One of them is none.
        """
        from confluent_kafka import KafkaException

        passing = (*_PASSING, *_UNHEARD) if is_known else _PASSING
        until_s, share_s = time.monotonic() + self._timeout_s, self._timeout_s / _N_SHARES
        heard: KafkaException | None = None
        while True:
            left_s = until_s - time.monotonic()
            step_s = share_s if left_s > 2 * share_s else max(left_s, share_s)
            try:
                answers = question(self._connected(), step_s)
                self._wait(answers.values(), step_s)
                return {key: answer.result(0) for key, answer in answers.items()}
            except KafkaException as exc:
                is_over = self._is_given_up.is_set() or self._complaints.is_hopeless or time.monotonic() > until_s
                name = exc.args[0].name()
                if is_over or name not in passing:
                    # One client of some hundred hears nothing, though the brokers are well; the next one does.
                    is_silent = name == "_TIMED_OUT" and not self._complaints.is_hopeless
                    raise self._explain(what, heard if is_silent and heard else exc) from exc
                heard = exc if name in _UNHEARD else None
            except FutureTimeoutError as exc:
                raise self._explain(what, None) from exc
            self.close()  # a client goes on with the leaders, and the controller, that it knows
            time.sleep(_LOOK_S)

    def list_topics(self) -> set[str]:
        """Return the names of all topics that the user may see."""
        return set(self._metadata("list topics").topics)

    def count(self) -> int:
        """Return how many brokers there are."""
        return len(self._metadata("list brokers").brokers)

    def cluster_id(self) -> str:
        """Return what the brokers call their cluster: two addresses with one id lead to the same topics."""
        return str(self._metadata("ask for the cluster").cluster_id)

    def close(self) -> None:
        """Let go of the connections."""
        self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _metadata(self, what: str) -> Any:
        def question(client: AdminClient, timeout_s: float) -> dict[str, Future[Any]]:
            answer: Future[Any] = Future()
            answer.set_result(client.list_topics(timeout=timeout_s))
            return {what: answer}

        return self.ask(what, question)[what]

    def _connected(self) -> AdminClient:
        if self._client is None:
            from confluent_kafka.admin import AdminClient

            more: dict[str, Any] = {"error_cb": self._complaints.note, "logger": self._complaints.logger}
            self._client = AdminClient(self.connection.admin(**more))
        return self._client

    def _wait(self, answers: Iterable[Future[Any]], timeout_s: float) -> None:
        """Wait until there are answers, or none is to be expected."""
        give_up_at = time.monotonic() + timeout_s + _GRACE_S  # the client's own time goes by first
        waiting = set(answers)
        while waiting and time.monotonic() < give_up_at and not self._is_given_up.is_set():
            waiting = wait(waiting, _LOOK_S).not_done
            self._connected().poll(0)  # which hands over the complaints
            if self._complaints.is_hopeless:
                give_up_at = min(give_up_at, time.monotonic() + _GRACE_S)

    def _explain(self, what: str, error: KafkaException | None) -> EngineError:
        """Return what to say: the error itself, unless it only says that nobody has answered."""
        servers = self.connection.servers
        if error is not None and error.args[0].name() != "_TIMED_OUT":
            return broker_error(what, error, servers)
        if self._complaints.worst is not None:
            return broker_error(what, self._complaints.worst, servers)
        said = self._complaints.logged
        hint = f"{said} (is it the port for that Security.Protocol?)" if said else "nothing came back in time"
        return BrokerUnreachable(servers, hint)
