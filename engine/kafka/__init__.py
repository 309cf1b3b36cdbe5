"""Kafka: how brokers are reached and what they answer, topics, offsets, transactions and the changelog.

Nothing here is loaded with the room itself: librdkafka takes a while, and most engines need none of it.
"""
