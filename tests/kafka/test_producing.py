import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.kafka.producing import raising

FENCED = KafkaException(KafkaError(KafkaError._FENCED))


class Producer:
    """Says what it has died of, if it has, whatever it is asked."""

    def __init__(self, fatal=None):
        self._fatal = fatal

    def begin_transaction(self):
        if self._fatal is not None:
            raise self._fatal


def die(cause):
    raise SystemError("flush returned NULL without setting an exception") from cause


@pytest.mark.parametrize(
    ("cause", "fatal", "told"),
    [(FENCED, None, KafkaException), (None, FENCED, KafkaException), (None, None, SystemError)],
)
def test_what_a_producer_dies_of_is_raised_also_where_it_got_lost(cause, fatal, told):
    with pytest.raises(told) as caught, raising(Producer(fatal)):
        die(cause)
    assert told is SystemError or caught.value is FENCED
