"""The one broker of the test run: what the other tests of this folder rely on."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer

from testbed.kafka import KafkaCluster


def test_what_a_transaction_wrote_is_read_back(kafka: KafkaCluster, topic, name: str) -> None:
    made = topic(2)
    producer = Producer(kafka.client_settings | {"transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(made, b"1.5", b"key", partition=1)
    producer.commit_transaction(30)
    consumer = Consumer(kafka.client_settings | {"group.id": name, "auto.offset.reset": "earliest"})
    consumer.subscribe([made])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert (message.partition(), message.key(), message.value()) == (1, b"key", b"1.5")


def test_two_topics_of_a_test_have_different_names(topic) -> None:
    assert topic() != topic()
